/*
 * A month of a company's mail, against the score of unusual sending (quota/score_rule.h), with its real scripts in an
 * embedded Redis and in virtual time: how often somebody is locked out who did nothing wrong, and how many messages a
 * thief gets through. Nobody is told apart by their kind: all are judged by the one rule.
 *
 *   scores SEED
 */
#include <inttypes.h>

#include "tests/unit/played_scores.h"

#define BEGIN 1764547200U /* Mon 2025-12-01 00:00:00 UTC */
#define DAY 86400U
#define LEARNING_DAYS 8U /* alert.learning, which begins with the first message of the first day */
#define MONTH_DAYS 30U
#define DAYS (LEARNING_DAYS + MONTH_DAYS)
#define USERS 500U
#define THIEVES 100U
#define THEFT 40U          /* messages of a thief */
#define EVENTS 400000U     /* of a day, at most */
#define STRANGERS 10000000 /* from here on, people whom nobody has written to */

enum kind { OFFICE, SALES, BOOKS, HOME, TRAVEL, EVENTS_TEAM, PRINTER, NEWSLETTER, NEWCOMER, KINDS };

static const struct {
	const char *name;
	unsigned count;
} kinds[KINDS] = {
	[OFFICE] = { "office", 332 },   [SALES] = { "sales", 40 },           [BOOKS] = { "book-keeping", 20 },
	[HOME] = { "home office", 30 }, [TRAVEL] = { "travelling", 20 },     [EVENTS_TEAM] = { "invitations", 10 },
	[PRINTER] = { "printers", 20 }, [NEWSLETTER] = { "newsletters", 3 }, [NEWCOMER] = { "on-boarding", 25 },
};

struct person {
	enum kind kind;
	char name[16];
	unsigned begins;   /* the day on which they come */
	unsigned contacts; /* outside the company, whom they write to again and again */
	bool has_phone;
	unsigned machine;  /* the kind of client; another one where it was replaced */
	unsigned replaced; /* on this day */
	unsigned false_locks, active_days;
	bool is_locked, is_active;
};

/* One message. */
struct event {
	unsigned second; /* of the day */
	struct person *person;
	unsigned network, client;
	unsigned first, count; /* recipients outside */
	struct thief *thief;   /* who sent it; NULL: the person */
};

struct thief {
	struct person *person;
	unsigned day, network, client, sent, first;
	bool is_stopped;
};

static struct {
	uint64_t random;
	unsigned stranger, place;
	struct redis redis;
	struct scores *scores;
	struct person people[USERS];
	struct thief thieves[THIEVES];
	struct event *events;
	size_t event_count;
	unsigned day;
	uint64_t messages;
	unsigned marks;
} world;

static unsigned draw_below(unsigned below)
{
	world.random ^= world.random << 13;
	world.random ^= world.random >> 7;
	world.random ^= world.random << 17;
	return below ? (unsigned)((world.random >> 16) % below) : 0;
}

static unsigned draw_between(unsigned least, unsigned most)
{
	return least + draw_below(most - least + 1);
}

static bool draw_chance(unsigned percent)
{
	return draw_below(100) < percent;
}

/* ---- where and by what */

static unsigned new_network(void)
{
	return 1000000 + world.place++;
}

/* The office is one network, mobile carriers have thirty, everybody's home is one of their own. */
static unsigned network_of(const struct person *person, bool is_phone)
{
	unsigned index = (unsigned)(person - world.people);
	if (is_phone)
		return draw_chance(60) ? 1 : 100 + draw_below(30);
	if (person->kind == HOME)
		return 200000 + index * 100 + world.day; /* the provider gives another address each night */
	return draw_chance(90) ? 1 : 10000 + index;
}

static unsigned client_of(const struct person *person)
{
	return person->machine + (world.day >= person->replaced ? 1 : 0);
}

/* ---- to whom */

static void set_recipients(struct event *event, unsigned outside, unsigned strange)
{
	unsigned index = (unsigned)(event->person - world.people);
	event->count = draw_chance(outside) ? 1 : 0;
	if (event->count && draw_chance(strange)) {
		event->first = STRANGERS + world.stranger;
		world.stranger += event->count;
	} else if (event->count) {
		unsigned near = draw_below(event->person->contacts) * draw_below(event->person->contacts) /
				event->person->contacts;
		event->first = index * 1000 + near;
	}
}

static void add_event(struct event event)
{
	assert(world.event_count < EVENTS);
	world.events[world.event_count++] = event;
}

static void add_to_strangers(struct event event, unsigned count)
{
	event.first = STRANGERS + world.stranger;
	event.count = count;
	world.stranger += count;
	add_event(event);
}

/* ---- a day of each kind */

static void write_as_usual(struct person *person, unsigned least, unsigned most, unsigned outside, unsigned strange)
{
	unsigned left = draw_between(least, most);
	while (left) {
		unsigned at = draw_between(8 * 3600, 18 * 3600), together = draw_between(1, 5);
		bool is_phone = person->has_phone && draw_chance(12);
		struct event event = { .person = person,
				       .network = network_of(person, is_phone),
				       .client = is_phone ? 900 + draw_below(3) : client_of(person) };
		for (unsigned i = 0; i < together && left; i++, left--) {
			event.second = at + i * draw_between(30, 240);
			set_recipients(&event, outside, strange);
			if (event.count && draw_chance(2))
				add_to_strangers(event, draw_between(3, 20)); /* a round of people, some of them new */
			else
				add_event(event);
		}
	}
}

/* One after the other, to people of whom each is new, or of a list of customers. */
static void write_in_series(struct person *person, unsigned count, unsigned network, unsigned seconds, bool is_list)
{
	unsigned at = draw_between(9 * 3600, 15 * 3600), index = (unsigned)(person - world.people);
	for (unsigned i = 0; i < count; i++) {
		struct event event = {
			.second = at + i * seconds, .person = person, .network = network, .client = client_of(person)
		};
		if (is_list) {
			event.first = index * 1000 + 500 + i;
			event.count = 1;
			add_event(event);
		} else {
			add_to_strangers(event, 1);
		}
	}
}

static bool is_month_end(void)
{
	return world.day == 30 || world.day == LEARNING_DAYS + 1;
}

static void live_special_day(struct person *person)
{
	switch (person->kind) {
	case SALES:
		if (draw_chance(6))
			write_in_series(person, draw_between(20, 45), draw_chance(85) ? 1 : network_of(person, false),
					150, false);
		break;
	case BOOKS:
		if (is_month_end())
			write_in_series(person, draw_between(60, 120), 1, 60, true);
		break;
	case TRAVEL:
		if (draw_chance(5))
			write_in_series(person, draw_between(5, 11), new_network(), 300, false);
		break;
	case EVENTS_TEAM:
		if (draw_chance(15))
			add_to_strangers((struct event){ .second = 11 * 3600,
							 .person = person,
							 .network = 1,
							 .client = client_of(person) },
					 draw_between(30, 90));
		break;
	case NEWCOMER:
		if (world.day == person->begins)
			write_in_series(person, draw_between(2, 8), 1, 600, false); /* "I am new here" */
		break;
	case OFFICE:
	case HOME:
	case PRINTER:
	case NEWSLETTER:
	case KINDS:
	default:
		break;
	}
}

static void live_as_machine(struct person *person)
{
	unsigned index = (unsigned)(person - world.people);
	if (person->kind == PRINTER) {
		unsigned count = draw_below(80);
		for (unsigned i = 0; i < count; i++) {
			struct event event = { .second = draw_between(7 * 3600, 19 * 3600),
					       .person = person,
					       .network = 2,
					       .client = client_of(person) };
			set_recipients(&event, 10, 30);
			add_event(event);
		}
		return;
	}
	/* A list of 1,500, of which some are new each time; on Tuesdays, or each workday. */
	if (index % 3 && world.day % 7 != 1)
		return;
	for (unsigned i = 0; i < 1500; i++) {
		struct event event = { .second = 6 * 3600 + i * 2, .person = person, .network = 3, .client = 700 };
		event.first = index * 1000000 + i + (world.day * 30);
		event.count = 1;
		add_event(event);
	}
}

static void live_day(struct person *person)
{
	bool is_weekend = world.day % 7 >= 5;
	if (world.day < person->begins || (is_weekend && person->kind != NEWSLETTER && !draw_chance(5)))
		return;
	if (person->kind == PRINTER || person->kind == NEWSLETTER) {
		live_as_machine(person);
		return;
	}
	if (draw_chance(12))
		return; /* on leave */
	if (person->kind == SALES)
		write_as_usual(person, 15, 50, 80, 15);
	else
		write_as_usual(person, 3, 28, 35, 12);
	live_special_day(person);
}

static void steal_day(struct thief *thief)
{
	unsigned at = draw_between(0, DAY - THEFT * 90);
	for (unsigned i = 0; i < THEFT && thief->day == world.day; i++) {
		struct event event = { .second = at + i * draw_between(5, 80),
				       .person = thief->person,
				       .network = thief->network,
				       .client = thief->client,
				       .thief = thief };
		add_to_strangers(event, 1);
	}
}

/* ---- what becomes of it */

static void keep_mark(void *context, enum status status, bool is_first)
{
	(void)context, (void)status;
	world.marks += is_first;
}

static void lock_out(const struct event *event)
{
	struct person *person = event->person;
	enum status status = scores_mark(world.scores, span_of(person->name), span_of(person->name), SCORE_LOCK,
					 SPAN("score"), keep_mark, NULL);
	assert(status == STATUS_OK);
	play_answers(&world.redis);
	person->is_locked = true;
	if (event->thief)
		event->thief->is_stopped = true;
	else
		person->false_locks++;
}

static void explain_lock(const struct event *event, const struct score_facts *facts)
{
	char reason[SCORE_REASON_SIZE];
	score_explain(facts, SPAN("there"), SPAN("that"), reason);
	printf("  locked: %s (%s), day %u: %s\n", event->person->name, kinds[event->person->kind].name,
	       world.day - LEARNING_DAYS, reason);
}

static void take_event(const struct event *event)
{
	char network[16], client[16];
	struct person *person = event->person;
	if (person->is_locked)
		return;
	snprintf(network, sizeof(network), "n%u", event->network);
	snprintf(client, sizeof(client), "c%u", event->client);
	world.redis.wall_s = BEGIN + (uint64_t)world.day * DAY + event->second;
	world.messages++;
	struct played_verdict verdict =
		play_message(&world.redis, world.scores, person->name, network, client, event->first, event->count);
	person->is_active |= event->thief == NULL;
	if (event->thief)
		event->thief->sent++;
	if (verdict.verdict != SCORE_COUNTED || score_compute(&verdict.facts) < 100)
		return;
	if (event->thief)
		event->thief->sent--; /* that one did not leave */
	else
		explain_lock(event, &verdict.facts);
	lock_out(event);
}

static int compare_events(const void *a, const void *b)
{
	const struct event *first = a, *second = b;
	return first->second < second->second ? -1 : first->second > second->second;
}

/* An administrator unlocks them in the morning, with a new password. */
static void unlock_all(void)
{
	for (unsigned i = 0; i < USERS; i++) {
		struct person *person = &world.people[i];
		char key[64];
		snprintf(key, sizeof(key), "x:lock:{%s}", person->name);
		const struct span arguments[] = { SPAN("DEL"), span_of(key) };
		if (person->is_locked)
			freeReplyObject(play_command(&world.redis, arguments, 2));
		person->is_locked = false;
	}
}

static void run_day(unsigned day)
{
	world.day = day;
	world.event_count = 0;
	unlock_all();
	for (unsigned i = 0; i < USERS; i++)
		live_day(&world.people[i]);
	for (unsigned i = 0; i < THIEVES; i++)
		steal_day(&world.thieves[i]);
	qsort(world.events, world.event_count, sizeof(*world.events), compare_events);
	for (size_t i = 0; i < world.event_count; i++)
		if (world.events[i].second < DAY)
			take_event(&world.events[i]);
	for (unsigned i = 0; i < USERS; i++) {
		if (day >= LEARNING_DAYS)
			world.people[i].active_days += world.people[i].is_active;
		world.people[i].is_active = false;
	}
}

/* ---- the company */

static void hire_people(void)
{
	static const unsigned starts[] = { LEARNING_DAYS + 1, LEARNING_DAYS + 8, LEARNING_DAYS + 15 };
	unsigned index = 0;
	for (unsigned kind = 0; kind < KINDS; kind++) {
		for (unsigned i = 0; i < kinds[kind].count; i++, index++) {
			struct person *person = &world.people[index];
			*person = (struct person){ .kind = (enum kind)kind, .contacts = draw_between(20, 80) };
			snprintf(person->name, sizeof(person->name), "user%u", index);
			person->has_phone = draw_chance(40);
			person->machine = 10 + draw_below(8) * 2;
			person->replaced = draw_chance(6) ? draw_below(DAYS) : 1000;
			person->begins = kind == NEWCOMER ? starts[draw_below(3)] : 0;
		}
	}
	assert(index == USERS);
}

/* At anybody's account; every fourth with the same kind of client, every tenth at one that nobody has used. */
static void hire_thieves(void)
{
	for (unsigned i = 0; i < THIEVES; i++) {
		struct thief *thief = &world.thieves[i];
		*thief = (struct thief){ .person = &world.people[draw_below(USERS)],
					 .day = draw_between(LEARNING_DAYS, DAYS - 1),
					 .network = new_network() };
		if (i % 10 == 0)
			thief->person->begins = 1000;
		thief->client = i % 4 ? 5000 + i : thief->person->machine;
	}
}

static unsigned report_thieves(void)
{
	unsigned most = 0, least = THEFT, stopped = 0, sum = 0, tried = 0;
	for (unsigned i = 0; i < THIEVES; i++) {
		const struct thief *thief = &world.thieves[i];
		if (thief->sent == 0 && !thief->is_stopped)
			continue; /* the account was locked already */
		tried++;
		stopped += thief->is_stopped;
		sum += thief->sent;
		most = thief->sent > most ? thief->sent : most;
		least = thief->sent < least ? thief->sent : least;
	}
	printf("thieves: %u of %u locked out; messages that left: %u to %u, %.1f on average\n", stopped, tried, least,
	       most, tried ? (double)sum / tried : 0);
	return most;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, user_days = 0;
	unsigned locks = 0;
	world.random = seed * 0x9E3779B97F4A7C15ULL + 1;
	world.events = calloc(EVENTS, sizeof(*world.events));
	played_scores_begin(&world.redis, BEGIN);
	enum status status = scores_create((struct loop *)(void *)&world.redis, &world.redis,
					   "x:", (LEARNING_DAYS - 1) * DAY, &world.scores);
	assert(world.events && status == STATUS_OK);
	hire_people();
	hire_thieves();
	for (unsigned day = 0; day < DAYS; day++)
		run_day(day);
	for (unsigned i = 0; i < USERS; i++) {
		user_days += world.people[i].active_days;
		locks += world.people[i].false_locks;
	}
	printf("seed %" PRIu64 ": %" PRIu64 " messages; false locks: %u in %" PRIu64
	       " user-days with mail (%u of the calendar)\n",
	       seed, world.messages, locks, user_days, USERS * MONTH_DAYS);
	unsigned most = report_thieves();
	scores_free(&world.scores);
	played_scores_end(&world.redis);
	free(world.events);
	return most <= 20 && locks * 10000ULL <= (uint64_t)USERS * MONTH_DAYS ? 0 : 1;
}

/* The books: see books.h. An audit is read as far as it goes, as anybody may; what was read is never read again. */
#include "tests/simulate/books.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/simulate/nodes.h"
#include "tests/simulate/servers.h"

#define MAILS_MAXIMUM 4000
#define AUDITS_MAXIMUM 8
#define ATTEMPTS_MAXIMUM 8000
#define DAYS_MAXIMUM 32
#define REFUND_US (40ULL * SECOND_US) /* a refund may wait so long for a Redis that is away */

/* message.leaving and what came of it. */
struct attempt {
	char id[64]; /* the message's id and the attempt */
	unsigned number;
	bool has_left;
	unsigned outcomes;
	char outcome; /* s: sent, f: failed, u: unknown */
	char resets_at[32];
};

struct audit_file {
	char path[256];
	size_t offset;
	size_t attempts_seen;
};

static struct mail *mails[MAILS_MAXIMUM];
static size_t mail_count;
static struct audit_file audits[AUDITS_MAXIMUM];
static size_t audit_count;
static struct attempt attempts[ATTEMPTS_MAXIMUM];
static size_t attempt_count;
static unsigned limit;
static bool may_count_more;

/* ---- mails */

const char *books_user(unsigned user)
{
	static const char *const names[USERS] = { "ann@example.com", "bob@example.org" };
	return names[user];
}

struct mail *books_write_mail(unsigned user)
{
	static const char *const bodies[] = { "hello\r\n", "..\r\n", "one\r\n\r\n..two\r\n", "" };
	struct mail *mail = calloc(1, sizeof(*mail));
	assert(mail && mail_count < MAILS_MAXIMUM);
	mail->number = (unsigned)mail_count;
	mail->user = user;
	mail->recipients = 1 + sim_draw(3);
	snprintf(mail->text, sizeof(mail->text),
		 "From: <%s>\r\nTo: <c@example.net>\r\nMessage-ID: <%u.sim@example.com>\r\n\r\n%s", books_user(user),
		 mail->number, bodies[sim_draw(4)]);
	mails[mail_count++] = mail;
	return mail;
}

void books_take_answer(struct mail *mail, unsigned code)
{
	sim_note("the client of mail %u hears %u", mail->number, code);
	if (mail->answer)
		sim_fail("mail %u has a second answer: %u after %u", mail->number, code, mail->answer);
	mail->answer = code;
	mail->answered_us = sim_now_us;
	if (code / 100 == 2 && mail->accepted != 1)
		sim_fail("mail %u: %u, and upstreams have it %u times (promise 3)", mail->number, code, mail->accepted);
}

void books_lose_relay(const void *relay)
{
	for (size_t i = 0; i < mail_count; i++) {
		struct mail *mail = mails[i];
		if (mail->relay == relay && !mail->accepted &&
		    (mail->answer == 0 || sim_now_us - mail->answered_us < REFUND_US))
			mail->is_lost = true;
	}
}

static struct mail *find_mail(struct span text)
{
	static const char field[] = "Message-ID: <";
	const char *found = memmem(text.data, text.size, field, sizeof(field) - 1);
	unsigned long number = found ? strtoul(found + sizeof(field) - 1, NULL, 10) : MAILS_MAXIMUM;
	if (number >= mail_count)
		sim_fail("an upstream got a message that nobody sent: %.*s", SPAN_ARGS(text));
	return mails[number];
}

void books_take_accepted(struct mail *mail)
{
	sim_note("mail %u is accepted", mail->number);
	if (++mail->accepted > 1)
		sim_fail("mail %u is accepted twice (promise 3)", mail->number);
}

size_t books_count(void)
{
	return mail_count;
}

size_t books_accepted(void)
{
	size_t count = 0;
	for (size_t i = 0; i < mail_count; i++)
		count += mails[i]->accepted;
	return count;
}

/* ---- the audit */

void books_watch(const char *folder)
{
	assert(audit_count < AUDITS_MAXIMUM);
	snprintf(audits[audit_count++].path, sizeof(audits[0].path), "%s/audit.jsonl", folder);
}

static struct attempt *find_attempt(const char *id)
{
	for (size_t i = attempt_count; i-- > 0;)
		if (strcmp(attempts[i].id, id) == 0)
			return &attempts[i];
	return NULL;
}

static struct attempt *make_attempt(const char *id)
{
	struct attempt *attempt = find_attempt(id);
	if (attempt)
		return attempt;
	assert(attempt_count < ATTEMPTS_MAXIMUM);
	attempt = &attempts[attempt_count++];
	snprintf(attempt->id, sizeof(attempt->id), "%s", id);
	return attempt;
}

static const char *text_of(const json_t *record, const char *name)
{
	const char *text = json_string_value(json_object_get(record, name));
	return text ? text : "";
}

static void note_number(struct attempt *attempt, const json_t *record)
{
	const char *id = text_of(record, "message_id");
	if (id[0] == '<')
		attempt->number = (unsigned)strtoul(id + 1, NULL, 10);
}

/* The outcome that a later process writes after a crash does not name it; the leaving does. */
static void note_day(struct attempt *attempt, const json_t *record)
{
	const char *resets_at = text_of(json_object_get(record, "quota"), "resets_at");
	if (*resets_at)
		snprintf(attempt->resets_at, sizeof(attempt->resets_at), "%s", resets_at);
}

static void note_outcome(struct attempt *attempt, char outcome)
{
	attempt->outcomes++;
	attempt->outcome = outcome;
	if (attempt->outcomes > 1)
		sim_fail("attempt %s has a second outcome (promise 5)", attempt->id);
	if (!attempt->has_left)
		sim_fail("attempt %s has an outcome, and never left (promise 5)", attempt->id);
}

static void take_record(const char *line, size_t size)
{
	char id[96];
	json_t *record = json_loadb(line, size, 0, NULL);
	if (record == NULL)
		sim_fail("a line of an audit is no record: %.*s", (int)size, line);
	const char *type = text_of(record, "type");
	snprintf(id, sizeof(id), "%.60s/%lld", text_of(record, "message"),
		 (long long)json_integer_value(json_object_get(record, "attempt")));
	if (strcmp(type, "message.leaving") == 0) {
		struct attempt *attempt = make_attempt(id);
		if (attempt->has_left)
			sim_fail("attempt %s leaves twice", id);
		attempt->has_left = true;
		note_number(attempt, record);
		note_day(attempt, record);
	} else if (strcmp(type, "message.sent") == 0 || strcmp(type, "message.failed") == 0 ||
		   strcmp(type, "message.unknown") == 0) {
		struct attempt *attempt = make_attempt(id);
		note_day(attempt, record);
		note_outcome(attempt, type[sizeof("message.") - 1]);
	} else if (strcmp(type, "quota.lost") == 0 && !redis_server_was_flushed()) {
		sim_fail("Redis is said to have lost counts, and has them all: %s", text_of(record, "reason"));
	}
	json_decref(record);
}

static size_t read_rest(const struct audit_file *audit, char *room, size_t size)
{
	int fd = open(audit->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t got = pread(fd, room, size, (off_t)audit->offset);
	close(fd);
	return got > 0 ? (size_t)got : 0;
}

/* A line that a killed process left is ended by the next one: it is no record, and holds a part of one. */
static void read_audit(struct audit_file *audit)
{
	static char room[1U << 20];
	size_t size;
	while ((size = read_rest(audit, room, sizeof(room))) > 0) {
		const char *end = memchr(room, '\n', size);
		if (end == NULL)
			return;
		size_t line = (size_t)(end - room);
		if (line && room[line - 1] == '}')
			take_record(room, line);
		audit->offset += line + 1;
	}
}

static void read_audits(void)
{
	for (size_t i = 0; i < audit_count; i++)
		read_audit(&audits[i]);
}

static bool is_leaving_now(const struct mail *mail)
{
	for (size_t i = 0; i < attempt_count; i++)
		if (attempts[i].number == mail->number && attempts[i].has_left)
			return true;
	return false;
}

struct mail *books_take_dot(struct span text)
{
	struct mail *mail = find_mail(text);
	read_audits();
	sim_note("the dot of mail %u", mail->number);
	mail->dots++;
	if (!is_leaving_now(mail))
		sim_fail("mail %u leaves without a record (promise 5)", mail->number);
	if (!span_equal(text, span_of(mail->text)))
		sim_fail("mail %u is another one at the upstream: %.*s (promise 6)", mail->number, SPAN_ARGS(text));
	return mail;
}

/* ---- the end */

void books_allow_more(void)
{
	may_count_more = true;
}

void books_set_limit(unsigned messages_per_day)
{
	limit = messages_per_day;
}

static void check_attempt(const struct attempt *attempt)
{
	const struct mail *mail = mails[attempt->number];
	if (attempt->has_left && attempt->outcomes != 1)
		sim_fail("attempt %s of mail %u has %u outcomes (promise 5)", attempt->id, mail->number,
			 attempt->outcomes);
	if (attempt->outcome == 's' && mail->accepted != 1)
		sim_fail("mail %u is recorded as sent, and no upstream has it", mail->number);
}

static void check_mail(const struct mail *mail)
{
	bool may_be_there = false;
	for (size_t i = 0; i < attempt_count; i++)
		may_be_there |= attempts[i].number == mail->number && attempts[i].outcome != 'f';
	if (mail->accepted && !may_be_there)
		sim_fail("mail %u is accepted, and all its attempts are recorded as failed", mail->number);
}

/* A day of a user's, by its end, as records name it. */
struct day {
	uint64_t ends_s;
	unsigned accepted;
};

struct days {
	struct day of[DAYS_MAXIMUM];
	size_t count;
};

static struct day *find_day(struct days *days, uint64_t ends_s)
{
	size_t at = 0;
	while (at < days->count && days->of[at].ends_s < ends_s)
		at++;
	if (at < days->count && days->of[at].ends_s == ends_s)
		return &days->of[at];
	assert(days->count < DAYS_MAXIMUM);
	memmove(&days->of[at + 1], &days->of[at], (days->count - at) * sizeof(days->of[0]));
	days->count++;
	days->of[at] = (struct day){ ends_s, 0 };
	return &days->of[at];
}

static void collect_days(unsigned user, struct days *out_days)
{
	for (size_t i = 0; i < attempt_count; i++) {
		const struct mail *mail = mails[attempts[i].number];
		uint64_t ends_s;
		if (mail->user == user && mail->accepted && attempts[i].outcome != 'f' &&
		    clock_read_seconds(span_of(attempts[i].resets_at), &ends_s) == STATUS_OK)
			find_day(out_days, ends_s)->accepted++;
	}
}

/* The next day begins once the one before has ended by Redis's clock, and lasts for 22 hours at least. */
static void check_days(unsigned user, const struct days *days)
{
	for (size_t i = 0; i < days->count; i++) {
		const struct day *day = &days->of[i];
		sim_note("%s: %u accepted of %u in the day to %llu", books_user(user), day->accepted, limit,
			 (unsigned long long)day->ends_s);
		if (day->accepted > limit)
			sim_fail("%s has %u messages accepted in one day, of %u (promise 4)", books_user(user),
				 day->accepted, limit);
		if (i && !redis_server_was_flushed() && day->ends_s - day[-1].ends_s < 22 * 3600)
			sim_fail("a day of %s has less than 22 hours (promise 4)", books_user(user));
		if (i && !redis_server_was_flushed() && redis_server_latest_s() < day[-1].ends_s)
			sim_fail("a day of %s begins before the last one is over (promise 4)", books_user(user));
	}
}

static unsigned count_uncertain(unsigned user)
{
	unsigned count = 0;
	for (size_t i = 0; i < mail_count; i++)
		count += mails[i]->user == user && mails[i]->is_lost;
	for (size_t i = 0; i < attempt_count; i++)
		count += attempts[i].outcome == 'u' && mails[attempts[i].number]->user == user &&
			 !mails[attempts[i].number]->accepted;
	return count;
}

/* What Redis counts today: never less than upstreams have, and no more than a crash or an unknown outcome explains. */
static void check_count(unsigned user, struct days *days)
{
	char key[96];
	snprintf(key, sizeof(key), "subgate:quota:{%s}", books_user(user));
	uint64_t ends_s = redis_server_number(key, "end"), counted = redis_server_number(key, "m");
	if (ends_s == 0)
		return;
	bool had_earlier_day = days->count && days->of[0].ends_s < ends_s;
	unsigned accepted = find_day(days, ends_s)->accepted, uncertain = count_uncertain(user);
	sim_note("%s: Redis counts %llu, upstreams have %u, %u are uncertain", books_user(user),
		 (unsigned long long)counted, accepted, uncertain);
	if (counted < accepted && redis_server_is_complete())
		sim_fail("Redis counts %llu messages of %s, and upstreams have %u (promise 4)",
			 (unsigned long long)counted, books_user(user), accepted);
	/* What was charged shortly before a day's end may be charged to the next one, too, after a lost connection. */
	if (counted > accepted + uncertain && !may_count_more && !had_earlier_day)
		sim_fail("Redis counts %llu messages of %s; upstreams have %u, and %u are uncertain (promise 4)",
			 (unsigned long long)counted, books_user(user), accepted, uncertain);
}

static void check_quota(unsigned user)
{
	struct days days = { 0 };
	collect_days(user, &days);
	check_days(user, &days);
	check_count(user, &days);
}

static void check_chains(void)
{
	const char *paths[AUDITS_MAXIMUM];
	for (size_t i = 0; i < audit_count; i++)
		paths[i] = audits[i].path;
	if (books_verify(paths, audit_count) < 2 * attempt_count)
		sim_fail("the verifier misses records");
}

void books_close(void)
{
	read_audits();
	for (size_t i = 0; i < attempt_count; i++)
		check_attempt(&attempts[i]);
	for (size_t i = 0; i < mail_count; i++)
		check_mail(mails[i]);
	for (unsigned user = 0; limit && user < USERS; user++)
		check_quota(user);
	check_chains();
}

/* Owns the followers; each one's supply is its visit's, then the library's, and tells when it is gone. */
#include "console/pages/follow.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fnv.h"
#include "base/json_text.h"
#include "base/name.h"
#include "console/asking.h"
#include "console/crowd.h"
#include "console/pages/events.h"
#include "console/pages/outlook.h"
#include "console/supply.h"

/* Streams of all, of one network (half of what it may have of connections; crowd.h), and of one person. */
#define FOLLOWERS_MAXIMUM 64U
#define FOLLOWERS_OF_A_NETWORK 32U
#define FOLLOWERS_OF_A_USER 4U
#define LOOK_MS 5000U
/* Without a message, until something is sent so that a peer that is gone is noticed. */
#define QUIET_MS 15000U
/* For a message to be read; a shorter one than what sockets hold is taken for read. */
#define STALL_MS 20000U
/* Of a stream; of a session that ends sooner without use, half of that, so that opening the next keeps it. */
#define LIFE_MS 300000U
#define RETRY_MS 2000U
/* After which a browser may try again that found no place. */
#define RETRY_SECONDS 60U
#define PLAIN_TYPE "text/plain; charset=utf-8"

/* Invariant: in follow->first; the visit waits, or there is a supply. */
struct follower {
	struct follower *next;
	struct follow *follow;
	struct guest guest;
	uint64_t visit;
	uint64_t question; /* that admin has not answered; 0: none */
	uint64_t leads;    /* the number of the outlook that was gathered with their token last */
	const struct language *language;
	struct secret token; /* of the session's cookie */
	char address[HEAD_ADDRESS_SIZE], user[NAME_SIZE];
	enum table_rank rank;
	struct supply *supply; /* NULL: the visit waits for admin's verdict */
	bool is_confirmed;     /* by the last verdict */
	bool is_hungry;        /* all that was sent is out */
	bool is_over;          /* no message follows */
	uint64_t shown;        /* a digest of the last message; 0: none was sent */
	uint64_t sent_ms, until_ms;
};

struct follow {
	struct pages *pages;
	struct timer *looking; /* set while there are followers */
	struct timer *showing; /* set when one can be sent something again */
	struct follower *first;
	size_t count;
	struct crowd crowd;
	struct outlook outlooks[RANK_ADMIN + 1]; /* by the rank of those who see it */
	bool is_looking, is_draining;
};

/* ---- followers */

static void drop_follower(struct follower *follower)
{
	struct follower **at = &follower->follow->first;
	while (*at != follower)
		at = &(*at)->next;
	*at = follower->next;
	follower->follow->count--;
	crowd_remove(&follower->guest);
	if (follower->supply)
		supply_leave(follower->supply);
	secret_wipe(&follower->token);
	free(follower);
}

/* Once its reader has what was sent, the connection ends. */
static void end_stream(struct follower *follower)
{
	if (!follower->is_over)
		supply_end(follower->supply, true);
	follower->is_over = true;
}

/* Its reader does not read, or has left. */
static void cut_stream(struct follower *follower)
{
	supply_cut(follower->supply);
	drop_follower(follower);
}

static bool has_room_for_user(const struct follow *follow, const char *user)
{
	unsigned count = 0;
	for (const struct follower *follower = follow->first; follower; follower = follower->next)
		count += strcmp(follower->user, user) == 0;
	return count < FOLLOWERS_OF_A_USER;
}

/* ---- what is sent */

static void send_event(struct follower *follower, struct buf *event)
{
	follower->is_hungry = false;
	follower->sent_ms = clock_monotonic_ms();
	supply_take(follower->supply, event);
}

static void send_nothing(struct follower *follower)
{
	struct buf event BUF_AUTO;
	buf_init(&event, OUTLOOK_MAXIMUM);
	if (events_add_nothing(&event) == STATUS_OK)
		send_event(follower, &event);
}

/* What can't be made, the page itself can't show, either. */
static void show_outlook(struct follower *follower)
{
	struct outlook *outlook = &follower->follow->outlooks[follower->rank];
	if (follower->supply == NULL || follower->is_over || !follower->is_hungry || !follower->is_confirmed ||
	    !outlook->is_ready)
		return;
	struct span text = outlook_event(outlook, follower->language);
	struct buf event BUF_AUTO;
	buf_init(&event, OUTLOOK_MAXIMUM);
	if (text.size > 0 && fnv_hash(text) == follower->shown)
		return;
	if (text.size == 0 || buf_append(&event, text) != STATUS_OK) {
		end_stream(follower);
		return;
	}
	follower->shown = fnv_hash(text);
	send_event(follower, &event);
}

/* ---- looking */

static uint64_t life_of_stream(const struct follow *follow)
{
	uint64_t half_ms = follow->pages->options->idle_limit_ms / 2;
	return half_ms < LIFE_MS ? half_ms : LIFE_MS;
}

static uint64_t time_to_next_look(const struct follow *follow)
{
	uint64_t life_ms = life_of_stream(follow);
	return life_ms < LOOK_MS ? life_ms : LOOK_MS;
}

static void clear_outlooks(struct follow *follow)
{
	for (enum table_rank rank = RANK_AUDITOR; rank <= RANK_ADMIN; rank++)
		outlook_clear(&follow->outlooks[rank]);
}

/* Whether they may ask what the page does. */
static enum status ask_verdict(struct follower *follower)
{
	const struct pages_options *options = follower->follow->pages->options;
	struct buf none BUF_AUTO;
	buf_init(&none, 1);
	const struct door_console_asked question = {
		.request = page_next_number(follower->follow->pages),
		.address = span_of(follower->address),
		.method = SPAN("GET"),
		.path = span_of(table_find_page(SPAN(OUTLOOK_PAGE))->questions[0].path),
		.query = codec_list_of(&none),
		.token = secret_reveal(&follower->token),
		.is_trial = 1,
		.is_unattended = follower->supply != NULL,
	};
	follower->question = question.request;
	follower->is_confirmed = false;
	return options->ask(options->context, &question);
}

static void look_at_follower(struct follower *follower, uint64_t now_ms)
{
	if (follower->supply == NULL)
		return;
	bool is_stalled = !follower->is_hungry && now_ms - follower->sent_ms >= STALL_MS;
	if (is_stalled || !supply_has_reader(follower->supply)) {
		cut_stream(follower);
		return;
	}
	if (now_ms + time_to_next_look(follower->follow) / 2 >= follower->until_ms)
		end_stream(follower);
	if (follower->is_over)
		return;
	if (follower->is_hungry && now_ms - follower->sent_ms >= QUIET_MS)
		send_nothing(follower);
	if (ask_verdict(follower) != STATUS_OK)
		follower->question = 0;
}

static void look_at_all(void *context)
{
	struct follow *follow = context;
	struct follower *next;
	uint64_t now_ms = clock_monotonic_ms();
	for (enum table_rank rank = RANK_AUDITOR; rank <= RANK_ADMIN; rank++)
		if (!outlook_is_under_way(&follow->outlooks[rank], now_ms))
			outlook_clear(&follow->outlooks[rank]);
	for (struct follower *follower = follow->first; follower; follower = next) {
		next = follower->next;
		look_at_follower(follower, now_ms);
	}
	follow->is_looking = follow->first != NULL;
	if (follow->is_looking)
		timer_set(follow->looking, time_to_next_look(follow));
}

/* With what nobody has gathered before. */
static void begin_to_look(struct follow *follow)
{
	if (follow->is_looking)
		return;
	clear_outlooks(follow);
	follow->is_looking = true;
	timer_set(follow->looking, time_to_next_look(follow));
}

/* As the first of those who may; if it can't be, once more with the next look. */
static void gather_outlook(struct follow *follow, enum table_rank rank)
{
	struct outlook *outlook = &follow->outlooks[rank];
	for (struct follower *follower = follow->first; follower; follower = follower->next) {
		if (follower->rank != rank || !follower->is_confirmed || follower->is_over)
			continue;
		if (outlook_gather(outlook, follow->pages, secret_reveal(&follower->token), follower->address) ==
		    STATUS_OK)
			follower->leads = outlook->number;
		return;
	}
}

/* They may. */
static void go_on_after_verdict(struct follower *follower)
{
	struct follow *follow = follower->follow;
	follower->is_confirmed = true;
	if (follow->outlooks[follower->rank].number == 0)
		gather_outlook(follow, follower->rank);
	show_outlook(follower);
}

static void show_all(void *context)
{
	struct follow *follow = context;
	for (struct follower *follower = follow->first; follower; follower = follower->next)
		show_outlook(follower);
}

/* ---- the visit */

static void refuse_visit(struct visit *visit, unsigned code, const char *why, unsigned retry_seconds)
{
	visit_set_text(visit, code, PLAIN_TYPE, span_of(why));
	visit->answer.retry_after = retry_seconds;
}

/* The same for who may not know and for what there is not. */
static void refuse_follower(struct visit *visit, unsigned code)
{
	if (code == MHD_HTTP_UNAUTHORIZED)
		refuse_visit(visit, code, "log in first\n", 0);
	else if (code == MHD_HTTP_NOT_FOUND || code == MHD_HTTP_FORBIDDEN)
		refuse_visit(visit, MHD_HTTP_NOT_FOUND, "there is no such thing\n", 0);
	else
		refuse_visit(visit, MHD_HTTP_SERVICE_UNAVAILABLE, "try again later\n", RETRY_SECONDS);
}

static void note_hunger(void *context)
{
	struct follower *follower = context;
	follower->is_hungry = true;
	timer_set(follower->follow->showing, 0); /* not within the library's call */
}

static void lose_supply(void *context)
{
	struct follower *follower = context;
	follower->supply = NULL;
	drop_follower(follower);
}

static const struct supply_maker maker = { note_hunger, lose_supply };

/* STATUS_UNAVAILABLE, STATUS_NO_MEMORY: there is no place for it. */
static enum status open_stream(struct follower *follower, struct visit *visit)
{
	struct follow *follow = follower->follow;
	const struct pages_options *options = follow->pages->options;
	const struct supply_place place = { options->site(options->context), site_wake, visit->connection };
	struct buf event BUF_AUTO;
	buf_init(&event, OUTLOOK_MAXIMUM);
	TRY(events_add_retry(RETRY_MS, &event));
	TRY(supply_create(&place, OUTLOOK_MAXIMUM, &maker, follower, &follower->supply));
	follower->until_ms = clock_monotonic_ms() + life_of_stream(follow);
	visit->answer.code = MHD_HTTP_OK;
	visit->answer.type = EVENTS_TYPE;
	visit->answer.is_stream = true;
	visit->answer.supply = follower->supply;
	send_event(follower, &event);
	return STATUS_OK;
}

/* The first verdict decides what the browser is answered. */
static void answer_visit(struct follower *follower, unsigned code, const char *user)
{
	struct follow *follow = follower->follow;
	struct site *site = follow->pages->options->site(follow->pages->options->context);
	struct visit *visit = site_find(site, follower->visit);
	bool has_place = visit && code == MHD_HTTP_OK && !follow->is_draining && has_room_for_user(follow, user);
	snprintf(follower->user, sizeof(follower->user), "%s", user);
	if (has_place && open_stream(follower, visit) == STATUS_OK) {
		begin_to_look(follow);
		go_on_after_verdict(follower);
	} else {
		if (visit)
			refuse_follower(visit, code == MHD_HTTP_OK ? MHD_HTTP_SERVICE_UNAVAILABLE : code);
		drop_follower(follower);
	}
	if (visit)
		site_answer(site, visit);
}

/* ---- answers */

static void take_verdict(struct follower *follower, unsigned code, const json_t *who)
{
	const char *user = json_string_value(json_object_get(who, "user"));
	const char *role = json_string_value(json_object_get(who, "role"));
	follower->question = 0;
	follower->rank = table_rank_of(role ? role : "");
	if (code == MHD_HTTP_OK && (user == NULL || follower->rank < RANK_AUDITOR))
		code = MHD_HTTP_NOT_FOUND;
	bool is_refused = code == MHD_HTTP_UNAUTHORIZED || code == MHD_HTTP_NOT_FOUND || code == MHD_HTTP_FORBIDDEN;
	if (follower->supply == NULL)
		answer_visit(follower, code, user ? user : "");
	else if (is_refused)
		end_stream(follower);
	else if (code == MHD_HTTP_OK && !follower->is_over)
		go_on_after_verdict(follower);
}

/* The leader may not ask, or asks too much: the fault is theirs alone, so the next follower leads. */
static void replace_leader(struct follow *follow, enum table_rank rank, uint64_t number)
{
	for (struct follower *follower = follow->first; follower; follower = follower->next)
		if (follower->leads == number)
			follower->is_confirmed = false;
	gather_outlook(follow, rank);
}

/* False: it is none to an outlook's questions. */
static bool take_outlook_answer(struct follow *follow, const struct door_console_answered *answered)
{
	for (enum table_rank rank = RANK_AUDITOR; rank <= RANK_ADMIN; rank++) {
		uint64_t number = follow->outlooks[rank].number;
		if (!outlook_take_answer(&follow->outlooks[rank], answered))
			continue;
		if (follow->outlooks[rank].number == 0)
			replace_leader(follow, rank, number);
		show_all(follow);
		return true;
	}
	return false;
}

bool follow_take_answer(struct follow *follow, const struct door_console_answered *answered)
{
	struct follower *follower = follow->first;
	if (take_outlook_answer(follow, answered))
		return true;
	while (follower && (follower->question == 0 || follower->question != answered->request))
		follower = follower->next;
	if (follower == NULL)
		return false;
	json_t *who = json_read(answered->body);
	take_verdict(follower, answered->code, who);
	json_decref(who);
	return true;
}

/* ---- beginnings and ends */

/* NULL: there is no room, or no memory. */
static struct follower *make_follower(struct follow *follow, const struct visit *visit, struct span token)
{
	char address[HEAD_ADDRESS_SIZE];
	asking_find_address(visit, follow->pages->options->has_tls, address);
	bool has_room = !follow->is_draining && follow->count < FOLLOWERS_MAXIMUM &&
			crowd_has_room(&follow->crowd, span_of(address), FOLLOWERS_OF_A_NETWORK);
	struct follower *follower = has_room ? calloc(1, sizeof(*follower)) : NULL;
	if (follower == NULL)
		return NULL;
	follower->follow = follow;
	follower->visit = visit->number;
	memcpy(follower->address, address, sizeof(address));
	follower->next = follow->first;
	follow->first = follower;
	follow->count++;
	crowd_add(&follow->crowd, &follower->guest, span_of(address));
	if (secret_from_span(token, &follower->token) == STATUS_OK)
		return follower;
	drop_follower(follower);
	return NULL;
}

void follow_begin(struct follow *follow, struct visit *visit, const struct language *language)
{
	struct span token = head_find_cookie(visit_field(visit, "Cookie"), SPAN(SESSION_COOKIE));
	if (!page_is_from_here(visit)) {
		refuse_visit(visit, MHD_HTTP_FORBIDDEN, "another site's page may not follow this one\n", 0);
		return;
	}
	if (span_is_empty(token)) {
		refuse_follower(visit, MHD_HTTP_UNAUTHORIZED);
		return;
	}
	struct follower *follower = make_follower(follow, visit, token);
	if (follower) {
		follower->language = language;
		if (ask_verdict(follower) == STATUS_OK)
			return;
		drop_follower(follower);
	}
	refuse_follower(visit, MHD_HTTP_SERVICE_UNAVAILABLE);
}

void follow_lose_admin(struct follow *follow)
{
	struct follower *next;
	clear_outlooks(follow);
	for (struct follower *follower = follow->first; follower; follower = next) {
		next = follower->next;
		follower->question = 0;
		if (follower->supply == NULL)
			answer_visit(follower, MHD_HTTP_SERVICE_UNAVAILABLE, "");
	}
}

void follow_drain(struct follow *follow)
{
	follow->is_draining = true;
	follow_lose_admin(follow);
	for (struct follower *follower = follow->first; follower; follower = follower->next)
		end_stream(follower);
}

enum status follow_create(struct pages *pages, struct follow **out_follow)
{
	struct follow *follow = calloc(1, sizeof(*follow));
	if (follow == NULL)
		return STATUS_NO_MEMORY;
	follow->pages = pages;
	enum status status = timer_make(pages->options->loop, look_at_all, follow, &follow->looking);
	if (status == STATUS_OK)
		status = timer_make(pages->options->loop, show_all, follow, &follow->showing);
	if (status == STATUS_OK)
		*out_follow = follow;
	else
		follow_free(&follow);
	return status;
}

void follow_free(struct follow **follow)
{
	struct follow *ending = *follow;
	*follow = NULL;
	if (ending == NULL)
		return;
	follow_lose_admin(ending);
	while (ending->first)
		drop_follower(ending->first);
	timer_free(&ending->looking);
	timer_free(&ending->showing);
	free(ending);
}

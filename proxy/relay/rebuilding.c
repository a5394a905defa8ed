/*
 * The audit is read by a thread (recount.h); then the receipts' charges that it does not know are added as pending, and
 * all of it goes to Redis. Whatever fails is tried again, from the beginning, for as long as the counts are wanted.
 */
#include "relay/rebuilding.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "quota/by_hand_copy.h"
#include "quota/memory.h"
#include "quota/receipts.h"
#include "redis/events.h"
#include "redis/script.h"
#include "relay/records.h"
#include "relay/recount.h"
#include "role/role.h"

#define RETRY_MS 1000
#define PASSWORDS_MAXIMUM (64U << 10) /* bytes of their counts, as text */

/* What is brought: pointers into the recount, and the next of them. */
struct brought {
	const struct recount_user **users;
	size_t count, capacity, next;
	bool is_half_way; /* of the next one what is pending was brought */
	bool replaces;    /* what this process has brought before */
	uint64_t messages;
	struct buf passwords;
};

static void free_brought(struct brought **brought)
{
	if (*brought == NULL)
		return;
	buf_free(&(*brought)->passwords);
	free((*brought)->users);
	free(*brought);
	*brought = NULL;
}

static void try_again(struct rebuilding *rebuilding, const char *what)
{
	log_error("counts can't be rebuilt yet: %s", what);
	free_brought(&rebuilding->brought);
	recount_free(&rebuilding->recount);
	timer_set(rebuilding->retry, RETRY_MS);
}

/* ---- what this process knows beside the audit */

struct adding {
	struct rebuilding *rebuilding;
	bool has_failed;
};

/* Those of a day before do not count any more. */
static void begin_pending_day(struct recount_user *user, uint64_t ends_s)
{
	struct recount_password *password = user->pending.passwords;
	user->pending.messages = user->pending.recipients = user->pending.bytes = 0;
	for (; password; password = password->next)
		password->messages = 0;
	user->pending.ends_s = ends_s;
}

/* False: it is of a day before what is pending already. */
static bool find_pending_day(const struct rebuilding *rebuilding, struct recount_user *user, uint64_t ends_s)
{
	if (!memory_has_days(rebuilding->memory))
		return true;
	if (ends_s >= user->pending.ends_s + QUOTA_DAY_LEAST_S)
		begin_pending_day(user, ends_s);
	if (ends_s > user->pending.ends_s)
		user->pending.ends_s = ends_s;
	return ends_s + QUOTA_DAY_LEAST_S > user->pending.ends_s;
}

static bool add_charge(void *context, const struct receipts_entry *charge, struct span message)
{
	struct adding *adding = context;
	struct recount *recount = adding->rebuilding->recount;
	if (recount_has_charge(recount, charge->name, message))
		return true;
	struct recount_user *user = recount_enter(recount, charge->name);
	struct recount_password *password = NULL;
	if (user && charge->app_password[0])
		password = recount_enter_password(&user->pending.passwords, span_of(charge->app_password));
	if (user == NULL || (charge->app_password[0] && password == NULL)) {
		adding->has_failed = true;
		return false;
	}
	if (!find_pending_day(adding->rebuilding, user, charge->ends_s))
		return false;
	user->pending.messages++;
	user->pending.recipients += charge->recipients;
	user->pending.bytes += charge->bytes;
	if (password)
		password->messages++;
	return false;
}

/* ---- bringing */

static void note_user(void *context, const struct recount_user *user)
{
	struct brought *brought = context;
	if (user->messages + user->pending.messages == 0 || brought->count == brought->capacity)
		return;
	brought->users[brought->count++] = user;
}

static void count_user(void *context, const struct recount_user *user)
{
	struct brought *brought = context;
	brought->capacity += user->messages + user->pending.messages > 0;
}

static struct brought *make_brought(struct recount *recount)
{
	struct brought *brought = calloc(1, sizeof(*brought));
	if (brought == NULL)
		return NULL;
	buf_init(&brought->passwords, PASSWORDS_MAXIMUM);
	recount_visit(recount, count_user, brought);
	brought->users = calloc(brought->capacity + 1, sizeof(struct recount_user *));
	if (brought->users == NULL) {
		free_brought(&brought);
		return NULL;
	}
	recount_visit(recount, note_user, brought);
	return brought;
}

static struct span write_passwords(struct brought *brought, const struct recount_password *first)
{
	buf_clear(&brought->passwords);
	for (const struct recount_password *password = first; password; password = password->next)
		if (buf_printf(&brought->passwords, "%s:%" PRIu64 " ", password->id, password->messages) != STATUS_OK)
			break; /* out of memory: its own limit counts anew */
	return buf_span(&brought->passwords);
}

static bool next_part(void *context, struct memory_part *out_part)
{
	struct rebuilding *rebuilding = context;
	struct brought *brought = rebuilding->brought;
	while (brought->next < brought->count) {
		const struct recount_user *user = brought->users[brought->next];
		bool is_pending = !brought->is_half_way;
		bool is_empty = is_pending ? user->pending.messages == 0 && !brought->replaces
					   : user->messages == 0 || rebuilding->is_draining;
		brought->next += !is_pending;
		brought->is_half_way = is_pending;
		if (is_empty)
			continue;
		uint64_t messages = is_pending ? user->pending.messages : user->messages;
		uint64_t ends_s = is_pending && messages ? user->pending.ends_s : user->ends_s;
		bool is_over = ends_s && ends_s <= marker_earlier_clock_s(rebuilding->marker);
		if (!is_over && !quota_name_is_shared(span_of(user->name))) /* what is shared is users', too */
			brought->messages += messages;
		*out_part = (struct memory_part){
			.name = span_of(user->name),
			.is_pending = is_pending,
			.messages = messages,
			.recipients = is_pending ? user->pending.recipients : user->recipients,
			.bytes = is_pending ? user->pending.bytes : user->bytes,
			.ends_s = ends_s,
			.passwords = write_passwords(brought, is_pending ? user->pending.passwords : user->passwords),
		};
		return true;
	}
	return false;
}

static void tell_done(struct rebuilding *rebuilding)
{
	const struct brought *brought = rebuilding->brought;
	uint64_t took_ms = loop_now_ms(rebuilding->services->loop) - rebuilding->began_ms;
	log_warning("counts of %zu users and shared quotas, %" PRIu64
		    " messages of today among them, were rebuilt from the audit in %" PRIu64 " ms",
		    brought->count, brought->messages, took_ms);
	records_quota_rebuilt(rebuilding->services->audit, brought->messages, took_ms);
}

/* True: it is to be tried again. `why`: Redis has not taken all; NULL: it has. */
static bool has_gone_wrong(struct rebuilding *rebuilding, const char *why)
{
	char text[sizeof("Redis has not taken them: ") + SCRIPT_REASON_SIZE] = "Redis lost them once more";
	if (why == NULL && strcmp(rebuilding->id, rebuilding->wanted) == 0)
		return false;
	if (why)
		snprintf(text, sizeof(text), "Redis has not taken them: %s", why);
	try_again(rebuilding, text);
	return true;
}

/* Locks and limits set by hand are back, too: nothing is missing any more. */
static void on_all_brought(void *context, const char *why)
{
	struct rebuilding *rebuilding = context;
	char id[MARKER_ID_SIZE];
	if (has_gone_wrong(rebuilding, why))
		return;
	tell_done(rebuilding);
	free_brought(&rebuilding->brought);
	recount_free(&rebuilding->recount);
	snprintf(id, sizeof(id), "%s", rebuilding->id);
	rebuilding->id[0] = '\0';
	rebuilding->has_begun = false;
	marker_bring_done(rebuilding->marker, id);
}

static void on_brought(void *context, const char *why)
{
	struct rebuilding *rebuilding = context;
	if (has_gone_wrong(rebuilding, why))
		return;
	if (rebuilding->is_draining) /* its successor has the copy */
		on_all_brought(rebuilding, NULL);
	else
		by_hand_copy_bring(rebuilding->by_hand, on_all_brought, rebuilding);
}

static void on_recounted(void *context, enum status status)
{
	struct rebuilding *rebuilding = context;
	struct adding adding = { .rebuilding = rebuilding };
	if (status != STATUS_OK) {
		try_again(rebuilding, status_text(status));
		return;
	}
	memory_visit_charges(rebuilding->memory, add_charge, &adding);
	rebuilding->brought = adding.has_failed ? NULL : make_brought(rebuilding->recount);
	if (rebuilding->brought == NULL) {
		try_again(rebuilding, status_text(STATUS_NO_MEMORY));
		return;
	}
	rebuilding->brought->replaces = rebuilding->has_begun;
	rebuilding->has_begun = true;
	const struct role_context *role = rebuilding->services->role;
	const struct memory_bringing bringing = {
		.id = rebuilding->id,
		.node = role->node,
		.process = marker_process(rebuilding->marker),
		.next = next_part,
		.on_done = on_brought,
		.context = rebuilding,
	};
	memory_bring(rebuilding->memory, &bringing);
}

/* ---- reading */

static void read_audit(void *context)
{
	struct rebuilding *rebuilding = context;
	memcpy(rebuilding->id, rebuilding->wanted, sizeof(rebuilding->id));
	const struct recount_options options = {
		.fds = rebuilding->fds,
		.count = rebuilding->fd_count,
		.since_s = memory_counts_since(rebuilding->memory),
		.now_s = memory_has_days(rebuilding->memory) ? marker_earlier_clock_s(rebuilding->marker) : 0,
		.on_done = on_recounted,
		.context = rebuilding,
	};
	enum status status = recount_start(rebuilding->services->loop, &options, &rebuilding->recount);
	if (status != STATUS_OK)
		try_again(rebuilding, status_text(status));
}

/* ---- what the marker tells */

#define PASSWORDS_TOO                                                                                        \
	"app passwords are kept in Redis alone (app_password.store), and may be gone, too: bring them back " \
	"from a backup of Redis, or make them anew"

/* No node has a copy of them. */
static void tell_passwords(const struct services *services, struct buf *text)
{
	if (services->config->app_password.store != STORE_REDIS)
		return;
	log_error("%s", PASSWORDS_TOO);
	if (buf_append_text(text, "; " PASSWORDS_TOO) != STATUS_OK)
		return; /* the log has it */
}

static void on_loss(void *context, const char *what)
{
	struct rebuilding *rebuilding = context;
	struct services *services = rebuilding->services;
	struct buf text BUF_AUTO;
	buf_init(&text, NOTICE_TEXT_MAXIMUM);
	quota_void_leases(services->quota);
	stats_add(services->stats, COUNTER_REDIS_LOSSES, 0, 1);
	stats_set(services->stats, COUNTER_QUOTA_REBUILDING, 0, 1);
	log_error("Redis has lost counts: %s; they are rebuilt from the audit, and mail waits", what);
	records_quota_lost(services->audit, span_of(what));
	if (buf_append_text(&text, what) != STATUS_OK)
		buf_clear(&text);
	tell_passwords(services, &text);
	const struct notice notice = {
		.kind = NOTICE_QUOTA_LOST,
		.severity = NOTICE_ALARM,
		.subject = SPAN("Redis has lost counts of quotas"),
		.text = buf_span(&text),
	};
	notices_raise(&services->notices, &notice);
}

/* Another memory than the one that counts are being brought to: what is under way ends by itself, and is of no use. */
static void on_wanted(void *context, const char *id)
{
	struct rebuilding *rebuilding = context;
	bool is_under_way = rebuilding->id[0] != '\0';
	snprintf(rebuilding->wanted, sizeof(rebuilding->wanted), "%s", id);
	if (is_under_way)
		return;
	rebuilding->began_ms = loop_now_ms(rebuilding->services->loop);
	timer_set(rebuilding->retry, 0);
}

static void on_sound(void *context)
{
	struct rebuilding *rebuilding = context;
	stats_set(rebuilding->services->stats, COUNTER_QUOTA_REBUILDING, 0, 0);
	log_info("counts are complete again: mail goes on");
	const struct notice notice = {
		.kind = NOTICE_QUOTA_LOST,
		.severity = NOTICE_INFORMATION,
		.subject = SPAN("the counts of quotas were rebuilt from the audit"),
		.text = SPAN("all nodes have brought theirs, and mail goes on"),
	};
	notices_raise(&rebuilding->services->notices, &notice);
}

const struct marker_handler rebuilding_handler = { on_loss, on_wanted, on_sound };

/* ---- what was set by hand */

static void on_lock(void *context, struct span user_id, bool is_locked)
{
	const struct rebuilding *rebuilding = context;
	const struct event event = { .kind = is_locked ? EVENT_LOCK : EVENT_UNLOCK, .user_id = user_id };
	if (events_publish(rebuilding->events, &event) != STATUS_OK)
		log_warning("sessions and nodes can't be told that the lock of %.*s is there again",
			    SPAN_ARGS(user_id));
}

static const struct by_hand_copy_handler copy_handler = { on_lock };

/* ---- life */

void rebuilding_add_file(struct rebuilding *rebuilding, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return;
	if (rebuilding->fd_count == REBUILDING_FILES) {
		close(rebuilding->fds[0]);
		rebuilding->fd_count--;
		for (size_t i = 0; i < rebuilding->fd_count; i++)
			rebuilding->fds[i] = rebuilding->fds[i + 1];
	}
	rebuilding->fds[rebuilding->fd_count++] = copy;
}

enum status rebuilding_open(struct rebuilding *rebuilding, struct redis *redis, struct events *events)
{
	struct services *services = rebuilding->services;
	const struct config_redis *config = &services->config->redis;
	const struct marker_options options = {
		.prefix = config->prefix,
		.node = services->role->node,
		.state_fd = role_take_fd(services->role, "redis-marker"),
		.replicas = config->replicas,
		.handler = &rebuilding_handler,
		.context = rebuilding,
	};
	const int copies[] = { role_take_fd(services->role, "by-hand-0"), role_take_fd(services->role, "by-hand-1") };
	rebuilding->events = events;
	TRY(by_hand_copy_create(services->loop, redis, config->prefix, copies, &copy_handler, rebuilding,
				&rebuilding->by_hand));
	TRY(marker_create(services->loop, redis, &options, &rebuilding->marker));
	TRY(memory_create(services->loop, redis, config->prefix, rebuilding->marker, &rebuilding->memory));
	return timer_make(services->loop, read_audit, rebuilding, &rebuilding->retry);
}

void rebuilding_close(struct rebuilding *rebuilding)
{
	timer_free(&rebuilding->retry);
	free_brought(&rebuilding->brought);
	recount_free(&rebuilding->recount);
	by_hand_copy_free(&rebuilding->by_hand);
	memory_free(&rebuilding->memory);
	marker_free(&rebuilding->marker);
	for (size_t i = 0; i < rebuilding->fd_count; i++)
		close(rebuilding->fds[i]);
	rebuilding->fd_count = 0;
}

void rebuilding_drain(struct rebuilding *rebuilding)
{
	rebuilding->is_draining = true;
	marker_drain(rebuilding->marker);
	by_hand_copy_drain(rebuilding->by_hand);
}

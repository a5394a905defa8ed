/*
 * Reading the audit's files for what was sent. The thread owns all but the wakeup until it has ended.
 *
 * A message's numbers stand in message.leaving; whether they count, its outcome says. As the files come in any order,
 * an outcome may be read before its message.leaving: so each message is remembered by its id until the end.
 */
#include "relay/recount.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/reader/lines.h"
#include "audit/reader/record.h"
#include "base/clock.h"
#include "base/json_text.h"
#include "base/thread.h"
#include "quota/quota.h"
#include "relay/grants.h"
#include "stats/life.h"

#define STACK_SIZE (512U << 10) /* bytes */
#define LONGEST_S (72U * 3600U) /* of a day, as in day.lua */

/* What is known of one message; it counts unless each attempt that left has failed. */
struct recounted {
	struct map_link in_messages;
	struct recount_user *user; /* NULL: its message.leaving has not been read */
	struct recount_password *password;
	struct recount_user *shared; /* what its user shares with others; or NULL */
	uint64_t recipients, bytes, ends_s;
	unsigned leavings, failures;
	bool was_sent; /* or may have been */
	char id[];
};

struct recount {
	struct recount_options options;
	int *fds;
	char since[CLOCK_TEXT_SIZE], earliest[CLOCK_TEXT_SIZE]; /* what left before the latter is not looked at */
	struct map users, messages;
	struct wakeup *wakeup;
	pthread_t thread;
	bool has_thread;
	atomic_bool is_ending;
	enum status status;
};

/* ---- users and messages */

struct recount_user *recount_enter(struct recount *recount, struct span name)
{
	uint64_t hash = map_hash_text(&recount->users, name);
	for (struct map_link *link = map_first(&recount->users, hash); link; link = map_next(link)) {
		struct recount_user *user = MAP_OWNER(link, struct recount_user, in_users);
		if (span_equal(span_of(user->name), name))
			return user;
	}
	struct recount_user *user = calloc(1, sizeof(*user) + name.size + 1);
	if (user == NULL)
		return NULL;
	memcpy(user->name, name.data, name.size);
	if (map_add(&recount->users, &user->in_users, hash) == STATUS_OK)
		return user;
	free(user);
	return NULL;
}

struct recount_password *recount_enter_password(struct recount_password **list, struct span id)
{
	for (struct recount_password *password = *list; password; password = password->next)
		if (span_equal(span_of(password->id), id))
			return password;
	struct recount_password *password = calloc(1, sizeof(*password) + id.size + 1);
	if (password == NULL)
		return NULL;
	memcpy(password->id, id.data, id.size);
	password->next = *list;
	*list = password;
	return password;
}

static struct recounted *find_message(const struct recount *recount, struct span id)
{
	struct map_link *link = map_first(&recount->messages, map_hash_text(&recount->messages, id));
	for (; link; link = map_next(link)) {
		struct recounted *message = MAP_OWNER(link, struct recounted, in_messages);
		if (span_equal(span_of(message->id), id))
			return message;
	}
	return NULL;
}

static struct recounted *enter_message(struct recount *recount, struct span id)
{
	struct recounted *message = find_message(recount, id);
	if (message)
		return message;
	message = calloc(1, sizeof(*message) + id.size + 1);
	if (message == NULL)
		return NULL;
	memcpy(message->id, id.data, id.size);
	if (map_add(&recount->messages, &message->in_messages, map_hash_text(&recount->messages, id)) == STATUS_OK)
		return message;
	free(message);
	return NULL;
}

static bool message_counts(const struct recounted *message)
{
	return message->user && (message->was_sent || message->failures < message->leavings);
}

/* Ends that are nearer to each other than the shortest day lasts are of one day. */
static bool is_of_last_day(const struct recount_user *user, const struct recounted *message)
{
	return message->ends_s == 0 || (user->ends_s && message->ends_s + QUOTA_DAY_LEAST_S > user->ends_s);
}

bool recount_has_charge(const struct recount *recount, struct span name, struct span id)
{
	const struct recounted *message = find_message(recount, id);
	if (message == NULL || !message_counts(message))
		return false;
	const struct recount_user *user = quota_name_is_shared(name) ? message->shared : message->user;
	return user && is_of_last_day(user, message);
}

/* ---- records */

static struct span text_at(const json_t *record, const char *name)
{
	return span_of(record_text(record, name));
}

/* Those that the upstream had taken by then; a later answer to each of them is in the outcome alone. */
static uint64_t count_recipients(const json_t *record)
{
	const json_t *list = json_object_get(record, "rcpt_to"), *recipient;
	uint64_t count = 0;
	size_t i;
	json_array_foreach(list, i, recipient) count += json_integer_value(json_object_get(recipient, "code")) < 400;
	return count;
}

/* Former versions named none, and those who share nothing have none. */
static enum status take_shared_quota(struct recount *recount, struct recounted *message, const json_t *record)
{
	const char *section = record_text(record, "shared_quota");
	char name[QUOTA_USER_MAXIMUM];
	if (section[0] == '\0' || quota_name_shared(section, name) != STATUS_OK)
		return STATUS_OK;
	message->shared = recount_enter(recount, span_of(name));
	return message->shared ? STATUS_OK : STATUS_NO_MEMORY;
}

/* When the day ends that it was charged to; 0: it doesn't say. */
static uint64_t read_end(const struct recount *recount, const json_t *record)
{
	uint64_t ends_s;
	struct span text = text_at(json_object_get(record, "quota"), "resets_at");
	return recount->options.now_s && clock_read_seconds(text, &ends_s) == STATUS_OK ? ends_s : 0;
}

/* The day was begun by a clock set wrong, and its end has come nearer since (day.lua): it may be today. */
static bool is_too_far(const struct recount *recount, uint64_t ends_s)
{
	return ends_s > recount->options.now_s + LONGEST_S;
}

static enum status take_leaving(struct recount *recount, struct recounted *message, const json_t *record,
				uint64_t ends_s)
{
	struct span user = text_at(record, "user"), password = text_at(record, "app_password_id");
	uint64_t recipients = count_recipients(record);
	message->leavings++;
	message->bytes = (uint64_t)json_integer_value(json_object_get(record, "size"));
	message->recipients = recipients > message->recipients ? recipients : message->recipients;
	message->ends_s = ends_s > message->ends_s ? ends_s : message->ends_s;
	if (message->user || span_is_empty(user) || span_equal(user, SPAN(GRANT_OWN_USER)))
		return STATUS_OK; /* the last: mail of the relay itself costs nothing */
	message->user = recount_enter(recount, user);
	if (message->user == NULL)
		return STATUS_NO_MEMORY;
	TRY(take_shared_quota(recount, message, record));
	if (span_is_empty(password))
		return STATUS_OK;
	message->password = recount_enter_password(&message->user->passwords, password);
	return message->password ? STATUS_OK : STATUS_NO_MEMORY;
}

/* Times of records are of one length, and sort as text. */
static bool is_before(struct span ts, const char *since)
{
	size_t size = strlen(since);
	return memcmp(ts.data, since, ts.size < size ? ts.size : size) < 0;
}

static enum status take_record(struct recount *recount, struct span type, struct span ts, const json_t *record)
{
	struct span id = text_at(record, "message");
	uint64_t ends_s = read_end(recount, record);
	bool is_leaving = span_equal(type, SPAN("message.leaving"));
	if (span_is_empty(id) || (is_leaving && ends_s == 0 && is_before(ts, recount->since)))
		return STATUS_OK;
	struct recounted *message = enter_message(recount, id);
	if (message == NULL)
		return STATUS_NO_MEMORY;
	if (is_leaving)
		return take_leaving(recount, message, record, is_too_far(recount, ends_s) ? 0 : ends_s);
	if (span_equal(type, SPAN("message.failed")))
		message->failures++;
	else
		message->was_sent = true;
	return STATUS_OK;
}

static bool is_of_interest(struct span type)
{
	return span_equal(type, SPAN("message.leaving")) || span_equal(type, SPAN("message.failed")) ||
	       span_equal(type, SPAN("message.sent")) || span_equal(type, SPAN("message.unknown"));
}

/* What is no record, or was cut by a crash, is none. An outcome of today may be that of a message of yesterday. */
static enum status take_line(struct recount *recount, struct span line)
{
	struct span ts, type = record_read_type(line);
	if (!is_of_interest(type) || record_read_time(line, &ts) != STATUS_OK || is_before(ts, recount->earliest))
		return STATUS_OK;
	json_t *record = NULL;
	enum status status = json_parse(line, &record);
	if (status != STATUS_OK)
		return status == STATUS_INVALID ? STATUS_OK : status;
	status = take_record(recount, type, ts, record);
	json_decref(record);
	return status;
}

static enum status read_file(struct recount *recount, int fd, struct life_thread *sign)
{
	struct lines *lines;
	struct span line;
	TRY(lines_open(fd, &lines));
	lines_show_life(lines, sign);
	enum status status;
	while ((status = lines_next(lines, &line)) == STATUS_OK && !atomic_load(&recount->is_ending)) {
		status = take_line(recount, line);
		if (status != STATUS_OK)
			break;
	}
	lines_close(&lines);
	return status == STATUS_END ? STATUS_OK : status;
}

static void note_user_day(struct recount_user *user, const struct recounted *message)
{
	user->has_unnamed |= message->ends_s == 0;
	if (message->ends_s > user->ends_s)
		user->ends_s = message->ends_s;
}

static void note_day(void *context, struct map_link *link)
{
	const struct recounted *message = MAP_OWNER(link, struct recounted, in_messages);
	(void)context;
	if (!message_counts(message))
		return;
	note_user_day(message->user, message);
	if (message->shared)
		note_user_day(message->shared, message);
}

/* What doesn't name its day is of today: then no day that is over is the last one. */
static void settle_day(void *context, struct map_link *link)
{
	const struct recount *recount = context;
	struct recount_user *user = MAP_OWNER(link, struct recount_user, in_users);
	if (user->has_unnamed && user->ends_s <= recount->options.now_s)
		user->ends_s = 0;
}

static bool add_message(struct recount_user *user, const struct recounted *message)
{
	if (!is_of_last_day(user, message))
		return false;
	user->messages++;
	user->recipients += message->recipients;
	user->bytes += message->bytes;
	return true;
}

static void add_up(void *context, struct map_link *link)
{
	const struct recounted *message = MAP_OWNER(link, struct recounted, in_messages);
	(void)context;
	if (!message_counts(message))
		return;
	bool is_counted = add_message(message->user, message);
	if (message->password && is_counted)
		message->password->messages++;
	if (message->shared)
		(void)!add_message(message->shared, message);
}

static void count_messages(struct recount *recount)
{
	map_visit(&recount->messages, note_day, NULL);
	map_visit(&recount->users, settle_day, recount);
	map_visit(&recount->messages, add_up, NULL);
}

static void *run_recount(void *context)
{
	struct recount *recount = context;
	struct life_thread *sign = life_join(LIFE_RECOUNT);
	recount->status = STATUS_OK;
	for (size_t i = 0; i < recount->options.count && recount->status == STATUS_OK; i++)
		recount->status = read_file(recount, recount->fds[i], sign);
	count_messages(recount);
	life_leave(sign);
	wakeup_send(recount->wakeup);
	return NULL;
}

/* ---- life */

static void end_thread(struct recount *recount)
{
	if (recount->has_thread)
		pthread_join(recount->thread, NULL);
	recount->has_thread = false;
}

static void on_woken(void *context)
{
	struct recount *recount = context;
	if (!recount->has_thread)
		return;
	end_thread(recount);
	recount->options.on_done(recount->options.context, recount->status);
}

static enum status copy_fds(struct recount *recount, const int *fds)
{
	recount->fds = calloc(recount->options.count + 1, sizeof(*recount->fds));
	if (recount->fds == NULL) {
		recount->options.count = 0;
		return STATUS_NO_MEMORY;
	}
	for (size_t i = 0; i < recount->options.count; i++)
		recount->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
	for (size_t i = 0; i < recount->options.count; i++)
		if (recount->fds[i] < 0)
			return STATUS_SYSTEM;
	return STATUS_OK;
}

static enum status set_up_recount(struct recount *recount, struct loop *loop)
{
	uint64_t since_s = recount->options.since_s;
	clock_format_us(since_s * 1000000, recount->since);
	clock_format_us((since_s > LONGEST_S ? since_s - LONGEST_S : 0) * 1000000, recount->earliest);
	TRY(copy_fds(recount, recount->options.fds));
	TRY(map_init(&recount->users));
	TRY(map_init(&recount->messages));
	TRY(wakeup_create(loop, on_woken, recount, &recount->wakeup));
	TRY(thread_start("recount", STACK_SIZE, run_recount, recount, &recount->thread));
	recount->has_thread = true;
	return STATUS_OK;
}

enum status recount_start(struct loop *loop, const struct recount_options *options, struct recount **out_recount)
{
	struct recount *recount = calloc(1, sizeof(*recount));
	if (recount == NULL)
		return STATUS_NO_MEMORY;
	recount->options = *options;
	enum status status = set_up_recount(recount, loop);
	if (status != STATUS_OK) {
		recount_free(&recount);
		return status;
	}
	*out_recount = recount;
	return STATUS_OK;
}

static void free_passwords(struct recount_password *first)
{
	while (first) {
		struct recount_password *next = first->next;
		free(first);
		first = next;
	}
}

static void free_user(void *context, struct map_link *link)
{
	struct recount_user *user = MAP_OWNER(link, struct recount_user, in_users);
	(void)context;
	free_passwords(user->passwords);
	free_passwords(user->pending.passwords);
	free(user);
}

static void free_message(void *context, struct map_link *link)
{
	(void)context;
	free(MAP_OWNER(link, struct recounted, in_messages));
}

void recount_free(struct recount **recount)
{
	if (*recount == NULL)
		return;
	atomic_store(&(*recount)->is_ending, true);
	end_thread(*recount);
	wakeup_free(&(*recount)->wakeup);
	map_visit(&(*recount)->users, free_user, NULL);
	map_visit(&(*recount)->messages, free_message, NULL);
	map_free(&(*recount)->users);
	map_free(&(*recount)->messages);
	for (size_t i = 0; (*recount)->fds && i < (*recount)->options.count; i++)
		if ((*recount)->fds[i] >= 0)
			close((*recount)->fds[i]);
	free((*recount)->fds);
	free(*recount);
	*recount = NULL;
}

struct visiting {
	void (*visit)(void *context, const struct recount_user *user);
	void *context;
};

static void visit_user(void *context, struct map_link *link)
{
	const struct visiting *visiting = context;
	visiting->visit(visiting->context, MAP_OWNER(link, struct recount_user, in_users));
}

void recount_visit(struct recount *recount, void (*visit)(void *context, const struct recount_user *user),
		   void *context)
{
	struct visiting visiting = { visit, context };
	map_visit(&recount->users, visit_user, &visiting);
}

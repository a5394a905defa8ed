/*
 * The copy and its rounds: the version that Redis has; if it is another one, all rows there, a page after the other;
 * then what is newer here, one row after the other; then the file, which a thread writes, as a disk takes its time.
 * Owns the rows and the thread; at most one call is on its way.
 */
#include "quota/by_hand_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "quota/by_hand_file.h"
#include "quota/by_hand_older.h"
#include "redis/script.h"
#include "stats/life.h"

#define LOOK_MS 1000
#define CALL_MS 3000
#define PAGE "200"              /* rows, about */
#define CURSOR_SIZE 24          /* bytes, the NUL included */
#define VERSION_SIZE 24         /* bytes, the NUL included */
#define KEY_MAXIMUM 512         /* bytes */
#define STACK_SIZE (256U << 10) /* bytes */
#define DISK_LIMIT_MS 10000     /* for one file: a disk that takes longer hangs, and is shown so */

/* Invariant: is_running from the first call of a round to its end. */
struct by_hand_copy {
	struct loop *loop;
	struct by_hand by_hand;
	struct by_hand_older older;
	char *prefix;
	struct buf key;
	const struct by_hand_copy_handler *handler;
	void *context;
	struct by_hand_file file;
	struct by_hand_page page; /* the thread's, while it runs */
	pthread_t thread;
	bool has_thread;
	struct wakeup *written;
	struct timer *timer;
	char known[VERSION_SIZE], found[VERSION_SIZE]; /* of what was read whole; as this round found it */
	char cursor[CURSOR_SIZE];
	struct by_hand_kept *next; /* the row to be looked at next, while rows are brought */
	struct by_hand_kept *brought;
	bool is_running, is_ending; /* `brought` is to be forgotten */
	bool is_draining, is_write_troubled, is_full;
	bool is_refused;              /* Redis was asked, and would not; told until a round goes well */
	char why[SCRIPT_REASON_SIZE]; /* of this round: what it would not take, or "" */
	void (*on_done)(void *context, const char *why);
	void *done_context;
	size_t brought_count; /* of this round: what Redis had lost */
	bool is_awaited;      /* this round is the one that on_done waits for */
};

static void begin_round(struct by_hand_copy *copy);

/* ---- the end of a round */

static void tell_write_trouble(struct by_hand_copy *copy, enum status status, int error)
{
	bool is_trouble = status != STATUS_OK && status != STATUS_AGAIN;
	if (is_trouble && !copy->is_write_troubled)
		log_error("locks and limits set by hand can't be kept in state_dir: %s",
			  status == STATUS_SYSTEM ? strerror(error) : status_text(status));
	copy->is_write_troubled = is_trouble;
}

static void *write_page(void *context)
{
	struct by_hand_copy *copy = context;
	struct life_thread *sign = life_join(LIFE_DISK);
	life_begin(sign, DISK_LIMIT_MS);
	by_hand_page_write(&copy->page);
	life_leave(sign);
	wakeup_send(copy->written);
	return NULL;
}

static void end_thread(struct by_hand_copy *copy)
{
	if (!copy->has_thread)
		return;
	pthread_join(copy->thread, NULL);
	copy->has_thread = false;
	enum status status = by_hand_file_end_page(&copy->file, &copy->page);
	tell_write_trouble(copy, status, copy->page.error);
	if (status == STATUS_AGAIN) /* what another process of this node had kept may be news to Redis */
		copy->known[0] = '\0';
}

static void on_written(void *context)
{
	end_thread(context);
}

/* What a full disk, or another process, kept from being written is tried again with each round; a file is whole. */
static void write_copy(struct by_hand_copy *copy)
{
	if (copy->is_draining || copy->has_thread)
		return;
	enum status status = by_hand_file_begin_page(&copy->file, &copy->page);
	if (status == STATUS_END)
		return;
	if (status == STATUS_OK) {
		status = thread_start("by-hand", STACK_SIZE, write_page, copy, &copy->thread);
		copy->has_thread = status == STATUS_OK;
		copy->page.status = status;
		if (status != STATUS_OK)
			status = by_hand_file_end_page(&copy->file, &copy->page);
	}
	if (status != STATUS_OK)
		tell_write_trouble(copy, status, errno);
}

/* `why`: what could not be read or brought; NULL: all was. */
static void end_round(struct by_hand_copy *copy, const char *why)
{
	void (*on_done)(void *, const char *) = copy->is_awaited ? copy->on_done : NULL;
	copy->is_running = copy->is_awaited = false;
	write_copy(copy);
	if (copy->brought_count)
		log_warning("%zu locks and limits set by hand, which Redis had lost, are there again",
			    copy->brought_count);
	copy->brought_count = 0;
	if (why)
		copy->known[0] = '\0';
	else
		copy->is_refused = false;
	if (on_done) {
		copy->on_done = NULL;
		on_done(copy->done_context, why);
	}
	if (copy->on_done)
		timer_set(copy->timer, 0);
	else if (!copy->is_draining)
		timer_set(copy->timer, LOOK_MS);
}

static void note_refusal(struct by_hand_copy *copy, const struct redis_value *value)
{
	script_explain(STATUS_OK, value, copy->why);
	if (!copy->is_refused)
		log_error("Redis keeps locks and limits set by hand from being copied: %s", copy->why);
	copy->is_refused = true;
}

static void break_round(struct by_hand_copy *copy, enum status status, const struct redis_value *value)
{
	if (status == STATUS_OK)
		note_refusal(copy, value);
	else
		script_explain(status, value, copy->why);
	end_round(copy, copy->why);
}

/* ---- bringing */

static void bring_next(struct by_hand_copy *copy);

static void on_row_brought(void *context, enum status status, const struct redis_value *value)
{
	struct by_hand_copy *copy = context;
	struct by_hand_kept *kept = copy->brought;
	if (status != STATUS_OK) {
		break_round(copy, status, value);
		return;
	}
	copy->next = TAILQ_NEXT(kept, in_order);
	if (redis_value_type(value) != REDIS_INTEGER) {
		note_refusal(copy, value); /* no reason to keep the others away */
		bring_next(copy);
		return;
	}
	bool is_done = redis_value_integer(value) > 0;
	struct span user_id = copy->is_ending ? (struct span){ 0 } : by_hand_locked_id(&kept->row);
	if (!copy->is_ending)
		copy->brought_count += is_done;
	if (is_done && !span_is_empty(user_id))
		copy->handler->on_lock(copy->context, user_id, kept->row.is_set);
	if (copy->is_ending && (is_done || kept->seen == 0))
		by_hand_file_drop(&copy->file, kept);
	bring_next(copy);
}

static bool is_due(const struct by_hand_kept *kept, uint64_t now_s)
{
	return kept->seen < kept->row.version || by_hand_has_ended(&kept->row, now_s);
}

static void bring_next(struct by_hand_copy *copy)
{
	uint64_t now_s = clock_wall_us() / 1000000;
	while (copy->next && !is_due(copy->next, now_s))
		copy->next = TAILQ_NEXT(copy->next, in_order);
	if (copy->next == NULL) {
		memcpy(copy->known, copy->found, sizeof(copy->known));
		end_round(copy, copy->why[0] ? copy->why : NULL);
		return;
	}
	copy->brought = copy->next;
	copy->is_ending = by_hand_has_ended(&copy->brought->row, now_s);
	enum status status = by_hand_bring(&copy->by_hand, &copy->brought->row, copy->is_ending, on_row_brought, copy);
	if (status != STATUS_OK)
		break_round(copy, status, NULL);
}

/* ---- reading */

/* Redis is trusted no more than a peer: what can't be read is skipped. */
static void take_row(struct by_hand_copy *copy, struct span field, struct span value)
{
	struct by_hand_row row;
	struct by_hand_kept *kept = by_hand_file_find(&copy->file, field);
	if (!by_hand_read_row(field, value, &row))
		return;
	enum status status = STATUS_OK;
	if (kept == NULL || kept->row.version < row.version)
		status = by_hand_file_put(&copy->file, field, value, &kept);
	if (status == STATUS_OK)
		kept->seen = row.version;
	else if (!copy->is_full)
		log_error("not all locks and limits set by hand can be kept here: %s", status_text(status));
	copy->is_full = status != STATUS_OK;
}

static void read_page(struct by_hand_copy *copy);

static void on_page(void *context, enum status status, const struct redis_value *value)
{
	struct by_hand_copy *copy = context;
	if (!script_has_answered(status, value, 2)) {
		break_round(copy, status, value);
		return;
	}
	struct span cursor = redis_value_text(redis_value_at(value, 0));
	const struct redis_value *pairs = redis_value_at(value, 1);
	if (span_is_empty(cursor) || cursor.size >= CURSOR_SIZE) {
		break_round(copy, status, value);
		return;
	}
	for (size_t i = 0; i + 1 < redis_value_count(pairs); i += 2)
		take_row(copy, redis_value_text(redis_value_at(pairs, i)),
			 redis_value_text(redis_value_at(pairs, i + 1)));
	snprintf(copy->cursor, sizeof(copy->cursor), "%.*s", SPAN_ARGS(cursor));
	if (!span_equal(cursor, SPAN("0"))) {
		read_page(copy);
		return;
	}
	copy->next = TAILQ_FIRST(&copy->file.order);
	bring_next(copy);
}

static void read_page(struct by_hand_copy *copy)
{
	const struct span arguments[] = { SPAN("HSCAN"), buf_span(&copy->key), span_of(copy->cursor), SPAN("COUNT"),
					  SPAN(PAGE) };
	if (redis_call(copy->by_hand.redis, arguments, 5, CALL_MS, on_page, copy) != STATUS_OK)
		break_round(copy, STATUS_UNAVAILABLE, NULL);
}

static void forget_seen(struct by_hand_copy *copy)
{
	struct by_hand_kept *kept = TAILQ_FIRST(&copy->file.order);
	for (; kept; kept = TAILQ_NEXT(kept, in_order))
		kept->seen = 0;
}

/* What is changed while it is read has another version, which the next round sees. */
static void on_version(void *context, enum status status, const struct redis_value *value)
{
	struct by_hand_copy *copy = context;
	bool is_there = status == STATUS_OK && redis_value_type(value) == REDIS_TEXT;
	bool is_none = status == STATUS_OK && redis_value_type(value) == REDIS_NIL;
	struct span version = is_there ? redis_value_text(value) : SPAN("-");
	if ((!is_there && !is_none) || version.size >= VERSION_SIZE) {
		break_round(copy, status, value);
		return;
	}
	snprintf(copy->found, sizeof(copy->found), "%.*s", SPAN_ARGS(version));
	if (!copy->is_awaited && strcmp(copy->found, copy->known) == 0) {
		end_round(copy, NULL);
		return;
	}
	forget_seen(copy);
	snprintf(copy->cursor, sizeof(copy->cursor), "0");
	read_page(copy);
}

static void ask_version(struct by_hand_copy *copy)
{
	const struct span arguments[] = { SPAN("HGET"), buf_span(&copy->key), SPAN("version") };
	if (redis_call(copy->by_hand.redis, arguments, 3, CALL_MS, on_version, copy) != STATUS_OK)
		break_round(copy, STATUS_UNAVAILABLE, NULL);
}

/* ---- what an older program has set: once, ahead of this process's first round */

static void look_for_older(struct by_hand_copy *copy);

/* Where Redis won't, the round goes on: mail may wait for it. */
static void on_older(void *context, enum status status, const struct redis_value *value)
{
	struct by_hand_copy *copy = context;
	char why[SCRIPT_REASON_SIZE];
	if (status != STATUS_OK) {
		break_round(copy, status, value);
		return;
	}
	if (!by_hand_older_take(&copy->older, value)) {
		script_explain(status, value, why);
		log_error("locks and limits that an older program has set can't be looked for: %s", why);
		by_hand_older_end(&copy->older);
	}
	look_for_older(copy);
}

static void look_for_older(struct by_hand_copy *copy)
{
	if (!by_hand_older_has_more(&copy->older))
		ask_version(copy);
	else if (by_hand_older_look(&copy->older, on_older, copy) != STATUS_OK)
		break_round(copy, STATUS_UNAVAILABLE, NULL);
}

static void begin_round(struct by_hand_copy *copy)
{
	copy->is_running = true;
	copy->is_awaited = copy->on_done != NULL;
	copy->why[0] = '\0';
	look_for_older(copy);
}

static void on_time(void *context)
{
	struct by_hand_copy *copy = context;
	if (!copy->is_running)
		begin_round(copy);
}

/* ---- what its owner wants */

void by_hand_copy_bring(struct by_hand_copy *copy, void (*on_done)(void *context, const char *why), void *context)
{
	copy->on_done = on_done;
	copy->done_context = context;
	copy->is_awaited = false; /* a round under way may have passed what is missing now */
	if (!copy->is_running)
		timer_set(copy->timer, 0);
}

void by_hand_copy_drain(struct by_hand_copy *copy)
{
	copy->is_draining = true;
}

/* ---- life */

static enum status set_up_copy(struct by_hand_copy *copy, struct redis *redis, const char *prefix)
{
	copy->prefix = strdup(prefix);
	if (copy->prefix == NULL)
		return STATUS_NO_MEMORY;
	TRY(by_hand_init(&copy->by_hand, redis, copy->prefix));
	TRY(by_hand_older_init(&copy->older, &copy->by_hand));
	TRY(buf_printf(&copy->key, "%sby-hand", prefix));
	TRY(wakeup_create(copy->loop, on_written, copy, &copy->written));
	return timer_make(copy->loop, on_time, copy, &copy->timer);
}

enum status by_hand_copy_create(struct loop *loop, struct redis *redis, const char *prefix, const int fds[2],
				const struct by_hand_copy_handler *handler, void *context,
				struct by_hand_copy **out_copy)
{
	struct by_hand_copy *copy = calloc(1, sizeof(*copy));
	if (copy == NULL) {
		by_hand_file_drop_fds(fds);
		return STATUS_NO_MEMORY;
	}
	*copy = (struct by_hand_copy){ .loop = loop, .handler = handler, .context = context };
	buf_init(&copy->key, KEY_MAXIMUM);
	enum status status = by_hand_file_open(&copy->file, fds);
	if (status == STATUS_OK)
		status = set_up_copy(copy, redis, prefix);
	if (status != STATUS_OK) {
		by_hand_copy_free(&copy);
		return status;
	}
	timer_set(copy->timer, LOOK_MS);
	*out_copy = copy;
	return STATUS_OK;
}

void by_hand_copy_free(struct by_hand_copy **copy)
{
	if (*copy == NULL)
		return;
	end_thread(*copy);
	wakeup_free(&(*copy)->written);
	timer_free(&(*copy)->timer);
	by_hand_file_close(&(*copy)->file);
	buf_free(&(*copy)->key);
	free((*copy)->prefix);
	free(*copy);
	*copy = NULL;
}

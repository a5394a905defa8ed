/* The list in Redis. One look at it is under way at a time; Redis's answers are read as hostile. */
#include "auth/app_password/list.h"

#include <stdlib.h>
#include <string.h>

#include "auth/seal.h"
#include "base/log.h"

#define LOOK_MS 500      /* a revocation holds within a second */
#define LOOK_GAP_MS 20   /* at least, between two looks that are asked for */
#define FIRST_LOOK_MS 20 /* until all was read once: nobody gets in before */
#define READ_AT_ONCE 400 /* lines: the longest ones fit into a reply */
#define CALL_MS 5000
#define KEY_MAXIMUM 1024   /* bytes */
#define LINES_AT_ONCE 4    /* of an append */
#define APPENDS_MAXIMUM 64 /* under way */

#define SEAL_SIZE (HASH_SHA256_HEX_SIZE - 1) /* characters before an entry's line, and its blank */

/* What was read of a list, from its beginning to `count`; `last` is the digest of the last line. */
struct reading {
	struct password_table *table;
	uint64_t count;
	unsigned char last[HASH_SHA256_SIZE];
	uint64_t skipped, skipped_line;
	uint64_t unsealed; /* of those */
};

/* Waits for Redis's answer, then for its lines to be read back. */
struct append {
	struct append *next, **at;
	struct password_list *list;
	uint64_t length; /* of the list after it; 0: not answered yet */
	list_done *on_done;
	void *context;
};

/* Invariant: `next.table` != NULL iff the list is being read anew; `current.table` is NULL before the first time. */
struct password_list {
	struct redis *redis;
	const struct secret *seal_key;
	struct buf key;
	struct timer *timer;
	bool is_looking;        /* a call is under way */
	bool is_look_due;       /* another one is to follow it */
	uint64_t looks, looked; /* calls begun; of those, how many had ended when nothing more was to be read */
	uint64_t looked_ms;     /* when the last one began, of the loop's clock */
	uint64_t changes;
	struct loop *loop;
	bool was_replaced; /* by another list: what was appended to the former one may not be in it */
	struct reading current, next;
	struct append *appends; /* a list */
	size_t append_count;
	struct password_list_handler handler;
	void *context;
	char scratch[CHANGE_SCRATCH];
};

static void free_reading(struct reading *reading)
{
	table_free(&reading->table);
	*reading = (struct reading){ 0 };
}

const struct password_table *list_table(const struct password_list *list)
{
	return list->current.table;
}

uint64_t list_skipped(const struct password_list *list, uint64_t *out_line)
{
	*out_line = list->current.skipped_line;
	return list->current.skipped;
}

uint64_t list_unsealed(const struct password_list *list)
{
	return list->current.unsealed;
}

/* ---- seals: an entry is one in hexadecimal, a blank, and the line */

static enum status write_seal(const struct password_list *list, struct span line, char out_hex[HASH_SHA256_HEX_SIZE])
{
	unsigned char mac[HASH_SHA256_SIZE];
	TRY(seal_make(list->seal_key, SPAN("app password"), buf_span(&list->key), line, mac));
	hash_to_hex(mac, sizeof(mac), out_hex);
	return STATUS_OK;
}

/* Each line becomes an entry, with a LF too. */
static enum status seal_lines(const struct password_list *list, struct span lines, struct buf *out_entries)
{
	char seal[HASH_SHA256_HEX_SIZE];
	struct span line;
	while (lines.size > 0 && span_cut(&lines, '\n', &line)) {
		TRY(write_seal(list, line, seal));
		TRY(buf_printf(out_entries, "%s ", seal));
		TRY(buf_append(out_entries, line));
		TRY(buf_append_byte(out_entries, '\n'));
	}
	return STATUS_OK;
}

/* STATUS_INVALID: it is not sealed, or not with this key, or for something else. */
static enum status open_entry(const struct password_list *list, struct span entry, struct span *out_line)
{
	char seal[HASH_SHA256_HEX_SIZE];
	if (entry.size <= SEAL_SIZE + 1 || entry.size > SEAL_SIZE + 1 + CHANGE_LINE_MAXIMUM ||
	    entry.data[SEAL_SIZE] != ' ')
		return STATUS_INVALID;
	struct span line = span_slice(entry, SEAL_SIZE + 1, entry.size);
	TRY(write_seal(list, line, seal));
	if (!secret_equal(span_of(seal), span_slice(entry, 0, SEAL_SIZE)))
		return STATUS_INVALID;
	*out_line = line;
	return STATUS_OK;
}

/* ---- appends */

static void free_append(struct append *append)
{
	*append->at = append->next;
	if (append->next)
		append->next->at = append->at;
	append->list->append_count--;
	free(append);
}

static void finish_append(struct append *append, enum status status)
{
	list_done *on_done = append->on_done;
	void *context = append->context;
	free_append(append);
	on_done(context, status);
}

/* STATUS_AGAIN: it is not read back yet. */
static enum status outcome_of(const struct append *append, bool was_replaced)
{
	const struct reading *reading = &append->list->current;
	if (append->length && reading->table && append->length <= reading->count)
		return STATUS_OK;
	return append->length && was_replaced ? STATUS_TIMEOUT : STATUS_AGAIN;
}

/* A callback may begin others. */
static void finish_appends(struct password_list *list)
{
	bool was_replaced = list->was_replaced;
	list->was_replaced = false;
	for (struct append *append = list->appends; append;) {
		enum status status = outcome_of(append, was_replaced);
		if (status == STATUS_AGAIN) {
			append = append->next;
			continue;
		}
		finish_append(append, status);
		append = list->appends;
	}
}

/* ---- lines */

static enum status apply_change(struct password_list *list, struct reading *reading, struct span entry)
{
	struct app_password_change change;
	struct app_password *changed = NULL;
	struct span line;
	enum status status = open_entry(list, entry, &line);
	reading->unsealed += status == STATUS_INVALID;
	if (status == STATUS_OK)
		status = change_parse(line, list->scratch, &change);
	if (status == STATUS_OK)
		status = table_apply(reading->table, &change, &changed);
	if (status == STATUS_INVALID) {
		reading->skipped++;
		reading->skipped_line = reading->count + 1;
	} else if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
		return status;
	}
	list->changes += changed && reading == &list->current;
	if (changed && reading == &list->current)
		list->handler.on_change(list->context, change.operation, changed);
	return STATUS_OK;
}

static enum status apply_lines(struct password_list *list, struct reading *reading, const struct redis_value *value,
			       size_t from)
{
	for (size_t i = from; i < redis_value_count(value); i++) {
		struct span entry = redis_value_text(redis_value_at(value, i));
		unsigned char digest[HASH_SHA256_SIZE];
		TRY(hash_sha256(entry, digest));
		TRY(apply_change(list, reading, entry));
		memcpy(reading->last, digest, sizeof(digest));
		reading->count++;
	}
	return STATUS_OK;
}

/* Whether the answer begins with the last line that was read. */
static bool goes_on(const struct reading *reading, const struct redis_value *value)
{
	unsigned char digest[HASH_SHA256_SIZE];
	return redis_value_count(value) > 0 &&
	       hash_sha256(redis_value_text(redis_value_at(value, 0)), digest) == STATUS_OK &&
	       memcmp(digest, reading->last, sizeof(digest)) == 0;
}

/* ---- looking */

static void read_more(struct password_list *list);

static void take_next(struct password_list *list)
{
	struct reading before = list->current;
	list->current = list->next;
	list->next = (struct reading){ 0 };
	list->changes++;
	if (before.table) {
		log_warning("app passwords: the list in Redis is another one: %llu lines, %llu before",
			    (unsigned long long)list->current.count, (unsigned long long)before.count);
		list->was_replaced = true;
		list->handler.on_replaced(list->context, before.table);
	} else {
		list->handler.on_known(list->context);
	}
	free_reading(&before);
}

static struct reading *reading_under_way(struct password_list *list)
{
	return list->next.table ? &list->next : &list->current;
}

/* From the beginning, into another table. */
static enum status begin_anew(struct password_list *list)
{
	free_reading(&list->next);
	return table_create(&list->next.table);
}

/* *out_more: there may be more lines than these. */
static enum status take_lines(struct password_list *list, const struct redis_value *value, bool *out_more)
{
	struct reading *reading = reading_under_way(list);
	bool overlaps = reading->count > 0;
	*out_more = true;
	if (overlaps && !goes_on(reading, value))
		return begin_anew(list);
	TRY(apply_lines(list, reading, value, overlaps));
	*out_more = redis_value_count(value) == READ_AT_ONCE;
	if (!*out_more && list->next.table)
		take_next(list);
	return STATUS_OK;
}

static void end_looks(struct password_list *list)
{
	list->looked = list->looks;
	list->handler.on_looked(list->context);
}

static void look_soon(struct password_list *list)
{
	uint64_t since_ms = loop_now_ms(list->loop) - list->looked_ms;
	list->is_look_due = list->is_looking;
	if (list->is_looking)
		return;
	if (since_ms >= LOOK_GAP_MS)
		read_more(list);
	else
		timer_set(list->timer, LOOK_GAP_MS - since_ms);
}

uint64_t list_look(struct password_list *list)
{
	if (!redis_is_up(list->redis))
		return 0;
	uint64_t number = list->looks + 1;
	look_soon(list);
	return number;
}

uint64_t list_looked(const struct password_list *list)
{
	return list->looked;
}

uint64_t list_changes(const struct password_list *list)
{
	return list->changes;
}

/* What Redis does not answer is asked for at the next look. */
static void on_lines(void *context, enum status status, const struct redis_value *value)
{
	struct password_list *list = context;
	bool has_more = false;
	list->is_looking = false;
	if (status == STATUS_OK && redis_value_type(value) == REDIS_ARRAY) {
		status = take_lines(list, value, &has_more);
		if (status != STATUS_OK) {
			log_error("app passwords: the list in Redis can't be read: %s", status_text(status));
			free_reading(&list->next);
			has_more = false;
		}
	} else if (status == STATUS_OK) {
		log_error("app passwords: Redis has no list of them under this key: %.*s",
			  SPAN_ARGS(redis_value_error(value)));
	}
	finish_appends(list);
	if (has_more) {
		read_more(list);
		return;
	}
	end_looks(list);
	if (list->is_look_due)
		look_soon(list);
}

/* From the last line that was read on. */
static void read_more(struct password_list *list)
{
	char from[24], to[24];
	if (list->is_looking)
		return;
	if (list->current.table == NULL && list->next.table == NULL && begin_anew(list) != STATUS_OK)
		return;
	uint64_t first = reading_under_way(list)->count;
	first -= first > 0;
	snprintf(from, sizeof(from), "%llu", (unsigned long long)first);
	snprintf(to, sizeof(to), "%llu", (unsigned long long)first + READ_AT_ONCE - 1);
	const struct span arguments[] = { SPAN("LRANGE"), buf_span(&list->key), span_of(from), span_of(to) };
	list->looks++;
	list->looked_ms = loop_now_ms(list->loop);
	list->is_looking = redis_call(list->redis, arguments, 4, CALL_MS, on_lines, list) == STATUS_OK;
}

static void on_timer(void *context)
{
	struct password_list *list = context;
	timer_set(list->timer, list->current.table ? LOOK_MS : FIRST_LOOK_MS);
	if (redis_is_up(list->redis)) {
		read_more(list);
		return;
	}
	list->looks++;
	end_looks(list);
}

/* ---- appending */

static void on_appended(void *context, enum status status, const struct redis_value *value)
{
	struct append *append = context;
	struct password_list *list = append->list;
	if (status == STATUS_OK && (redis_value_type(value) != REDIS_INTEGER || redis_value_integer(value) <= 0)) {
		log_error("app passwords: Redis does not take a change: %.*s", SPAN_ARGS(redis_value_error(value)));
		status = STATUS_REFUSED;
	}
	if (status != STATUS_OK) {
		finish_append(append, status);
		return;
	}
	append->length = (uint64_t)redis_value_integer(value);
	read_more(list);
}

static enum status send_lines(struct password_list *list, struct span lines, struct append *append)
{
	struct span arguments[2 + LINES_AT_ONCE] = { SPAN("RPUSH"), buf_span(&list->key) };
	size_t count = 2;
	struct buf entries BUF_AUTO;
	buf_init(&entries, LINES_AT_ONCE * (SEAL_SIZE + 1 + CHANGE_LINE_MAXIMUM));
	TRY(seal_lines(list, lines, &entries));
	struct span rest = buf_span(&entries), entry;
	while (rest.size > 0 && span_cut(&rest, '\n', &entry)) {
		if (count == sizeof(arguments) / sizeof(arguments[0]))
			return STATUS_TOO_LARGE;
		arguments[count++] = entry;
	}
	return redis_call(list->redis, arguments, count, CALL_MS, on_appended, append);
}

enum status list_append(struct password_list *list, struct span lines, list_done *on_done, void *context)
{
	if (!redis_is_up(list->redis) || list->append_count == APPENDS_MAXIMUM)
		return STATUS_UNAVAILABLE;
	struct append *append = calloc(1, sizeof(*append));
	if (append == NULL)
		return STATUS_NO_MEMORY;
	*append = (struct append){
		.next = list->appends, .at = &list->appends, .list = list, .on_done = on_done, .context = context
	};
	if (append->next)
		append->next->at = &append->next;
	list->appends = append;
	list->append_count++;
	enum status status = send_lines(list, lines, append);
	if (status != STATUS_OK)
		free_append(append);
	return status;
}

/* ---- life */

static enum status set_up(struct password_list *list, struct loop *loop, const char *prefix)
{
	TRY(buf_printf(&list->key, "%sauth:1:app_passwords", prefix));
	TRY(timer_make(loop, on_timer, list, &list->timer));
	timer_set(list->timer, 0);
	return STATUS_OK;
}

enum status list_create(struct loop *loop, struct redis *redis, const char *prefix, const struct secret *key,
			const struct password_list_handler *handler, void *context, struct password_list **out_list)
{
	struct password_list *list = calloc(1, sizeof(*list));
	if (list == NULL)
		return STATUS_NO_MEMORY;
	list->loop = loop;
	list->redis = redis;
	list->seal_key = key;
	list->handler = *handler;
	list->context = context;
	buf_init(&list->key, KEY_MAXIMUM);
	enum status status = set_up(list, loop, prefix);
	if (status != STATUS_OK) {
		list_free(&list);
		return status;
	}
	*out_list = list;
	return STATUS_OK;
}

void list_free(struct password_list **list_at)
{
	struct password_list *list = *list_at;
	*list_at = NULL;
	if (list == NULL)
		return;
	while (list->appends)
		free_append(list->appends);
	timer_free(&list->timer);
	free_reading(&list->current);
	free_reading(&list->next);
	buf_free(&list->key);
	explicit_bzero(list->scratch, sizeof(list->scratch));
	free(list);
}

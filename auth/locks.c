/* The copy of the locks, and the reading of all of them, one page after the other. Owns the copy. */
#include "auth/locks.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "quota/user_lock.h"
#include "redis/script.h"

#define CALL_MS 3000
#define PAGE "500"     /* locks a call, about */
#define CURSOR_SIZE 24 /* bytes, the NUL included */
#define RETRY_MS 1000

/* One that is locked. */
struct locked {
	struct map_link link;
	unsigned round; /* of the reading that saw it last */
	size_t size;
	char user_id[];
};

/* Invariant: `cursor` is "" unless a reading is under way. */
struct locks {
	struct redis *redis;
	char *prefix;
	struct by_hand by_hand;
	struct map map;
	unsigned round;
	char cursor[CURSOR_SIZE];
	bool is_stale; /* to be read once more when this reading ends */
	struct timer *retry;
};

/* ---- the copy */

static struct locked *find_locked(const struct locks *locks, struct span user_id)
{
	struct map_link *link = map_first(&locks->map, map_hash_text(&locks->map, user_id));
	for (; link; link = map_next(link)) {
		struct locked *locked = MAP_OWNER(link, struct locked, link);
		if (span_equal((struct span){ locked->user_id, locked->size }, user_id))
			return locked;
	}
	return NULL;
}

/* Out of memory, they are. */
static bool is_name_locked(const struct locks *locks, struct span user)
{
	struct identity by_name;
	identity_init(&by_name);
	return identity_set_id(&by_name, "name", user) != STATUS_OK || find_locked(locks, span_of(by_name.id)) != NULL;
}

bool locks_hold(const struct locks *locks, struct span user_id, struct span user)
{
	return find_locked(locks, user_id) != NULL || is_name_locked(locks, user);
}

static void drop_locked(struct locks *locks, struct locked *locked)
{
	map_remove(&locks->map, &locked->link);
	free(locked);
}

static enum status add_locked(struct locks *locks, struct span user_id)
{
	if (locks->map.count >= LOCKS_MAXIMUM || user_id.size > IDENTITY_ID_MAXIMUM)
		return STATUS_TOO_LARGE;
	struct locked *locked = calloc(1, sizeof(*locked) + user_id.size);
	if (locked == NULL)
		return STATUS_NO_MEMORY;
	locked->round = locks->round;
	locked->size = user_id.size;
	memcpy(locked->user_id, user_id.data, user_id.size);
	enum status status = map_add(&locks->map, &locked->link, map_hash_text(&locks->map, user_id));
	if (status != STATUS_OK)
		free(locked);
	return status;
}

/* Seen by the reading that is under way. */
static void keep_locked(struct locks *locks, struct span user_id)
{
	struct locked *locked = find_locked(locks, user_id);
	if (span_is_empty(user_id))
		return;
	if (locked) {
		locked->round = locks->round;
		return;
	}
	enum status status = add_locked(locks, user_id);
	if (status != STATUS_OK)
		log_error("a lock of a user can't be held here: %s", status_text(status));
}

void locks_note(struct locks *locks, struct span user_id, bool locked)
{
	struct locked *known = find_locked(locks, user_id);
	if (locked)
		keep_locked(locks, user_id);
	else if (known)
		drop_locked(locks, known);
	locks->is_stale |= locks->cursor[0] != '\0'; /* the reading may have passed it already */
}

/* ---- reading all of them */

static void read_page(struct locks *locks);

static void drop_unseen(void *context, struct map_link *link)
{
	struct locks *locks = context;
	struct locked *locked = MAP_OWNER(link, struct locked, link);
	if (locked->round != locks->round)
		drop_locked(locks, locked);
}

static void end_reading(struct locks *locks)
{
	locks->cursor[0] = '\0';
	if (!locks->is_stale)
		map_visit(&locks->map, drop_unseen, locks);
	else
		locks_reload(locks);
}

static void break_reading(struct locks *locks, const char *why)
{
	log_debug("locks can't be read: %s", why);
	locks->cursor[0] = '\0';
	timer_set(locks->retry, RETRY_MS);
}

static void on_page(void *context, enum status status, const struct redis_value *value)
{
	struct locks *locks = context;
	if (!script_has_answered(status, value, 2)) {
		break_reading(locks, "no answer");
		return;
	}
	struct span cursor = redis_value_text(redis_value_at(value, 0));
	const struct redis_value *pairs = redis_value_at(value, 1);
	if (span_is_empty(cursor) || cursor.size >= CURSOR_SIZE) {
		break_reading(locks, "no cursor");
		return;
	}
	for (size_t i = 0; i + 1 < redis_value_count(pairs); i += 2)
		keep_locked(locks, redis_value_text(redis_value_at(pairs, i)));
	snprintf(locks->cursor, sizeof(locks->cursor), "%.*s", SPAN_ARGS(cursor));
	if (span_equal(cursor, SPAN("0")))
		end_reading(locks);
	else
		read_page(locks);
}

enum status locks_write_key(const struct locks *locks, struct buf *key)
{
	return user_lock_write_list_key(key, locks->prefix);
}

static enum status call_page(struct locks *locks)
{
	struct buf key BUF_AUTO;
	buf_init(&key, LOCKS_KEY_MAXIMUM);
	TRY(locks_write_key(locks, &key));
	const struct span arguments[] = { SPAN("HSCAN"), buf_span(&key), span_of(locks->cursor), SPAN("COUNT"),
					  SPAN(PAGE) };
	return redis_call(locks->redis, arguments, 5, CALL_MS, on_page, locks);
}

static void read_page(struct locks *locks)
{
	if (call_page(locks) != STATUS_OK)
		break_reading(locks, "no call");
}

void locks_reload(struct locks *locks)
{
	if (locks->cursor[0]) {
		locks->is_stale = true;
		return;
	}
	locks->is_stale = false;
	locks->round++;
	snprintf(locks->cursor, sizeof(locks->cursor), "0");
	read_page(locks);
}

static void on_retry(void *context)
{
	locks_reload(context);
}

/* ---- life */

struct redis *locks_redis(const struct locks *locks)
{
	return locks->redis;
}

struct by_hand *locks_by_hand(struct locks *locks)
{
	return &locks->by_hand;
}

enum status locks_create(struct loop *loop, struct redis *redis, const char *prefix, struct locks **out_locks)
{
	struct locks *locks = calloc(1, sizeof(*locks));
	if (locks == NULL)
		return STATUS_NO_MEMORY;
	*locks = (struct locks){ .redis = redis, .prefix = strdup(prefix) };
	enum status status = locks->prefix ? map_init(&locks->map) : STATUS_NO_MEMORY;
	if (status == STATUS_OK)
		status = by_hand_init(&locks->by_hand, redis, locks->prefix);
	if (status == STATUS_OK)
		status = timer_make(loop, on_retry, locks, &locks->retry);
	if (status != STATUS_OK) {
		locks_free(&locks);
		return status;
	}
	*out_locks = locks;
	return STATUS_OK;
}

static void drop_any(void *context, struct map_link *link)
{
	drop_locked(context, MAP_OWNER(link, struct locked, link));
}

void locks_free(struct locks **locks)
{
	if (*locks == NULL)
		return;
	map_visit(&(*locks)->map, drop_any, *locks);
	map_free(&(*locks)->map);
	timer_free(&(*locks)->retry);
	free((*locks)->prefix);
	free(*locks);
	*locks = NULL;
}

/* The marker: one call at a time, what Redis acknowledged, and the id on disk. Owns the state file; borrows Redis. */
#include "quota/marker.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "quota/script.h"

#define CALL_MS 3000
#define LOOK_MS 5000    /* between two looks when nothing is charged */
#define ID_SIZE 33      /* bytes: 32 hexadecimal digits and a NUL */
#define KEY_MAXIMUM 512 /* bytes */
#define ANSWER 3        /* values in the script's answer */

static const char source[] =
#include "quota/marker.lua.h"
	;

struct marker {
	struct loop *loop;
	struct redis *redis;
	struct redis_script script;
	struct buf key;
	struct timer *timer;
	int state_fd;
	void (*on_loss)(void *context, const char *what);
	void *context;
	char id[ID_SIZE];      /* as it was last seen; "": never yet */
	char process[ID_SIZE]; /* what this process is called there */
	uint64_t number;       /* of the last call */
	uint64_t acknowledged; /* the last number that Redis is known to have taken; 0: none */
	bool calling, again;
};

static enum status make_id(char out_id[ID_SIZE])
{
	unsigned char random[(ID_SIZE - 1) / 2];
	TRY(hash_random(random, sizeof(random)));
	hash_to_hex(random, sizeof(random), out_id);
	return STATUS_OK;
}

/* ---- the id on disk */

static bool is_id(const char *text)
{
	return strspn(text, "0123456789abcdef") == ID_SIZE - 1;
}

static void read_id(struct marker *marker)
{
	char id[ID_SIZE] = { 0 };
	if (marker->state_fd >= 0 && pread(marker->state_fd, id, ID_SIZE - 1, 0) == ID_SIZE - 1 && is_id(id))
		memcpy(marker->id, id, sizeof(id));
}

/* When it fails the next process may tell of a loss that is known. */
static void keep_id(struct marker *marker, struct span id)
{
	if (id.size != ID_SIZE - 1 || span_equal(id, span_of(marker->id)))
		return;
	memcpy(marker->id, id.data, id.size);
	marker->id[id.size] = '\0';
	if (marker->state_fd >= 0 && pwrite(marker->state_fd, marker->id, ID_SIZE - 1, 0) != ID_SIZE - 1)
		return;
}

/* ---- the call */

/* NULL: all is there. */
static const char *find_loss(const struct marker *marker, const struct redis_value *value)
{
	bool was_there = redis_value_integer(redis_value_at(value, 1)) == 1;
	int64_t number = redis_value_integer(redis_value_at(value, 2));
	if (marker->id[0] == '\0')
		return NULL;
	if (!was_there)
		return "its marker is gone: it was emptied, or is another one";
	if (!span_equal(redis_value_text(redis_value_at(value, 0)), span_of(marker->id)))
		return "its marker has changed: it was emptied, or is another one";
	if (number < (int64_t)marker->acknowledged)
		return "it lacks what it had acknowledged: a replica was promoted too early, or a backup restored";
	return NULL;
}

static void on_answer(void *context, enum status status, const struct redis_value *value)
{
	struct marker *marker = context;
	marker->calling = false;
	if (script_has_answered(status, value, ANSWER)) {
		const char *loss = find_loss(marker, value);
		keep_id(marker, redis_value_text(redis_value_at(value, 0)));
		marker->acknowledged = marker->number;
		if (loss)
			marker->on_loss(marker->context, loss);
	}
	if (marker->again)
		marker_check(marker);
}

void marker_check(struct marker *marker)
{
	char id[ID_SIZE], number[SCRIPT_NUMBER_SIZE];
	marker->again = marker->calling;
	if (marker->calling || !redis_is_up(marker->redis) || make_id(id) != STATUS_OK)
		return;
	const struct span arguments[] = { buf_span(&marker->key), span_of(id), span_of(marker->process),
					  script_write_number(++marker->number, number) };
	marker->calling = redis_run_script(marker->redis, &marker->script, arguments, 4, 1, CALL_MS, on_answer,
					   marker) == STATUS_OK;
}

static void on_time(void *context)
{
	struct marker *marker = context;
	if (!marker->calling)
		marker_check(marker);
	timer_set(marker->timer, LOOK_MS);
}

/* ---- life */

static enum status set_up_marker(struct marker *marker, const char *prefix)
{
	TRY(make_id(marker->process));
	TRY(redis_script_init(&marker->script, source));
	TRY(buf_append_text(&marker->key, prefix));
	TRY(buf_append_text(&marker->key, "marker"));
	return timer_make(marker->loop, on_time, marker, &marker->timer);
}

enum status marker_create(struct loop *loop, struct redis *redis, const char *prefix, int state_fd,
			  void (*on_loss)(void *context, const char *what), void *context, struct marker **out_marker)
{
	struct marker *marker = calloc(1, sizeof(*marker));
	if (marker == NULL) {
		if (state_fd >= 0)
			close(state_fd);
		return STATUS_NO_MEMORY;
	}
	*marker = (struct marker){
		.loop = loop, .redis = redis, .state_fd = state_fd, .on_loss = on_loss, .context = context
	};
	buf_init(&marker->key, KEY_MAXIMUM);
	enum status status = set_up_marker(marker, prefix);
	if (status != STATUS_OK) {
		marker_free(&marker);
		return status;
	}
	read_id(marker);
	timer_set(marker->timer, LOOK_MS);
	*out_marker = marker;
	return STATUS_OK;
}

void marker_free(struct marker **marker)
{
	if (*marker == NULL)
		return;
	timer_free(&(*marker)->timer);
	buf_free(&(*marker)->key);
	if ((*marker)->state_fd >= 0)
		close((*marker)->state_fd);
	free(*marker);
	*marker = NULL;
}

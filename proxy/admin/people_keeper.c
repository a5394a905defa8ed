/* Owns the digests of what was ended and is still in the file. One errand at a time is with the thread. */
#include "admin/people_keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/people_file.h"
#include "admin/shelf.h"
#include "base/clock.h"
#include "base/log.h"

#define FILE_NAME "sessions"
#define TICK_MS 1000
#define ERRAND_MS 30000
/* Between two records of when sessions were used; less where they end sooner without use. */
#define USED_MS 60000
/* Of ended sessions that the file still has: with a disk that works they go within a second. */
#define ENDED_MAXIMUM 8192

struct digest {
	unsigned char bytes[HASH_SHA256_SIZE];
};

struct people_keeper {
	struct loop *loop;
	struct jobs *disk;
	int folder;
	const struct config_console *config;
	struct people *people;
	struct digest *ended;
	size_t ended_count;
	struct shelf_mark mark;
	struct timer *timer;
	bool is_urgent; /* something was begun or ended since */
	bool is_under_way;
	bool is_broken; /* as was told */
	uint64_t written_ms;
};

/* One look, or one change of the file. */
struct errand {
	struct job job; /* first */
	int folder;
	bool changes;
	struct people puts; /* copies of sessions that were begun or used */
	struct digest *ended;
	size_t ended_count;
	/* what came of it */
	enum status status;
	int error;
	bool is_read;
	size_t strange;
	struct people found;
	struct shelf_mark mark;
};

/* ---- on the thread */

static struct people_clock read_clock(void)
{
	return (struct people_clock){ clock_monotonic_ms(), clock_wall_us() / 1000 };
}

static enum status read_file(struct errand *errand, const struct people_clock *now)
{
	struct buf text BUF_AUTO;
	buf_init(&text, SHELF_FILE_MAXIMUM);
	TRY(shelf_read(errand->folder, FILE_NAME, &text, &errand->mark));
	TRY(people_read(buf_span(&text), now, &errand->found, &errand->strange));
	errand->is_read = true;
	return STATUS_OK;
}

/* One that the file had, and has no more, was ended by another admin: that it was used since does not bring it back. */
static enum status put_person(struct errand *errand, const struct person *person, const struct people_clock *now)
{
	struct person *there = people_find_digest(&errand->found, person->digest, now->monotonic_ms);
	if (there == NULL && person->is_kept)
		return STATUS_OK;
	if (there == NULL)
		return people_put(&errand->found, person, now->monotonic_ms);
	if (now->monotonic_ms - person->used_ms < now->monotonic_ms - there->used_ms)
		there->used_ms = person->used_ms;
	return STATUS_OK;
}

static enum status change_file(struct errand *errand)
{
	struct buf text BUF_AUTO;
	const struct people_clock now = read_clock();
	buf_init(&text, SHELF_FILE_MAXIMUM);
	enum status status = read_file(errand, &now);
	if (status != STATUS_OK && status != STATUS_INVALID) /* another version's: it begins anew */
		return status;
	for (const struct person *person = errand->puts.first; person; person = person->next)
		TRY(put_person(errand, person, &now));
	for (size_t i = 0; i < errand->ended_count; i++) {
		struct person *person = people_find_digest(&errand->found, errand->ended[i].bytes, now.monotonic_ms);
		if (person)
			people_end(&errand->found, person);
	}
	errand->is_read = false; /* not before it is on the disk */
	TRY(people_write(&errand->found, &now, &text));
	TRY(shelf_replace(errand->folder, FILE_NAME, buf_span(&text), &errand->mark));
	errand->is_read = true;
	return STATUS_OK;
}

static enum status change_under_lock(struct errand *errand)
{
	int lock = -1;
	TRY(shelf_lock(errand->folder, FILE_NAME, &lock));
	enum status status = change_file(errand);
	int error = errno;
	shelf_unlock(lock);
	errno = error;
	return status;
}

static enum status look_at_file(struct errand *errand)
{
	struct shelf_mark now;
	const struct people_clock clock = read_clock();
	TRY(shelf_look(errand->folder, FILE_NAME, &now));
	return shelf_same(&now, &errand->mark) ? STATUS_OK : read_file(errand, &clock);
}

static void run_errand(struct job *job, void *local)
{
	struct errand *errand = (struct errand *)job;
	(void)local;
	errand->status = errand->changes ? change_under_lock(errand) : look_at_file(errand);
	errand->error = errno;
}

/* ---- errands */

static void destroy_errand(struct job *job)
{
	struct errand *errand = (struct errand *)job;
	people_end_all(&errand->puts);
	people_end_all(&errand->found);
	free(errand->ended);
	free(errand);
}

static struct errand *make_errand(const struct people_keeper *keeper)
{
	struct errand *errand = calloc(1, sizeof(*errand));
	if (errand == NULL)
		return NULL;
	errand->job = (struct job){ .run = run_errand, .destroy = destroy_errand };
	errand->folder = keeper->folder;
	errand->mark = keeper->mark;
	errand->puts.session_limit_ms = errand->found.session_limit_ms = keeper->people->session_limit_ms;
	errand->puts.idle_limit_ms = errand->found.idle_limit_ms = keeper->people->idle_limit_ms;
	return errand;
}

/* What the file does not say yet. */
static enum status fill_errand(struct people_keeper *keeper, struct errand *errand, uint64_t now_ms)
{
	errand->changes = true;
	for (const struct person *person = keeper->people->first; person; person = person->next)
		if (person->is_dirty && !person->is_fleeting)
			TRY(people_put(&errand->puts, person, now_ms));
	if (keeper->ended_count) {
		errand->ended = calloc(keeper->ended_count, sizeof(*errand->ended));
		if (errand->ended == NULL)
			return STATUS_NO_MEMORY;
		memcpy(errand->ended, keeper->ended, keeper->ended_count * sizeof(*errand->ended));
		errand->ended_count = keeper->ended_count;
	}
	for (struct person *person = keeper->people->first; person; person = person->next)
		person->is_dirty = false;
	return STATUS_OK;
}

/* ---- what comes back */

static bool is_ended(const struct people_keeper *keeper, const struct person *person)
{
	for (size_t i = 0; i < keeper->ended_count; i++)
		if (memcmp(keeper->ended[i].bytes, person->digest, sizeof(person->digest)) == 0)
			return true;
	return false;
}

/* Those that it had are gone from the file: another admin ended them. */
static void drop_missing(struct people_keeper *keeper, struct people *found, uint64_t now_ms)
{
	struct person *next = NULL;
	for (struct person *person = keeper->people->first; person; person = next) {
		next = person->next;
		if (!person->is_kept || people_find_digest(found, person->digest, now_ms))
			continue;
		log_info("a session of %s at the console was ended elsewhere", person->user);
		people_end(keeper->people, person);
	}
}

/* One of another process: its role is what this configuration gives to its user. */
static void adopt_person(const struct people_keeper *keeper, const struct person *found, uint64_t now_ms)
{
	struct person person = *found;
	const struct codec_list groups = { { person.groups, person.groups_size } };
	person.is_kept = true;
	person.is_dirty = false;
	person.asked_ms = person.begun_ms;
	if (access_find_role(keeper->config, span_of(person.user), groups, &person.role) != STATUS_OK ||
	    people_put(keeper->people, &person, now_ms) != STATUS_OK)
		log_warning("a session at the console is not taken over: out of memory");
}

static void merge_found(struct people_keeper *keeper, struct people *found)
{
	uint64_t now_ms = clock_monotonic_ms();
	drop_missing(keeper, found, now_ms);
	for (struct person *person = found->first; person; person = person->next) {
		struct person *own = people_find_digest(keeper->people, person->digest, now_ms);
		if (own == NULL && !is_ended(keeper, person))
			adopt_person(keeper, person, now_ms);
		if (own == NULL)
			continue;
		own->is_kept = true;
		if (now_ms - person->used_ms < now_ms - own->used_ms)
			own->used_ms = person->used_ms;
	}
}

static void forget_ended(struct people_keeper *keeper, const struct errand *errand)
{
	/* New ones were added after those that the errand took along. */
	size_t done = errand->ended_count;
	keeper->ended_count -= done;
	if (keeper->ended_count > 0)
		memmove(keeper->ended, keeper->ended + done, keeper->ended_count * sizeof(*keeper->ended));
}

static void note_failure(struct people_keeper *keeper, const struct errand *errand, enum status status)
{
	if (!keeper->is_broken)
		log_error("the console's sessions can't be kept: %s; they end with this process",
			  status == STATUS_SYSTEM ? strerror(errand->error) : status_text(status));
	keeper->is_broken = true;
}

/* Of a change that failed: it is tried again. */
static void mark_unwritten(struct people_keeper *keeper, const struct errand *errand)
{
	for (const struct person *person = errand->puts.first; person; person = person->next) {
		struct person *own = people_find_digest(keeper->people, person->digest, clock_monotonic_ms());
		if (own)
			own->is_dirty = true;
	}
	keeper->is_urgent = true;
}

static void settle_errand(struct people_keeper *keeper, struct errand *errand, enum status status)
{
	if (status != STATUS_OK) {
		note_failure(keeper, errand, status);
		if (errand->changes)
			mark_unwritten(keeper, errand);
		return;
	}
	if (errand->strange)
		log_warning("%zu of the console's sessions can't be read, and are dropped", errand->strange);
	keeper->is_broken = false;
	if (errand->is_read) {
		keeper->mark = errand->mark;
		merge_found(keeper, &errand->found);
	}
	if (errand->changes)
		forget_ended(keeper, errand);
}

/* ---- on the loop */

static bool has_news(const struct people_keeper *keeper)
{
	uint64_t limit_ms = keeper->people->idle_limit_ms / 2;
	limit_ms = limit_ms < USED_MS ? limit_ms : USED_MS;
	if (keeper->is_urgent || keeper->ended_count)
		return true;
	for (const struct person *person = keeper->people->first; person; person = person->next) {
		if (person->is_dirty && !person->is_fleeting &&
		    (!person->is_kept || loop_now_ms(keeper->loop) - keeper->written_ms >= limit_ms))
			return true;
	}
	return false;
}

static void on_done(void *context, struct job *job, enum status status)
{
	struct people_keeper *keeper = context;
	struct errand *errand = (struct errand *)job;
	keeper->is_under_way = false;
	if (status == STATUS_OK) {
		settle_errand(keeper, errand, errand->status);
	} else { /* nothing of it may be looked at: whatever it was to write is written anew */
		note_failure(keeper, &(struct errand){ 0 }, status);
		for (struct person *person = keeper->people->first; person; person = person->next)
			person->is_dirty = true;
	}
}

static void send_errand(void *context)
{
	struct people_keeper *keeper = context;
	struct errand *errand = keeper->is_under_way ? NULL : make_errand(keeper);
	timer_set(keeper->timer, TICK_MS);
	if (errand == NULL)
		return;
	errand->job.on_done = on_done;
	errand->job.context = keeper;
	enum status status = STATUS_OK;
	if (has_news(keeper)) {
		status = fill_errand(keeper, errand, loop_now_ms(keeper->loop));
		keeper->written_ms = loop_now_ms(keeper->loop);
		keeper->is_urgent = false;
	}
	if (status == STATUS_OK)
		status = jobs_submit(keeper->disk, &errand->job, ERRAND_MS);
	keeper->is_under_way = status == STATUS_OK;
	if (status == STATUS_OK)
		return;
	mark_unwritten(keeper, errand);
	destroy_errand(&errand->job);
}

static void note_end(void *context, const struct person *person)
{
	struct people_keeper *keeper = context;
	if (person->is_fleeting)
		return;
	struct digest *ended = keeper->ended_count < ENDED_MAXIMUM
				       ? realloc(keeper->ended, (keeper->ended_count + 1) * sizeof(*ended))
				       : NULL;
	if (ended == NULL) {
		log_error("that a session of %s ended is not kept: the next admin process may take it up again",
			  person->user);
		return;
	}
	keeper->ended = ended;
	memcpy(ended[keeper->ended_count++].bytes, person->digest, sizeof(person->digest));
}

/* ---- life */

static enum status read_first(struct people_keeper *keeper)
{
	struct errand *errand = make_errand(keeper);
	if (errand == NULL)
		return STATUS_NO_MEMORY;
	const struct people_clock now = read_clock();
	errand->status = read_file(errand, &now);
	errand->error = errno;
	settle_errand(keeper, errand, errand->status);
	destroy_errand(&errand->job);
	return STATUS_OK;
}

enum status people_keeper_create(struct loop *loop, struct jobs *disk, int folder, const struct config_console *config,
				 struct people *people, struct people_keeper **out_keeper)
{
	struct people_keeper *keeper = calloc(1, sizeof(*keeper));
	if (keeper == NULL)
		return STATUS_NO_MEMORY;
	*keeper = (struct people_keeper){
		.loop = loop, .disk = disk, .folder = folder, .config = config, .people = people
	};
	enum status status = timer_make(loop, send_errand, keeper, &keeper->timer);
	if (status == STATUS_OK)
		status = read_first(keeper);
	if (status != STATUS_OK) {
		people_keeper_free(&keeper, false);
		return status;
	}
	people->on_end = note_end;
	people->context = keeper;
	timer_set(keeper->timer, TICK_MS);
	*out_keeper = keeper;
	return STATUS_OK;
}

static void write_last(struct people_keeper *keeper)
{
	struct errand *errand = make_errand(keeper);
	if (errand == NULL)
		return;
	if (fill_errand(keeper, errand, clock_monotonic_ms()) == STATUS_OK && change_under_lock(errand) != STATUS_OK)
		log_warning("the console's latest sessions are not kept");
	destroy_errand(&errand->job);
}

void people_keeper_free(struct people_keeper **keeper, bool writes)
{
	if (*keeper == NULL)
		return;
	if (writes)
		write_last(*keeper);
	(*keeper)->people->on_end = NULL;
	timer_free(&(*keeper)->timer);
	free((*keeper)->ended);
	free(*keeper);
	*keeper = NULL;
}

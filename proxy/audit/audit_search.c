/* Owns the thread, copies of the files' descriptors, and what was found until it is written. */
#include "audit/audit_search.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/thread.h"
#include "stats/life.h"

#define STACK_SIZE (256U << 10) /* bytes */

struct audit_search {
	struct audit *audit;
	audit_search_submit *submit;
	struct audit_journal *journal;
	struct audit_place *places;
	size_t place_count;
	struct audit_files files;
	struct wakeup *wakeup;
	pthread_t thread;
	bool is_running; /* the thread is to be joined */
	atomic_bool stop;
	/* The thread's, until it sends the wakeup; then the loop's. */
	enum status result;
	json_t *found;    /* a list of records */
	size_t unwritten; /* of them */
	bool has_failed;  /* one of them was not written */
};

enum status audit_search_create(struct audit *audit, audit_search_submit *submit, struct audit_search **out_search)
{
	struct audit_search *search = calloc(1, sizeof(*search));
	if (search == NULL)
		return STATUS_NO_MEMORY;
	search->audit = audit;
	search->submit = submit;
	*out_search = search;
	return STATUS_OK;
}

enum status audit_search_add(struct audit_search *search, const struct audit_place *place)
{
	struct audit_place *places = reallocarray(search->places, search->place_count + 1, sizeof(*places));
	if (places == NULL)
		return STATUS_NO_MEMORY;
	search->places = places;
	places[search->place_count++] = *place;
	return STATUS_OK;
}

/* ---- the thread */

static enum status keep_found(void *context, json_t *record)
{
	struct audit_search *search = context;
	return json_array_append(search->found, record) == 0 ? STATUS_OK : STATUS_NO_MEMORY;
}

static void *search_files(void *context)
{
	struct audit_search *search = context;
	struct life_thread *sign = life_join(LIFE_SEARCH);
	search->files.sign = sign;
	search->result = audit_orphans_find_in_all(&search->files, search->places, search->place_count, &search->stop,
						   keep_found, search);
	life_leave(sign);
	wakeup_send(search->wakeup);
	return NULL;
}

/* ---- the loop */

/* All is said of them. */
static void bury_if_written(struct audit_search *search)
{
	if (search->unwritten == 0 && !search->has_failed && search->result == STATUS_OK &&
	    audit_journal_bury(search->journal) != STATUS_OK)
		search->has_failed = true;
}

static void note_written(void *context, enum status written)
{
	struct audit_search *search = context;
	search->unwritten--;
	search->has_failed |= written != STATUS_OK;
	bury_if_written(search);
}

static enum status submit_unknown(void *context, const struct audit_event *event)
{
	struct audit_search *search = context;
	TRY(search->submit(search->audit, event, note_written, search));
	search->unwritten++;
	return STATUS_OK;
}

static void take_found(void *context)
{
	struct audit_search *search = context;
	size_t index;
	json_t *record;
	if (!search->is_running)
		return;
	pthread_join(search->thread, NULL);
	search->is_running = false;
	json_array_foreach(search->found, index, record)
	{
		if (audit_orphan_close(record, submit_unknown, search) != STATUS_OK)
			search->has_failed = true;
	}
	bury_if_written(search);
}

static enum status copy_files(struct audit_search *search, const int *fds, size_t fd_count)
{
	search->files.list = calloc(fd_count, sizeof(*search->files.list));
	if (search->files.list == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < fd_count; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return STATUS_SYSTEM;
		search->files.list[search->files.count++].fd = fd;
	}
	return STATUS_OK;
}

enum status audit_search_start(struct audit_search *search, struct loop *loop, struct audit_journal *journal,
			       const int *fds, size_t fd_count)
{
	search->journal = journal;
	search->found = json_array();
	if (search->found == NULL)
		return STATUS_NO_MEMORY;
	TRY(copy_files(search, fds, fd_count));
	TRY(wakeup_create(loop, take_found, search, &search->wakeup));
	TRY(thread_start("audit-search", STACK_SIZE, search_files, search, &search->thread));
	search->is_running = true;
	return STATUS_OK;
}

void audit_search_free(struct audit_search **search_at)
{
	struct audit_search *search = *search_at;
	if (search == NULL)
		return;
	search->stop = true;
	if (search->is_running)
		pthread_join(search->thread, NULL);
	wakeup_free(&search->wakeup);
	audit_files_close(&search->files);
	json_decref(search->found);
	free(search->places);
	free(search);
	*search_at = NULL;
}

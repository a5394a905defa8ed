/* Rounds over the folder, each from the oldest file to the newest. Owns the list of what was left. */
#include "supervise/audit_tidier.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define DELETE_MS 600000  /* between two files: a clock that is wrong for a while costs few of them */
#define AGAIN_MS 3600000  /* before a file is tried again: to find that it can't be packed may take minutes */
#define LEFT_MAXIMUM 256U /* files of one job; once so many are left, the job rests */

enum tidier_job { TIDIER_PACK, TIDIER_DELETE, TIDIER_JOBS }; /* in the order of the metric's labels */

static const char *const job_words[TIDIER_JOBS] = { "packed", "deleted" };

/* What can't be packed, or deleted. */
struct left_files {
	struct left_file {
		char name[ARCHIVE_NAME_SIZE];
		uint64_t again_ms; /* of the monotonic clock: when it is tried again */
		bool is_met;       /* in this round */
	} list[LEFT_MAXIMUM];
	size_t count;
};

struct audit_tidier {
	struct audit_tidier_options options;
	struct left_files left[TIDIER_JOBS];
	uint64_t deleted_ms; /* when a file was last deleted; 0: never */
	bool has_complained; /* of what concerns all files */
};

static bool is_told_to_stop(const struct audit_tidier *tidier)
{
	return atomic_load(tidier->options.stop);
}

static void complain_once(struct audit_tidier *tidier, const char *what)
{
	if (!tidier->has_complained && !is_told_to_stop(tidier))
		log_error("audit: earlier files of %s can't be tidied: %s", tidier->options.path, what);
	tidier->has_complained = true;
}

/* ---- files that are left */

static struct left_file *find_left(struct left_files *left, const char *name)
{
	for (size_t i = 0; i < left->count; i++)
		if (strcmp(left->list[i].name, name) == 0)
			return &left->list[i];
	return NULL;
}

static bool is_left(void *context, const char *name)
{
	struct left_file *file = find_left(context, name);
	if (file == NULL)
		return false;
	file->is_met = true;
	return clock_monotonic_ms() < file->again_ms;
}

static void leave_file(struct left_files *left, const char *name, const char *word, const char *reason)
{
	struct left_file *file = find_left(left, name);
	if (file == NULL) {
		log_error("audit: %s can't be %s, and is left as it is: %s", name, word, reason);
		file = &left->list[left->count++];
		snprintf(file->name, sizeof(file->name), "%s", name);
	}
	file->is_met = true;
	file->again_ms = clock_monotonic_ms() + AGAIN_MS;
}

/* Whoever was told of it took it away, or made it right. */
static void forget_mended(struct left_files *left)
{
	size_t kept = 0;
	for (size_t i = 0; i < left->count; i++)
		if (left->list[i].is_met)
			left->list[kept++] = left->list[i];
	left->count = kept;
}

static void forget_file(struct left_files *left, const char *name)
{
	struct left_file *file = find_left(left, name);
	if (file)
		*file = left->list[--left->count];
}

/* ---- rounds */

static bool is_of_all_files(enum status status, const char *name)
{
	return name[0] == '\0' || status != STATUS_SYSTEM || errno == ENOSPC || errno == EDQUOT || errno == EROFS ||
	       errno == EMFILE || errno == ENFILE;
}

/* True: the next file may be tried. */
static bool take_failure(struct audit_tidier *tidier, enum tidier_job job, enum status status, const char *name)
{
	const char *reason = status != STATUS_SYSTEM ? status_text(status)
			     : errno == EINVAL       ? "it is no regular file"
						     : strerror(errno);
	if (is_of_all_files(status, name)) {
		complain_once(tidier, reason);
		return false;
	}
	if (tidier->left[job].count == LEFT_MAXIMUM && find_left(&tidier->left[job], name) == NULL) {
		complain_once(tidier, "too many of them");
		return false;
	}
	leave_file(&tidier->left[job], name, job_words[job], reason);
	return true;
}

/* True: all files were looked at. */
static bool pack_files(struct audit_tidier *tidier, const struct archive_work *work)
{
	char name[ARCHIVE_NAME_SIZE];
	enum status status;
	do {
		status = archive_pack_one(tidier->options.path, &tidier->options.policy, work, name);
		if (status == STATUS_END || status == STATUS_REFUSED)
			return status == STATUS_END;
		if (status == STATUS_OK) {
			log_info("audit: %s is packed", name);
			forget_file(&tidier->left[TIDIER_PACK], name);
			tidier->has_complained = false;
		}
	} while (status == STATUS_OK || take_failure(tidier, TIDIER_PACK, status, name));
	return false;
}

static bool delete_file(struct audit_tidier *tidier, const struct archive_work *work)
{
	char name[ARCHIVE_NAME_SIZE];
	uint64_t now = clock_monotonic_ms();
	enum status status;
	if (tidier->deleted_ms && now - tidier->deleted_ms < DELETE_MS)
		return false;
	do
		status = archive_delete_one(tidier->options.path, &tidier->options.policy, clock_wall_us() / 1000000,
					    work, name);
	while (status != STATUS_OK && status != STATUS_END && !is_told_to_stop(tidier) &&
	       take_failure(tidier, TIDIER_DELETE, status, name));
	if (status != STATUS_OK)
		return status == STATUS_END;
	tidier->deleted_ms = now;
	forget_file(&tidier->left[TIDIER_DELETE], name);
	log_info("audit: %s is older than is kept, and was deleted", name);
	return true;
}

static void do_job(struct audit_tidier *tidier, enum tidier_job job,
		   bool (*run)(struct audit_tidier *tidier, const struct archive_work *work))
{
	struct left_files *left = &tidier->left[job];
	const struct archive_work work = {
		.stop = tidier->options.stop,
		.sign = tidier->options.sign,
		.is_left = is_left,
		.context = left,
	};
	for (size_t i = 0; i < left->count; i++)
		left->list[i].is_met = false;
	if (run(tidier, &work))
		forget_mended(left);
	if (tidier->options.stats && !is_told_to_stop(tidier))
		stats_set(tidier->options.stats, COUNTER_AUDIT_FILES_LEFT, job, left->count);
}

void audit_tidier_run(struct audit_tidier *tidier)
{
	do_job(tidier, TIDIER_PACK, pack_files);
	do_job(tidier, TIDIER_DELETE, delete_file);
}

enum status audit_tidier_create(const struct audit_tidier_options *options, struct audit_tidier **out_tidier)
{
	struct audit_tidier *tidier = calloc(1, sizeof(*tidier));
	if (tidier == NULL)
		return STATUS_NO_MEMORY;
	tidier->options = *options;
	*out_tidier = tidier;
	return STATUS_OK;
}

void audit_tidier_free(struct audit_tidier **tidier)
{
	free(*tidier);
	*tidier = NULL;
}

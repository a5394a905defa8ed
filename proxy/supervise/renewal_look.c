/*
 * Knows the files by the digests of what they hold: what is in force, what was offered, what was told to be wrong. Each
 * of these is one digest over all files, as a certificate and its key are changed one after the other.
 */
#include "supervise/renewal_look.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "supervise/certificates.h"
#include "supervise/memory_file.h"
#include "supervise/path_watch.h"
#include "supervise/secrets.h"

#define POLL_MS 60000     /* for file systems that inotify is told nothing of */
#define QUIET_MS 1000     /* from a change to the look: others follow at once */
#define SETTLE_MS 5000    /* that what is wrong stays so before it is told */
#define STEP_MS 1000      /* between two looks while it settles */
#define AGAIN_MS 2000     /* one more look after a change, as a clock of files has steps */
#define REOFFER_MS 600000 /* of what was offered and came to nothing */

struct digest {
	unsigned char bytes[HASH_SHA256_SIZE];
};

/* What stat(2) tells of a file; zeroed: nothing. */
struct signature {
	dev_t device;
	ino_t inode;
	off_t size;
	mode_t mode;
	struct timespec modified, changed;
};

struct renewal_files {
	struct secret_files list;
	struct digest *known; /* of each file, as it is in force */
	struct signature *signatures;
	struct digest in_force, last, told, offered; /* of all together; zeroed: none */
	uint64_t last_ms;                            /* since when it is the last */
	uint64_t offered_ms;
	uint64_t next_ms; /* when to look again */
	bool rereads;     /* even if no signature has changed */
	int watch;        /* of path_watch.h */
};

/* What a look has read. */
struct reading {
	struct secret *contents;
	struct digest *digests;
	struct digest all;
	char *faults;
	size_t faults_size;
	enum status status;
};

/* ---- digests */

static bool digests_are_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Of all files, and of the faults in reading them. */
static enum status join_digests(const struct digest *digests, size_t count, struct span faults, struct digest *out_all)
{
	struct digest *row = calloc(count + 1, sizeof(*row));
	if (row == NULL)
		return STATUS_NO_MEMORY;
	if (count)
		memcpy(row, digests, count * sizeof(*row));
	enum status status = hash_sha256(faults, row[count].bytes);
	if (status == STATUS_OK)
		status = hash_sha256((struct span){ (char *)row, (count + 1) * sizeof(*row) }, out_all->bytes);
	free(row);
	return status;
}

/* ---- beginning and end */

static enum status digest_opened(struct renewal_files *files, const struct handover *opened)
{
	for (size_t i = 0; i < files->list.count; i++) {
		struct secret content SECRET_AUTO = { 0 };
		TRY(secret_from_fd(handover_find(opened, files->list.items[i].name), &content));
		TRY(hash_sha256(secret_reveal(&content), files->known[i].bytes));
	}
	return join_digests(files->known, files->list.count, SPAN(""), &files->in_force);
}

enum status renewal_files_create(const struct config *config, const struct handover *opened,
				 struct renewal_files **out_files)
{
	struct renewal_files *files = calloc(1, sizeof(*files));
	if (files == NULL)
		return STATUS_NO_MEMORY;
	files->rereads = true;
	files->watch = path_watch_open();
	enum status status = secret_files_list(config, true, &files->list);
	files->known = calloc(files->list.count + 1, sizeof(*files->known));
	files->signatures = calloc(files->list.count + 1, sizeof(*files->signatures));
	if (status == STATUS_OK && (files->known == NULL || files->signatures == NULL))
		status = STATUS_NO_MEMORY;
	if (status == STATUS_OK)
		status = digest_opened(files, opened);
	if (status == STATUS_OK)
		*out_files = files;
	else
		renewal_files_free(&files);
	return status;
}

void renewal_files_free(struct renewal_files **files_at)
{
	struct renewal_files *files = *files_at;
	if (files == NULL)
		return;
	*files_at = NULL;
	if (files->watch >= 0)
		close(files->watch);
	secret_files_free(&files->list);
	free(files->known);
	free(files->signatures);
	free(files);
}

/* ---- waiting */

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };
	return poll(&one, 1, timeout_ms) > 0;
}

static void silence_bell(int bell)
{
	uint64_t count;
	(void)!read(bell, &count, sizeof(count));
}

static void watch_paths(const struct renewal_files *files)
{
	for (size_t i = 0; files->watch >= 0 && i < files->list.count; i++)
		path_watch_add(files->watch, files->list.items[i].path);
}

static int time_left(const struct renewal_files *files)
{
	uint64_t now_ms = clock_monotonic_ms();
	return files->next_ms > now_ms ? (int)(files->next_ms - now_ms) : 0;
}

/* False: the bell rang. */
static bool wait_for_change(struct renewal_files *files, int bell)
{
	struct pollfd both[] = { { .fd = bell, .events = POLLIN },
				 { .fd = files ? files->watch : -1, .events = POLLIN } };
	(void)poll(both, 2, files ? time_left(files) : -1);
	bool rang = both[0].revents != 0;
	if (!rang && both[1].revents) {
		files->rereads = true;
		rang = is_readable(bell, QUIET_MS);
	}
	if (rang)
		silence_bell(bell);
	return !rang;
}

/* ---- reading */

static void sign_file(const char *path, struct signature *out_signature)
{
	struct stat info;
	*out_signature = (struct signature){ 0 };
	if (stat(path, &info) == 0)
		*out_signature = (struct signature){ info.st_dev,  info.st_ino,  info.st_size,
						     info.st_mode, info.st_mtim, info.st_ctim };
}

static bool signatures_are_equal(const struct signature *a, const struct signature *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size && a->mode == b->mode &&
	       a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Whether any file is another one than at the last look. */
static bool sign_files(struct renewal_files *files)
{
	bool has_changed = false;
	for (size_t i = 0; i < files->list.count; i++) {
		struct signature now;
		sign_file(files->list.items[i].path, &now);
		has_changed = has_changed || !signatures_are_equal(&now, &files->signatures[i]);
		files->signatures[i] = now;
	}
	return has_changed;
}

static void free_reading(const struct renewal_files *files, struct reading *reading)
{
	for (size_t i = 0; reading->contents && i < files->list.count; i++)
		secret_wipe(&reading->contents[i]);
	free(reading->contents);
	free(reading->digests);
	free(reading->faults);
}

static enum status read_contents(const struct renewal_files *files, struct reading *reading, FILE *faults)
{
	enum status worst = STATUS_OK;
	for (size_t i = 0; i < files->list.count; i++) {
		struct secret *content = &reading->contents[i];
		enum status status = secret_file_read(&files->list, &files->list.items[i], faults, content);
		if (status != STATUS_OK)
			secret_wipe(content);
		worst = worst == STATUS_OK ? status : worst;
		TRY(hash_sha256(secret_reveal(content), reading->digests[i].bytes));
	}
	return worst;
}

/* False: out of memory, so nothing was read. */
static bool read_files(const struct renewal_files *files, struct reading *reading)
{
	FILE *faults = open_memstream(&reading->faults, &reading->faults_size);
	reading->contents = calloc(files->list.count + 1, sizeof(*reading->contents));
	reading->digests = calloc(files->list.count + 1, sizeof(*reading->digests));
	if (faults == NULL || reading->contents == NULL || reading->digests == NULL) {
		if (faults)
			fclose(faults);
		return false;
	}
	reading->status = read_contents(files, reading, faults);
	fflush(faults);
	struct span told = { reading->faults, reading->faults_size };
	bool is_joined = join_digests(reading->digests, files->list.count, told, &reading->all) == STATUS_OK;
	enum status checked = certificates_check(&files->list, reading->contents, faults); /* of those that were read */
	if (reading->status == STATUS_OK)
		reading->status = checked;
	fclose(faults);
	return is_joined;
}

/* ---- what comes of it */

static void tell_faults(const struct reading *reading)
{
	struct span rest = { reading->faults, reading->faults_size }, line;
	while (span_cut(&rest, '\n', &line))
		if (line.size)
			log_error("certificates: %.*s", SPAN_ARGS(line));
	log_error("certificates: what was read before stays in use, until the files change again");
}

/* Wrong files may be on their way to be right. */
static void take_wrong(struct renewal_files *files, const struct reading *reading, uint64_t now_ms)
{
	if (digests_are_equal(&reading->all, &files->told))
		return;
	if (now_ms - files->last_ms < SETTLE_MS) {
		files->rereads = true;
		files->next_ms = now_ms + STEP_MS;
		return;
	}
	tell_faults(reading);
	files->told = reading->all;
}

static void tell_changed(const struct renewal_files *files, const struct reading *reading)
{
	for (size_t i = 0; i < files->list.count; i++)
		if (!digests_are_equal(&reading->digests[i], &files->known[i]))
			log_info("certificates: %s has changed: %s", files->list.items[i].label,
				 files->list.items[i].path);
}

static bool take_right(struct renewal_files *files, const struct reading *reading, uint64_t now_ms,
		       struct handover *out_found)
{
	struct handover found = { 0 };
	bool was_offered = digests_are_equal(&reading->all, &files->offered);
	if (was_offered && now_ms - files->offered_ms < REOFFER_MS)
		return false;
	for (size_t i = 0; i < files->list.count; i++) {
		int fd = -1;
		if (memory_file_seal("secret", secret_reveal(&reading->contents[i]), &fd) != STATUS_OK ||
		    handover_give(&found, files->list.items[i].roles, fd, "%s", files->list.items[i].name) !=
			    STATUS_OK) {
			log_error("certificates: the changed files can't be handed over");
			handover_close(&found);
			return false;
		}
	}
	tell_changed(files, reading);
	files->offered = reading->all;
	files->offered_ms = now_ms;
	*out_found = found;
	return true;
}

static bool take_reading(struct renewal_files *files, const struct reading *reading, uint64_t now_ms,
			 struct handover *out_found)
{
	if (digests_are_equal(&reading->all, &files->in_force)) {
		files->told = files->offered = (struct digest){ 0 };
		return false;
	}
	if (!digests_are_equal(&reading->all, &files->last)) {
		files->last = reading->all;
		files->last_ms = now_ms;
	}
	if (reading->status == STATUS_OK)
		return take_right(files, reading, now_ms, out_found);
	take_wrong(files, reading, now_ms);
	return false;
}

bool renewal_files_look(struct renewal_files *files, int bell, struct handover *out_found)
{
	struct reading reading = { 0 };
	if (!wait_for_change(files, bell))
		return false;
	uint64_t now_ms = clock_monotonic_ms();
	bool is_due = files->offered_ms && now_ms - files->offered_ms >= REOFFER_MS;
	bool rereads = files->rereads || is_due;
	files->rereads = false;
	if (files->watch >= 0)
		path_watch_drain(files->watch);
	watch_paths(files);
	bool has_changed = sign_files(files);
	files->rereads = has_changed; /* once more */
	files->next_ms = now_ms + (has_changed ? AGAIN_MS : POLL_MS);
	if (!has_changed && !rereads)
		return false;
	bool found = read_files(files, &reading) && take_reading(files, &reading, now_ms, out_found);
	free_reading(files, &reading);
	return found;
}

/*
 * The thread owns all but the wakeup until it has ended. It gives no signs of life: if a disk keeps it waiting, whoever
 * asked hears nothing, and mail goes on; no role is to be replaced for that.
 */
#include "relay/recent.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "audit/reader/lines.h"
#include "audit/reader/query.h"
#include "audit/reader/record.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/thread.h"

#define STACK_SIZE (512U << 10) /* bytes */
/*
 * Bytes, passed over or read: a fraction of a second, where the disk need not be asked; of what everybody may ask for,
 * tens of ms.
 */
#define READ_MAXIMUM (UINT64_C(128) << 20)
#define READ_OUTCOMES_MAXIMUM (UINT64_C(16) << 20)
#define READ_LEAST READ_OUTCOMES_MAXIMUM    /* however long it takes: who goes on from there must get somewhere */
#define READ_UNTIMED (UINT64_C(64) << 10)   /* between two looks at the clock */
#define FOUND_MAXIMUM (UINT64_C(512) << 10) /* bytes of lines: as JSON they fit into a frame */
#define FRAME_BYTES 128                     /* of an answer, beside its records */
#define OLDER_SIZE 48                       /* two numbers */
#define LIMIT_OTHERWISE 50
#define LIMIT_MAXIMUM 500
#define PRIORITY 10 /* of nice(1): where mail has use for all cores, a search has a tenth of one */

struct recent {
	struct recent_options options;
	json_t *request; /* the query's texts are its own */
	struct query query;
	int *fds;
	size_t at;              /* the file that is read, of those up to options.count */
	uint64_t end;           /* in the first of them, as another search left it; UINT64_MAX: the whole */
	char older[OLDER_SIZE]; /* where this one ended; "": at the end */
	uint64_t limit, read, found, found_bytes;
	uint64_t until_ms; /* 0: no limit */
	uint64_t timed_at; /* of what is read: when the clock was looked at last */
	struct buf answer; /* its records as they stand in the file, so that the loop need not write them anew */
	bool has_more;
	struct wakeup *wakeup;
	pthread_t thread;
	bool has_thread;
	atomic_bool is_ending;
	enum status status;
};

/* ---- records */

static bool wants_outcomes(const struct query *query, struct span ts, struct span type)
{
	(void)query;
	(void)ts;
	return span_starts_with(type, SPAN("message.")) && !span_equal(type, SPAN("message.leaving"));
}

/* What leaves and what proves the audit are steps of a kind that is only of use to those who ask for it. */
static bool wants_all(const struct query *query, struct span ts, struct span type)
{
	(void)ts;
	if (query->by[QUERY_BY_RESULT].text || query->by[QUERY_BY_ID].text)
		return true;
	return !span_equal(type, SPAN("message.leaving")) && !span_starts_with(type, SPAN("audit."));
}

/* STATUS_REFUSED: that is enough. */
static enum status add_record(struct recent *recent, struct span line)
{
	if (line.size > FOUND_MAXIMUM) { /* it fits into no answer */
		recent->has_more = true;
		return STATUS_OK;
	}
	if (recent->found == recent->limit || recent->found_bytes + line.size > FOUND_MAXIMUM)
		return STATUS_REFUSED;
	if (recent->found++ > 0)
		TRY(buf_append_byte(&recent->answer, ','));
	recent->found_bytes += line.size;
	return buf_append(&recent->answer, line);
}

static uint64_t read_maximum(const struct recent *recent)
{
	return recent->options.only_outcomes ? READ_OUTCOMES_MAXIMUM : READ_MAXIMUM;
}

static bool is_late(struct recent *recent)
{
	if (recent->until_ms == 0 || recent->read < READ_LEAST || recent->read - recent->timed_at < READ_UNTIMED)
		return false;
	recent->timed_at = recent->read;
	return clock_monotonic_ms() >= recent->until_ms;
}

/* STATUS_REFUSED: that is enough. What is no record, or is being written, is left out. */
static enum status take_line(struct recent *recent, struct span line)
{
	json_t *record = NULL;
	recent->read += line.size;
	if (recent->read > read_maximum(recent) || is_late(recent))
		return STATUS_REFUSED;
	if (!query_may_match(&recent->query, line))
		return STATUS_OK;
	enum status status = record_parse(line, &record);
	if (status != STATUS_OK)
		return status == STATUS_INVALID ? STATUS_OK : status;
	bool is_wanted = query_matches(&recent->query, record);
	json_decref(record);
	return is_wanted ? add_record(recent, line) : STATUS_OK;
}

static bool is_packed(int fd)
{
	unsigned char magic[2];
	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       ((magic[0] == 0x1f && magic[1] == 0x8b) || (magic[0] == 0x28 && magic[1] == 0xb5));
}

/* The line that did not fit is the first of the next search. A file is known by its inode: names change. */
static void note_end(struct recent *recent, int fd, const struct lines *lines)
{
	struct stat about;
	if (fstat(fd, &about) == 0)
		snprintf(recent->older, sizeof(recent->older), "%llu-%llu", (unsigned long long)about.st_ino,
			 (unsigned long long)lines_end_of_line(lines));
}

/* Blocks of which the outline knows that nothing in them matches; `block` is the one that was read last. */
static void pass_over(struct recent *recent, size_t file, struct lines *lines, uint64_t *block)
{
	uint64_t end = lines_end_of_next(lines), begin = end, at = end / OUTLINE_BLOCK_SIZE;
	if (recent->options.outline == NULL || at == *block)
		return;
	while (begin > 0 && recent->read + (end - begin) <= read_maximum(recent) && !atomic_load(&recent->is_ending) &&
	       outline_lacks(recent->options.outline, file, at, &recent->query)) {
		begin = at * OUTLINE_BLOCK_SIZE;
		at -= at > 0;
	}
	*block = at;
	if (begin == end)
		return;
	recent->read += end - begin;
	lines_go_back(lines, begin);
}

static enum status read_lines(struct recent *recent, size_t file, struct lines *lines)
{
	struct span line;
	uint64_t block = UINT64_MAX;
	enum status status = STATUS_OK;
	while (status == STATUS_OK) {
		pass_over(recent, file, lines, &block);
		TRY(lines_next(lines, &line));
		if (atomic_load(&recent->is_ending))
			return STATUS_OK;
		status = take_line(recent, line);
	}
	return status;
}

static enum status read_file(struct recent *recent, size_t file)
{
	struct lines *lines;
	int fd = recent->fds[file];
	TRY(recent->end == UINT64_MAX ? lines_open_backward(fd, &lines) : lines_open_before(fd, recent->end, &lines));
	recent->end = UINT64_MAX;
	enum status status = read_lines(recent, file, lines);
	if (status == STATUS_REFUSED)
		note_end(recent, fd, lines);
	lines_close(&lines);
	return status == STATUS_END ? STATUS_OK : status;
}

static enum status read_files(struct recent *recent)
{
	for (size_t i = recent->at; i > 0; i--) {
		if (is_packed(recent->fds[i - 1])) {
			recent->has_more = true;
			recent->end = UINT64_MAX; /* it was of this file */
			continue;
		}
		TRY(read_file(recent, i - 1));
	}
	return STATUS_OK;
}

static enum status end_answer(struct recent *recent)
{
	if (!recent->has_more)
		return buf_append(&recent->answer, SPAN("]}"));
	if (recent->older[0] == '\0')
		return buf_append(&recent->answer, SPAN("],\"more\":true}"));
	return buf_printf(&recent->answer, "],\"more\":true,\"older\":\"%s\"}", recent->older);
}

static enum status write_answer(struct recent *recent)
{
	if (recent->options.outline && !outline_helps(&recent->query))
		recent->options.outline = NULL;
	if (recent->options.outline)
		TRY(outline_begin(recent->options.outline, recent->fds, recent->options.count));
	TRY(buf_append(&recent->answer, SPAN("{\"ok\":true,\"records\":[")));
	recent->until_ms = recent->options.limit_ms ? clock_monotonic_ms() + recent->options.limit_ms : 0;
	enum status status = read_files(recent);
	recent->has_more |= status == STATUS_REFUSED;
	if (status != STATUS_REFUSED)
		TRY(status);
	return end_answer(recent);
}

static void *run_recent(void *context)
{
	struct recent *recent = context;
	/* Of this thread alone, as Linux has it. */
	(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), PRIORITY);
	recent->status = write_answer(recent);
	wakeup_send(recent->wakeup);
	return NULL;
}

/* ---- life */

static void end_thread(struct recent *recent)
{
	if (recent->has_thread)
		pthread_join(recent->thread, NULL);
	recent->has_thread = false;
}

static void on_woken(void *context)
{
	struct recent *recent = context;
	if (!recent->has_thread)
		return;
	end_thread(recent);
	recent->options.on_done(recent->options.context, recent->status);
}

struct span recent_answer(const struct recent *recent)
{
	return buf_span(&recent->answer);
}

static enum status copy_fds(struct recent *recent, const int *fds)
{
	size_t count = recent->options.count;
	recent->options.count = 0;
	recent->fds = calloc(count + 1, sizeof(*recent->fds));
	if (recent->fds == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < count; i++) {
		recent->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (recent->fds[i] < 0)
			return STATUS_SYSTEM;
		recent->options.count++;
	}
	return STATUS_OK;
}

/* "INODE-BYTES", as note_end wrote it; a stranger's. STATUS_NOT_FOUND: no file here has this inode any more. */
static enum status find_older(struct recent *recent)
{
	struct span rest = span_of(json_string_value(json_object_get(recent->request, "older"))), inode;
	uint64_t wanted;
	recent->at = recent->options.count;
	recent->end = UINT64_MAX;
	if (span_is_empty(rest))
		return STATUS_OK;
	if (!span_cut(&rest, '-', &inode) || span_to_u64(inode, &wanted) != STATUS_OK ||
	    span_to_u64(rest, &recent->end) != STATUS_OK)
		return STATUS_NOT_FOUND;
	for (; recent->at > 0; recent->at--) {
		struct stat about;
		if (fstat(recent->fds[recent->at - 1], &about) == 0 && about.st_ino == wanted)
			return recent->end <= (uint64_t)about.st_size ? STATUS_OK : STATUS_NOT_FOUND;
	}
	return STATUS_NOT_FOUND;
}

static enum status set_up(struct recent *recent, struct loop *loop, const char **out_fault)
{
	uint64_t limit = (uint64_t)json_integer_value(json_object_get(recent->options.request, "limit"));
	recent->limit = limit == 0 ? LIMIT_OTHERWISE : limit > LIMIT_MAXIMUM ? LIMIT_MAXIMUM : limit;
	recent->request = json_deep_copy(recent->options.request);
	if (recent->request == NULL)
		return STATUS_NO_MEMORY;
	TRY(query_read(recent->request, &recent->query, out_fault));
	recent->query.wants = recent->options.only_outcomes ? wants_outcomes : wants_all;
	TRY(copy_fds(recent, recent->options.fds));
	if (find_older(recent) != STATUS_OK) {
		*out_fault = "what is older is in no file that can be read here";
		return STATUS_INVALID;
	}
	TRY(wakeup_create(loop, on_woken, recent, &recent->wakeup));
	TRY(thread_start("recent", STACK_SIZE, run_recent, recent, &recent->thread));
	recent->has_thread = true;
	return STATUS_OK;
}

enum status recent_start(struct loop *loop, const struct recent_options *options, struct recent **out_recent,
			 const char **out_fault)
{
	struct recent *recent = calloc(1, sizeof(*recent));
	if (recent == NULL)
		return STATUS_NO_MEMORY;
	recent->options = *options;
	buf_init(&recent->answer, FOUND_MAXIMUM + LIMIT_MAXIMUM + FRAME_BYTES);
	enum status status = set_up(recent, loop, out_fault);
	if (status == STATUS_OK)
		*out_recent = recent;
	else
		recent_free(&recent);
	return status;
}

void recent_free(struct recent **recent)
{
	struct recent *ending = *recent;
	if (ending == NULL)
		return;
	*recent = NULL;
	atomic_store(&ending->is_ending, true);
	end_thread(ending);
	wakeup_free(&ending->wakeup);
	for (size_t i = 0; ending->fds && i < ending->options.count; i++)
		close(ending->fds[i]);
	free(ending->fds);
	query_free(&ending->query);
	json_decref(ending->request);
	buf_free(&ending->answer);
	free(ending);
}

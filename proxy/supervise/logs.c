/*
 * Log pipes and their forwarding. Owns the read ends and the target. Takes nothing for granted, as a role that was
 * taken over may write anything into its pipe.
 */
#include "supervise/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ascii.h"

/* Some 2,500 lines of a burst, while the supervisor is busy starting a process. */
#define PIPE_BYTES (256 << 10)
/* Bytes, as in base/log.h. */
#define WHO_ROOM 32
/* Bytes a read: what a role writes at a time. */
#define READ_BYTES 4096U
/* A process that floods its log leaves time for the others. */
#define READS_A_TURN 8
/* The same in a flush: twice what a pipe holds, as a process that goes on writing is not waited for. */
#define READS_A_FLUSH 128
/* Added to what a paced pipe has to wait, so that each pause is worth its wakeup. */
#define PAUSE_EXTRA_MS 100
/* Bytes that a line costs on top of its own: name, time, and a write(2). */
#define LINE_COST 64
/* Between two log lines that say a process logs too much. */
#define PACED_LINE_MS 60000

struct log_pipe {
	struct logs *logs;
	struct log_pipe *next;
	int fd;
	struct watch *watch;
	char who[WHO_ROOM];
	enum log_level foreign;
	const struct pace_limit *limit; /* NULL: none */
	struct pace pace;
	struct timer *timer; /* runs while the pipe is not read; NULL: no limit */
	uint64_t told_ms;    /* when a line last said that it is not; 0: never */
	char text[LOGS_LINE_MAXIMUM + READ_BYTES];
	size_t size; /* bytes of an unfinished line */
};

struct logs {
	struct loop *loop;
	struct log_target *target;
	struct stats *stats;
	struct log_pipe *pipes;
};

/* ---- lines */

static const char *level_name(enum log_level level)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	return names[level];
}

/* Takes these bytes off the beginning. */
static bool skip_bytes(struct span *rest, struct span bytes)
{
	if (!span_starts_with(*rest, bytes))
		return false;
	*rest = span_slice(*rest, bytes.size, rest->size);
	return true;
}

/* "info gate 1: …" in the pipe of gate 1. */
static bool is_own_form(const struct log_pipe *pipe, struct span line)
{
	for (enum log_level level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
		struct span rest = line;
		if (skip_bytes(&rest, span_of(level_name(level))) && skip_bytes(&rest, SPAN(" ")) &&
		    skip_bytes(&rest, span_of(pipe->who)) && skip_bytes(&rest, SPAN(": ")))
			return true;
	}
	return false;
}

static void blank_control_bytes(char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (ascii_is_control(text[i]))
			text[i] = '?';
}

static void charge_pipe(struct log_pipe *pipe, uint64_t bytes)
{
	if (pipe->limit)
		pace_charge(&pipe->pace, pipe->limit, bytes, loop_now_ms(pipe->logs->loop));
}

static void forward_line(struct log_pipe *pipe, char *text, size_t size)
{
	struct span line = { text, size };
	char marked[LOGS_LINE_MAXIMUM + WHO_ROOM + 16];
	if (size == 0)
		return;
	charge_pipe(pipe, LINE_COST);
	blank_control_bytes(text, size);
	if (!is_own_form(pipe, line)) {
		int length = snprintf(marked, sizeof(marked), "%s %s: %.*s", level_name(pipe->foreign), pipe->who,
				      SPAN_ARGS(line));
		line = (struct span){ marked, (size_t)length };
	}
	log_target_put(pipe->logs->target, line);
}

/* Bytes of the line at the front that are to be forwarded: a whole one, or a piece of a longer one; 0: none yet. */
static size_t line_at_front(const char *text, size_t size, size_t *out_taken)
{
	const char *end = memchr(text, '\n', size);
	size_t length = end ? (size_t)(end - text) : size;
	*out_taken = length + 1;
	if (length > LOGS_LINE_MAXIMUM)
		*out_taken = length = LOGS_LINE_MAXIMUM;
	else if (end == NULL)
		*out_taken = length = 0;
	return length;
}

static void forward_lines(struct log_pipe *pipe)
{
	size_t start = 0, taken = 1;
	while (taken > 0) {
		char *text = pipe->text + start;
		size_t length = line_at_front(text, pipe->size - start, &taken);
		forward_line(pipe, text, length);
		start += taken;
	}
	pipe->size -= start;
	memmove(pipe->text, pipe->text + start, pipe->size);
}

/* What was forwarded is with the target. */
static void write_forwarded(struct logs *logs)
{
	stats_add(logs->stats, COUNTER_LOG_DROPPED, 0, log_target_flush(logs->target));
}

/* ---- pipes */

static void drop_pipe(struct log_pipe *pipe)
{
	struct log_pipe **at = &pipe->logs->pipes;
	while (*at != pipe)
		at = &(*at)->next;
	*at = pipe->next;
	forward_line(pipe, pipe->text, pipe->size);
	timer_free(&pipe->timer);
	watch_free(&pipe->watch);
	close(pipe->fd);
	free(pipe);
}

/* STATUS_AGAIN: the pipe is empty now. STATUS_END: it has ended. */
static enum status read_some(struct log_pipe *pipe)
{
	ssize_t got = read(pipe->fd, pipe->text + pipe->size, READ_BYTES);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? STATUS_AGAIN : STATUS_END;
	if (got == 0)
		return STATUS_END;
	pipe->size += (size_t)got;
	charge_pipe(pipe, (uint64_t)got);
	forward_lines(pipe);
	return got == READ_BYTES ? STATUS_OK : STATUS_AGAIN; /* a pipe gives all that it has */
}

/* ---- the pace */

static uint64_t must_wait_ms(const struct log_pipe *pipe)
{
	return pipe->limit ? pace_wait_ms(&pipe->pace, pipe->limit, loop_now_ms(pipe->logs->loop)) : 0;
}

static void tell_paced(struct log_pipe *pipe)
{
	char text[LOGS_LINE_MAXIMUM];
	uint64_t now = loop_now_ms(pipe->logs->loop);
	if (pipe->told_ms && now - pipe->told_ms < PACED_LINE_MS)
		return;
	pipe->told_ms = now;
	int length = snprintf(text, sizeof(text), "warning %s: says more than %llu bytes a second: lines are lost",
			      pipe->who, (unsigned long long)pipe->limit->a_second);
	forward_line(pipe, text, (size_t)length);
}

static void pause_pipe(struct log_pipe *pipe, uint64_t wait_ms)
{
	tell_paced(pipe);
	watch_set(pipe->watch, 0);
	timer_set(pipe->timer, wait_ms + PAUSE_EXTRA_MS);
}

static void resume_pipe(void *context)
{
	struct log_pipe *pipe = context;
	watch_set(pipe->watch, WATCH_READ);
}

static void take_lines(void *context, unsigned events)
{
	struct log_pipe *pipe = context;
	struct logs *logs = pipe->logs;
	enum status status = STATUS_OK;
	(void)events;
	uint64_t wait_ms = must_wait_ms(pipe);
	for (int i = 0; i < READS_A_TURN && status == STATUS_OK && wait_ms == 0; i++) {
		status = read_some(pipe);
		wait_ms = must_wait_ms(pipe);
	}
	if (status == STATUS_END)
		drop_pipe(pipe);
	else if (wait_ms)
		pause_pipe(pipe, wait_ms);
	write_forwarded(logs);
}

static enum status watch_pipe(struct log_pipe *pipe)
{
	struct loop *loop = pipe->logs->loop;
	if (pipe->limit)
		TRY(timer_make(loop, resume_pipe, pipe, &pipe->timer));
	enum status status = watch_create(loop, pipe->fd, WATCH_READ, take_lines, pipe, &pipe->watch);
	if (status != STATUS_OK)
		timer_free(&pipe->timer);
	return status;
}

enum status logs_open(struct logs *logs, const char *who, enum log_level foreign, int *out_fd)
{
	return logs_open_paced(logs, who, foreign, NULL, out_fd);
}

enum status logs_open_paced(struct logs *logs, const char *who, enum log_level foreign, const struct pace_limit *limit,
			    int *out_fd)
{
	int ends[2];
	struct log_pipe *pipe = calloc(1, sizeof(*pipe));
	if (pipe == NULL)
		return STATUS_NO_MEMORY;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		free(pipe);
		return STATUS_SYSTEM;
	}
	fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* a user at their limit of pipe memory keeps 64 KiB */
	pipe->logs = logs;
	pipe->fd = ends[0];
	pipe->foreign = foreign;
	pipe->limit = limit;
	snprintf(pipe->who, sizeof(pipe->who), "%s", who);
	enum status status = watch_pipe(pipe);
	if (status != STATUS_OK) {
		close(ends[0]);
		close(ends[1]);
		free(pipe);
		return status;
	}
	pipe->next = logs->pipes;
	logs->pipes = pipe;
	*out_fd = ends[1];
	return STATUS_OK;
}

/* ---- all of them */

enum status logs_create(struct loop *loop, struct log_target *target, struct stats *stats, struct logs **out_logs)
{
	struct logs *logs = calloc(1, sizeof(*logs));
	if (logs == NULL)
		return STATUS_NO_MEMORY;
	*logs = (struct logs){ .loop = loop, .target = target, .stats = stats };
	*out_logs = logs;
	return STATUS_OK;
}

void logs_set_target(struct logs *logs, struct log_target *target)
{
	logs_flush(logs);
	log_target_free(&logs->target);
	logs->target = target;
}

void logs_flush(struct logs *logs)
{
	for (struct log_pipe *pipe = logs->pipes, *next; pipe; pipe = next) {
		next = pipe->next;
		enum status status = STATUS_OK;
		for (int i = 0; i < READS_A_FLUSH && status == STATUS_OK && must_wait_ms(pipe) == 0; i++)
			status = read_some(pipe);
		if (status == STATUS_END)
			drop_pipe(pipe);
	}
	write_forwarded(logs);
}

void logs_free(struct logs **logs)
{
	struct logs *l = *logs;
	if (l == NULL)
		return;
	*logs = NULL;
	logs_flush(l);
	while (l->pipes)
		drop_pipe(l->pipes);
	write_forwarded(l);
	log_target_free(&l->target);
	free(l);
}

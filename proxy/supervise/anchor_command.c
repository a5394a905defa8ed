/* Owns the running program, the pipe for its words, and the statement that waits. */
#include "supervise/anchor_command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "door/messages.h"
#include "supervise/process.h"

#define LINE_SIZE 2048 /* bytes: a statement has some 500, a node's name 255; a pipe takes it at once */
#define NODE_SIZE 256  /* bytes, the NUL included */

enum result { RESULT_OK, RESULT_FAILED }; /* as in stats/counters.def */

struct anchor_command {
	struct loop *loop;
	struct anchor_command_options options;
	/* What waits, or was given last. */
	char program[PATH_MAX];
	char node[NODE_SIZE];
	struct audit_statement statement;
	bool waits;
	struct process *process; /* NULL: none runs */
	struct timer *timer;     /* while one runs: its limit; otherwise: the next start */
	uint64_t next_ms;        /* no start before */
	int output;              /* -1: not needed so far */
	bool took_too_long;
	bool fails; /* as was told */
	bool gave_up;
	void (*on_ended)(void *context); /* NULL: it goes on */
	void *context;
	bool told_end;
};

/* ---- what the relay says */

static enum status copy_digits(struct span digits, char *out_text, size_t size)
{
	unsigned char bytes[ED25519_SIGNATURE_SIZE]; /* the longest of them */
	TRY(audit_read_hex(digits, bytes, (size - 1) / 2));
	memcpy(out_text, digits.data, digits.size);
	out_text[digits.size] = '\0';
	return STATUS_OK;
}

enum status anchor_command_read(struct span payload, struct audit_statement *out_statement)
{
	struct door_anchor message;
	struct audit_statement read = { 0 };
	TRY(door_read_anchor(payload, &message));
	if (message.number < 1 || message.number > INT64_MAX || message.count < 1 || message.count > INT64_MAX)
		return STATUS_INVALID;
	read.number = message.number;
	read.count = message.count;
	TRY(copy_digits(message.chain, read.chain, sizeof(read.chain)));
	TRY(copy_digits(message.head, read.head, sizeof(read.head)));
	TRY(copy_digits(message.key, read.key, sizeof(read.key)));
	TRY(copy_digits(message.next, read.next, sizeof(read.next)));
	TRY(copy_digits(message.signature, read.signature, sizeof(read.signature)));
	*out_statement = read;
	return STATUS_OK;
}

/* ---- a run */

static enum status write_line(const struct anchor_command *anchor, char out_line[LINE_SIZE], size_t *out_size)
{
	json_t *object = json_pack("{s:s, s:o}", "node", anchor->node, "checkpoint",
				   audit_statement_to_json(&anchor->statement));
	size_t size = object ? json_dumpb(object, out_line, LINE_SIZE - 1, JSON_COMPACT) : 0;
	json_decref(object);
	if (size == 0 || size > LINE_SIZE - 1)
		return size ? STATUS_TOO_LARGE : STATUS_NO_MEMORY;
	out_line[size] = '\n';
	*out_size = size + 1;
	return STATUS_OK;
}

static enum status open_input(const struct anchor_command *anchor, int *out_fd)
{
	char line[LINE_SIZE];
	size_t size;
	int ends[2];
	TRY(write_line(anchor, line, &size));
	if (pipe2(ends, O_CLOEXEC) < 0)
		return STATUS_SYSTEM;
	bool written = write(ends[1], line, size) == (ssize_t)size;
	close(ends[1]);
	if (!written) {
		close(ends[0]);
		return STATUS_SYSTEM;
	}
	*out_fd = ends[0];
	return STATUS_OK;
}

/* One pipe for all runs. A program that writes more than this loses what it writes. */
static enum status open_output(struct anchor_command *anchor)
{
	static const struct pace_limit limit = { .burst = 64U << 10, .a_second = 1U << 10 };
	if (anchor->output >= 0)
		return STATUS_OK;
	return logs_open_paced(anchor->options.logs, "anchor", LOG_LEVEL_WARNING, &limit, &anchor->output);
}

static void take_exit(void *context, const char *how);

static enum status start_program(struct anchor_command *anchor)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char *const envp[] = { path, NULL };
	char *const argv[] = { anchor->program, NULL };
	int input = -1;
	TRY(open_output(anchor));
	TRY(open_input(anchor, &input));
	const struct process_options options = {
		.binary = -1,
		.program = anchor->program,
		.argv = argv,
		.envp = envp,
		.input = input,
		.output = anchor->output,
		.folder = "/",
		.identity = anchor->options.identity,
		.death_signal = SIGKILL,
		.owns_group = true,
		.on_exit = take_exit,
		.context = anchor,
	};
	enum status status = process_start(anchor->loop, &options, &anchor->process);
	close(input);
	return status;
}

static void note_result(struct anchor_command *anchor, enum result result, const char *how)
{
	stats_add(anchor->options.stats, COUNTER_ANCHOR_COMMANDS, result, 1);
	if (anchor->fails == (result == RESULT_FAILED))
		return;
	anchor->fails = result == RESULT_FAILED;
	if (anchor->fails)
		log_warning("audit.anchor_command: %s did not take the chain's head: %s", anchor->program, how);
	else
		log_info("audit.anchor_command: %s takes the chain's heads again", anchor->program);
}

static void start_run(struct anchor_command *anchor)
{
	anchor->waits = false;
	anchor->took_too_long = false;
	anchor->next_ms = clock_monotonic_ms() + anchor->options.pause_ms;
	enum status status = start_program(anchor);
	if (status == STATUS_OK) {
		timer_set(anchor->timer, anchor->options.limit_ms);
		return;
	}
	note_result(anchor, RESULT_FAILED, status == STATUS_SYSTEM ? strerror(errno) : status_text(status));
	anchor->waits = anchor->on_ended == NULL;
}

static bool may_start(const struct anchor_command *anchor)
{
	return anchor->waits && (anchor->on_ended || clock_monotonic_ms() >= anchor->next_ms);
}

static void tell_end(struct anchor_command *anchor)
{
	if (anchor->on_ended == NULL || anchor->told_end)
		return;
	anchor->told_end = true;
	anchor->on_ended(anchor->context);
}

/* Whatever follows now, while none runs. */
static void go_on(struct anchor_command *anchor)
{
	if (anchor->process == NULL && may_start(anchor))
		start_run(anchor);
	if (anchor->process)
		return;
	if (anchor->on_ended) {
		timer_clear(anchor->timer);
		tell_end(anchor);
	} else if (anchor->waits) {
		uint64_t now_ms = clock_monotonic_ms();
		timer_set(anchor->timer, anchor->next_ms > now_ms ? anchor->next_ms - now_ms : 0);
	}
}

static void take_exit(void *context, const char *how)
{
	struct anchor_command *anchor = context;
	bool is_well = process_ended_well(anchor->process);
	process_free(&anchor->process);
	timer_clear(anchor->timer);
	note_result(anchor, is_well ? RESULT_OK : RESULT_FAILED,
		    anchor->took_too_long ? "it took too long and was killed" : how);
	anchor->waits |= !is_well && !anchor->gave_up && anchor->on_ended == NULL;
	go_on(anchor);
}

static void take_time(void *context)
{
	struct anchor_command *anchor = context;
	if (anchor->process == NULL) {
		go_on(anchor);
		return;
	}
	if (anchor->took_too_long)
		tell_end(anchor); /* it waits in the kernel, and the end does not wait for that */
	anchor->took_too_long = true;
	process_signal(anchor->process, SIGKILL);
	timer_set(anchor->timer, anchor->options.limit_ms);
}

/* ---- life */

enum status anchor_command_create(struct loop *loop, const struct anchor_command_options *options,
				  struct anchor_command **out_anchor)
{
	struct anchor_command *anchor = calloc(1, sizeof(*anchor));
	if (anchor == NULL)
		return STATUS_NO_MEMORY;
	*anchor = (struct anchor_command){ .loop = loop, .options = *options, .output = -1 };
	enum status status = timer_make(loop, take_time, anchor, &anchor->timer);
	if (status != STATUS_OK) {
		free(anchor);
		return status;
	}
	*out_anchor = anchor;
	return STATUS_OK;
}

void anchor_command_take(struct anchor_command *anchor, const char *program, const char *node,
			 const struct audit_statement *statement)
{
	if (anchor->gave_up)
		return;
	snprintf(anchor->program, sizeof(anchor->program), "%s", program);
	snprintf(anchor->node, sizeof(anchor->node), "%s", node);
	anchor->statement = *statement;
	anchor->waits = true;
	go_on(anchor);
}

void anchor_command_end(struct anchor_command *anchor, void (*on_ended)(void *context), void *context)
{
	anchor->on_ended = on_ended;
	anchor->context = context;
	go_on(anchor);
}

void anchor_command_give_up(struct anchor_command *anchor)
{
	anchor->gave_up = true;
	anchor->waits = false;
	if (anchor->process)
		process_signal(anchor->process, SIGKILL);
}

void anchor_command_free(struct anchor_command **anchor)
{
	struct anchor_command *a = *anchor;
	if (a == NULL)
		return;
	*anchor = NULL;
	process_free(&a->process);
	timer_free(&a->timer);
	if (a->output >= 0)
		close(a->output);
	free(a);
}

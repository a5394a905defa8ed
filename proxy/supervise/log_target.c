/*
 * The three kinds of log target. Owns its descriptor (not stderr). A target that fails loses lines and says so, as the
 * supervisor must go on.
 */
#include "supervise/log_target.h"

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

/* Bytes of a line with its timestamp, twice a line of base/log.h. */
#define LINE_ROOM 4096
/* Bytes of lines in one write. A pipe that polls writable takes this much. */
#define LINES_ROOM 4096
#define SYSLOG_PATH "/dev/log"
/* The facility "mail" (RFC 5424, 6.2.1). */
#define SYSLOG_FACILITY (2 << 3)

enum kind { KIND_STDERR, KIND_SYSLOG, KIND_FILE };

struct log_target {
	enum kind kind;
	int fd;                 /* syslog: -1 while there is no connection */
	char lines[LINES_ROOM]; /* to be written at once; syslog takes each by itself */
	size_t size;
	uint64_t lost; /* lines, since it was last told */
};

/* ---- opening */

static int open_file(const struct config *config)
{
	char path[LINE_ROOM];
	const char *target = config->log.target;
	int size = target[0] == '/' ? snprintf(path, sizeof(path), "%s", target)
				    : snprintf(path, sizeof(path), "%s/%s", config->global.state_dir, target);
	if (size < 0 || size >= (int)sizeof(path))
		return -1;
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

static int connect_syslog(void)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SYSLOG_PATH };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

enum status log_target_open(const struct config *config, struct log_target **out_target)
{
	struct log_target *target = calloc(1, sizeof(*target));
	if (target == NULL)
		return STATUS_NO_MEMORY;
	*target = (struct log_target){ .kind = KIND_FILE, .fd = -1 };
	if (strcmp(config->log.target, "stderr") == 0) {
		target->kind = KIND_STDERR;
		target->fd = STDERR_FILENO;
	} else if (strcmp(config->log.target, "syslog") == 0) {
		target->kind = KIND_SYSLOG;
	} else if ((target->fd = open_file(config)) < 0) {
		free(target);
		return STATUS_SYSTEM;
	}
	*out_target = target;
	return STATUS_OK;
}

void log_target_free(struct log_target **target)
{
	struct log_target *t = *target;
	if (t == NULL)
		return;
	*target = NULL;
	if (t->fd >= 0 && t->kind != KIND_STDERR)
		close(t->fd);
	free(t);
}

/* ---- writing */

/* Lines that are not written are lost. */
static void count_lost(struct log_target *target, struct span unwritten)
{
	for (size_t i = 0; i < unwritten.size; i++)
		target->lost += unwritten.data[i] == '\n';
}

/* A terminal or a pipe is shared with others, so it can't be made non-blocking. One that polls writable takes all. */
static bool can_take(const struct log_target *target)
{
	struct pollfd ready = { .fd = target->fd, .events = POLLOUT };
	return target->kind == KIND_FILE || (poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT));
}

static void write_lines(struct log_target *target)
{
	struct span lines = { target->lines, target->size };
	target->size = 0;
	if (span_is_empty(lines))
		return;
	ssize_t put = can_take(target) ? write(target->fd, lines.data, lines.size) : 0;
	count_lost(target, span_slice(lines, put > 0 ? (size_t)put : 0, lines.size));
}

/* `head`: what comes before the line. */
static void put_line(struct log_target *target, struct span head, struct span line)
{
	line = span_slice(line, 0, sizeof(target->lines) - head.size - 1);
	if (head.size + line.size + 1 > sizeof(target->lines) - target->size)
		write_lines(target);
	char *at = target->lines + target->size;
	memcpy(at, head.data, head.size);
	memcpy(at + head.size, line.data, line.size);
	at[head.size + line.size] = '\n';
	target->size += head.size + line.size + 1;
}

static void put_dated_line(struct log_target *target, struct span line)
{
	char now[CLOCK_TEXT_SIZE + 1];
	clock_format_us(clock_wall_us(), now);
	size_t size = strlen(now);
	now[size++] = ' ';
	put_line(target, (struct span){ now, size }, line);
}

/* Severity by the line's first word (RFC 5424, 6.2.1). */
static int syslog_severity(struct span line)
{
	if (span_starts_with(line, SPAN("error ")))
		return 3;
	if (span_starts_with(line, SPAN("warning ")))
		return 4;
	return span_starts_with(line, SPAN("debug ")) ? 7 : 6;
}

static bool write_syslog(struct log_target *target, struct span line)
{
	char text[LINE_ROOM];
	if (target->fd < 0)
		target->fd = connect_syslog();
	if (target->fd < 0)
		return false;
	int size = snprintf(text, sizeof(text), "<%d>subgate[%d]: %.*s", SYSLOG_FACILITY | syslog_severity(line),
			    (int)getpid(), SPAN_ARGS(span_slice(line, 0, sizeof(text) - 64)));
	if (send(target->fd, text, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL) == size)
		return true;
	/* A restarted syslog daemon has a new socket, which the next line finds. */
	close(target->fd);
	target->fd = -1;
	return false;
}

void log_target_put(struct log_target *target, struct span line)
{
	switch (target->kind) {
	case KIND_STDERR:
		put_line(target, SPAN(""), line);
		break;
	case KIND_FILE:
		put_dated_line(target, line);
		break;
	case KIND_SYSLOG:
		target->lost += !write_syslog(target, line);
		break;
	}
}

uint64_t log_target_flush(struct log_target *target)
{
	write_lines(target);
	uint64_t lost = target->lost;
	target->lost = 0;
	return lost;
}

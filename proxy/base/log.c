/* The log's writer: one write(2) a line, or for what was gathered, never waiting. */
#include "base/log.h"

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

#define LOG_LINE 2048 /* bytes a line at most; below PIPE_BUF, so that lines of several threads never mix */

static int log_fd = STDERR_FILENO;
static enum log_level log_level = LOG_LEVEL_INFO;
static char log_who[32] = "subgate";
static void (*note_dropped)(void *context);
static void *note_context;

/* Of the thread that gathers. A pipe takes it as a whole, or not at all. */
static struct {
	char text[PIPE_BUF];
	size_t size;
	unsigned lines;
	void (*tell)(void *context);
	void *context;
} gathered;
static _Thread_local bool gathers;

void log_open(int fd, enum log_level level, const char *who)
{
	log_fd = fd;
	log_level = level;
	snprintf(log_who, sizeof(log_who), "%s", who);
}

void log_on_dropped(void (*note)(void *context), void *context)
{
	note_dropped = note;
	note_context = context;
}

/* `lines`: how many it is. */
static void write_lines(struct span text, unsigned lines)
{
	if (write(log_fd, text.data, text.size) == (ssize_t)text.size || note_dropped == NULL)
		return;
	while (lines-- > 0)
		note_dropped(note_context);
}

/* ---- gathering */

void log_gather(void (*on_waiting)(void *context), void *context)
{
	log_flush();
	gathered.tell = on_waiting;
	gathered.context = context;
	gathers = on_waiting != NULL && log_level < LOG_LEVEL_DEBUG;
}

void log_flush(void)
{
	if (!gathers || gathered.size == 0)
		return;
	write_lines((struct span){ gathered.text, gathered.size }, gathered.lines);
	gathered.size = 0;
	gathered.lines = 0;
}

static void gather_line(enum log_level level, struct span line)
{
	if (line.size > sizeof(gathered.text) - gathered.size)
		log_flush();
	memcpy(gathered.text + gathered.size, line.data, line.size);
	gathered.size += line.size;
	gathered.lines++;
	if (level <= LOG_LEVEL_WARNING)
		log_flush();
	else if (gathered.lines == 1)
		gathered.tell(gathered.context);
}

/* ---- lines */

static void write_line(enum log_level level, const char *format, va_list args)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	char line[LOG_LINE];
	if (level > log_level)
		return;
	int head = snprintf(line, sizeof(line), "%s %s: ", names[level], log_who);
	int body = vsnprintf(line + head, sizeof(line) - (size_t)head, format, args);
	if (body < 0)
		return;
	size_t size = (size_t)head + (size_t)body;
	if (size > sizeof(line) - 1)
		size = sizeof(line) - 1;
	text_blank_controls(line, size);
	line[size++] = '\n';
	if (gathers)
		gather_line(level, (struct span){ line, size });
	else
		write_lines((struct span){ line, size }, 1);
}

#define WRITE_AT(level)                          \
	do {                                     \
		va_list args;                    \
		va_start(args, format);          \
		write_line(level, format, args); \
		va_end(args);                    \
	} while (0)

void log_error(const char *format, ...)
{
	WRITE_AT(LOG_LEVEL_ERROR);
}

void log_warning(const char *format, ...)
{
	WRITE_AT(LOG_LEVEL_WARNING);
}

void log_info(const char *format, ...)
{
	WRITE_AT(LOG_LEVEL_INFO);
}

void log_debug(const char *format, ...)
{
	WRITE_AT(LOG_LEVEL_DEBUG);
}

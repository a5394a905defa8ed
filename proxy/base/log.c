/* The log's writer: one write(2) a line, never waiting. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.h"

#define LOG_LINE 2048 /* bytes a line at most; below PIPE_BUF, so that lines of several threads never mix */

static int log_fd = STDERR_FILENO;
static enum log_level log_level = LOG_LEVEL_INFO;
static char log_who[32] = "subgate";
static void (*note_dropped)(void *context);
static void *note_context;

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
	if (write(log_fd, line, size) != (ssize_t)size && note_dropped)
		note_dropped(note_context);
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

/*
 * The log: one line an event, `LEVEL role: text`, written without waiting to the descriptor that the supervisor handed
 * over (a pipe that it forwards to the configured target). A line that doesn't fit is dropped, and whoever counts such
 * lines is told. Only roles log; lower rooms return. Control bytes in the text become '?', so that nobody can forge a
 * line. No secret has a type that this takes.
 *
 * Where lines are gathered, those of information wait for others, as each write wakes the supervisor. A process that is
 * killed loses such lines of its last moment; an error or a warning is written at once, with all that waits.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* `who` is the role as it shows in the log, such as "gate 1"; copied. Before this, lines go to stderr. */
void log_open(int fd, enum log_level level, const char *who);
/*
 * From now on `note` is called for each line that the descriptor did not take, on the thread that logged it. NULL:
 * nobody is told, as at first. Set while there is one thread.
 */
void log_on_dropped(void (*note)(void *context), void *context);

/*
 * From now on the calling thread's lines are gathered, 4 KiB at most: `on_waiting` is called when there is a first one,
 * and is to have log_flush called by that thread before long. Not at the level "debug", where somebody looks for a
 * fault. NULL: no more, and what waits is written.
 */
void log_gather(void (*on_waiting)(void *context), void *context);
/* Writes what waits. Does nothing on another thread. */
void log_flush(void);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

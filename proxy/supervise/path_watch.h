/*
 * Tells when what a path leads to may be another file, or the same one with other contents: inotify on each folder that
 * the path passes a link in, and on that of the file itself. Where there is no inotify, or a file system tells it
 * nothing (NFS), nothing is told, so whoever uses it looks by itself now and then.
 */
#ifndef SUPERVISE_PATH_WATCH_H
#define SUPERVISE_PATH_WATCH_H

/* A descriptor that is readable after a change; -1: there is no inotify. */
int path_watch_open(void);
/* An absolute path. May be added again, as after each change: links may lead elsewhere by then. */
void path_watch_add(int fd, const char *path);
/* Forgets what was told. */
void path_watch_drain(int fd);

#endif

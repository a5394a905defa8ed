/*
 * The process title, written over argv and the old environment after it, where the kernel looks for it
 * (proc_pid_cmdline(5)). Owns the copy of the environment, for the life of the process. Can't fail in a way that
 * matters.
 */
#include "role/title.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static char *room;       /* argv[0] */
static char **moved;     /* the environment, for good */
static size_t room_size; /* bytes from there to the end of argv, or of the environment */

/* Where the consecutive strings that begin at `from` end. */
static char *find_end(char **strings, char *from)
{
	for (size_t i = 0; strings[i] != NULL; i++)
		if (strings[i] == from)
			from += strlen(from) + 1;
	return from;
}

static char **copy_environment(void)
{
	size_t count = 0;
	while (environ[count])
		count++;
	char **copy = calloc(count + 1, sizeof(*copy));
	for (size_t i = 0; copy && i < count; i++) {
		copy[i] = strdup(environ[i]);
		if (copy[i] == NULL)
			return NULL;
	}
	return copy;
}

void title_init(int argc, char **argv)
{
	if (argc < 1)
		return;
	room = argv[0];
	char *end = find_end(argv, room);
	moved = copy_environment();
	if (moved) {
		end = find_end(environ, end);
		environ = moved;
	}
	room_size = (size_t)(end - room);
}

void title_set(const char *name, unsigned index)
{
	char title[64];
	if (index)
		snprintf(title, sizeof(title), "subgate: %s %u", name, index);
	else
		snprintf(title, sizeof(title), "subgate: %s", name);
	prctl(PR_SET_NAME, title); /* the kernel keeps the first 15 bytes */
	if (room_size == 0)
		return;
	memset(room, 0, room_size);
	snprintf(room, room_size, "%s", title);
}

/* What ps shows for a process: "subgate: gate 1", in place of its arguments and environment. */
#ifndef ROLE_TITLE_H
#define ROLE_TITLE_H

/*
 * Called first in main. Moves the environment to the heap, so that its room can be written over and wiped. Without
 * memory for that, titles are cut to the room of the arguments.
 */
void title_init(int argc, char **argv);
/* "subgate: NAME", or "subgate: NAME INDEX" where the index is not 0. */
void title_set(const char *name, unsigned index);

#endif

/*
 * Ctrl-C, a closed terminal, a polite kill: noted here, so that whatever has begun can be undone. Nothing ends by the
 * signal itself, and none is missed between a look and a wait, as they are let in during waits alone.
 */
#ifndef SETUP_INTERRUPT_H
#define SETUP_INTERRUPT_H

#include <stdbool.h>

/* From now on, in this process. */
void interrupt_watch(void);
/* Whether one came. */
bool interrupt_came(void);
/* Waits until the descriptor can be read, or its other end is gone. False: interrupted. */
bool interrupt_wait(int fd);
/* Waits for so long. False: interrupted. */
bool interrupt_pause(int ms);
/* From now on none counts: what was begun is being undone. */
void interrupt_ignore(void);

#endif

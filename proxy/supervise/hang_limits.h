/* When a process counts as hung, and when it is killed for it. */
#ifndef SUPERVISE_HANG_LIMITS_H
#define SUPERVISE_HANG_LIMITS_H

enum hang { HANG_NONE, HANG_SEEN, HANG_KILLED };

/* Of silence. Beats and looks included, a process that stops is shown within 5 s. */
#define HANG_SEEN_MS 4000
/* Of silence. The start of its successor included, there is one within 15 s. */
#define HANG_KILL_MS 10000
/* The same for one that starts: it reads files first. */
#define HANG_START_KILL_MS 30000
/* A process that outlives its SIGKILL for this long waits in the kernel, perhaps for a disk. */
#define HANG_STUBBORN_MS 20000

#endif

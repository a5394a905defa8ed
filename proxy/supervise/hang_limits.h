/* From when on a process hangs, and what follows. */
#ifndef SUPERVISE_HANG_LIMITS_H
#define SUPERVISE_HANG_LIMITS_H

enum hang { HANG_NONE, HANG_SEEN, HANG_KILLED };

#define HANG_SEEN_MS 4000        /* of silence: with beats and looks between, it shows within 5 s of a process's stop */
#define HANG_KILL_MS 10000       /* of silence: with a start behind it, there is a successor within 15 s */
#define HANG_START_KILL_MS 30000 /* the same for one that starts: it reads files first */
#define HANG_STUBBORN_MS \
	20000 /* a process that outlives its kill for so long waits in the kernel, for a disk perhaps */

#endif

/* The sockets of one gate, beyond sockets.h: which they are, and what becomes of them when it ends. */
#ifndef SUPERVISE_GATE_SOCKETS_H
#define SUPERVISE_GATE_SOCKETS_H

#include "supervise/sockets.h"

/* A gate of a config that makes so many of them. */
struct gate_place {
	const struct config *config;
	unsigned index; /* 1, 2, … */
	unsigned gates;
};

/*
 * The gate of that place has ended. Its sockets stay if it ended `well`, and the kernel shows each as it was. Others
 * are opened anew, so that no socket that an attacker may have touched passes to another gate. True: some were.
 */
bool gate_sockets_judge(struct sockets *sockets, const struct gate_place *place, bool well);
/*
 * Calls `take` for each socket of that gate with a number above `after`, each under a name of its own. Those that could
 * not be opened before are opened now. Ends with the first status that is not OK; STATUS_SYSTEM: errno.
 */
MUST_USE enum status gate_sockets_visit_newer(struct sockets *sockets, const struct gate_place *place, uint64_t after,
					      enum status (*take)(void *context, const char *name, int fd),
					      void *context);

#endif

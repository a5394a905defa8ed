/* What a gate counts for the metrics in more than one place. */
#ifndef GATE_COUNT_H
#define GATE_COUNT_H

#include "stats/stats.h"

struct gate;

/* We refused one more thing. */
void count_refused(struct gate *gate, enum stats_refusal reason);
/* Publishes open_count and authenticated_count. */
void count_sessions(struct gate *gate);

#endif

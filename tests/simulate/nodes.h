/*
 * The nodes: each has a folder, a clock, a configuration, and one relay process or, while one drains, two. A node's
 * gate and auth role are played (clients.c).
 */
#ifndef TESTS_SIMULATE_NODES_H
#define TESTS_SIMULATE_NODES_H

#include "config/config.h"
#include "tests/simulate/world.h"

#define NODES_MAXIMUM 3

struct node;

/* `folder` is the run's; `messages_per_day` of each user; `zone` of its configuration. */
struct node *node_make(unsigned index, const char *folder, unsigned messages_per_day, const char *zone);
void node_start(struct node *node);            /* a relay process; a former one drains */
void node_kill(struct node *node);             /* the newest of its processes */
void node_drain(struct node *node);            /* all of them end in order */
bool node_is_running(const struct node *node); /* and takes new sessions */
bool node_is_over(const struct node *node);    /* it has no process */
void node_step_clock(struct node *node, int64_t shift_us);
void node_fill_disk(struct node *node, bool is_full);
unsigned node_index(const struct node *node);

/* ---- clients.c */

/* The doors of a new process: the relay's ends, which clients_attach takes. */
struct doors {
	int gate, auth;    /* descriptors of the relay's ends */
	uint32_t instance; /* of the gate */
};
struct gate;
struct gate *clients_attach(struct node *node, struct process *process, struct doors *out_doors);
/* Its process drains: no new session, and its doors close after the last one. */
void clients_drain(struct gate *gate);
/* Its process is gone. */
void clients_detach(struct gate *gate);
/* So many sessions at each node, from now on; no new mail after clients_rest. */
void clients_begin(unsigned count, unsigned sessions_each);
void clients_rest(void);
bool clients_are_idle(void);

#endif

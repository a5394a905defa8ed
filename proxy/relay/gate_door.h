/*
 * The relay door: frames of one gate. A gate is taken to be hostile: it can
 * only speak for sessions that the auth role granted to this very process
 * (promises 1 and 2), and what makes no sense costs it its door.
 */
#ifndef RELAY_GATE_DOOR_H
#define RELAY_GATE_DOOR_H

#include "relay/delivery.h"

/* All gates; embedded in the role's state. */
struct gate_doors {
	struct services *services;
	struct grants *grants;
	struct deliveries *deliveries;
	struct gate_door *first;
	size_t count;
#define GATES_CLOSED_KEPT 64
	uint32_t closed[GATES_CLOSED_KEPT]; /* instances without a door: a late grant for one goes nowhere. 0: none */
	size_t closed_next;
#define GATES_GONE UINT32_MAX
	struct ration gone; /* of all gates without a door: their last failures */
};

/* Serves a gate's door until it closes. Logs why it can't; `fd` is owned, also on failure. */
void gate_doors_attach(struct gate_doors *doors, uint32_t instance, int fd);
/* True for a gate that was here and is gone: a grant for it is late. */
bool gate_doors_knew(const struct gate_doors *doors, uint32_t instance);
/* The gate's ration of records, for what the auth role tells on its word: failed logins. */
struct ration *gate_doors_ration(struct gate_doors *doors, uint32_t instance);
/* Its client is to hear that the right of its session has ended. */
void gate_doors_end_session(struct gate_doors *doors, const struct grant *grant);
void gate_doors_close(struct gate_doors *doors); /* all */

#endif

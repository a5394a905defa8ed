/*
 * Each connection to an upstream holds a slot of its account, so that all relay
 * processes of a node, such as the old and the new one of a reload, together
 * keep to `connections`. A slot is a lock on one byte of a file in run_dir,
 * which the kernel frees when the process ends. A process that wants a slot and
 * has none locks one more byte of the account.
 */
#ifndef RELAY_SLOTS_H
#define RELAY_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#define SLOTS_MAXIMUM 1024 /* of one account */

struct slots;

/*
 * `folder`, which is taken over, has the file of locks, or will have it; -1: only this process counts. STATUS_SYSTEM:
 * the file can't be opened.
 */
MUST_USE enum status slots_create(int folder, struct slots **out_slots);
void slots_free(struct slots **slots); /* frees them all */

/*
 * Takes one of the `limit` slots of the account with this key. STATUS_AGAIN: all are taken, and nothing tells when one
 * is free, so ask again later; STATUS_SYSTEM: the kernel gives no lock; STATUS_NO_MEMORY.
 */
MUST_USE enum status slots_take(struct slots *slots, uint64_t key, unsigned limit, unsigned *out_slot);
void slots_give(struct slots *slots, uint64_t key, unsigned slot);

/* Tells the other processes that this one has no slot and wants one, or no longer does. A failure only costs time. */
void slots_want(struct slots *slots, uint64_t key, bool wanted);
/* True if another process says so. */
bool slots_are_wanted(const struct slots *slots, uint64_t key);

#endif

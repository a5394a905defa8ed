/*
 * Slots: each connection to an upstream holds one of its account's, so that
 * all relay processes of a node, the old and the new one of a reload too,
 * together keep to `connections`. A slot is a lock on one byte of a file in
 * run_dir, which the kernel frees when its process ends. One more byte of each
 * account is locked by whoever wants a slot and has none.
 */
#ifndef RELAY_SLOTS_H
#define RELAY_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#define SLOTS_MAXIMUM 1024 /* of one account */

struct slots;

/* `folder`: where the file of locks is, or is to be, taken over; -1: this process alone counts. STATUS_SYSTEM: no file can be had. */
MUST_USE enum status slots_create(int folder, struct slots **out_slots);
void slots_free(struct slots **slots); /* frees them all */

/*
 * Takes one of the `limit` slots of the account with this key. STATUS_AGAIN: all are taken (nobody tells when one is
 * free again: ask later); STATUS_SYSTEM: no lock can be had; STATUS_NO_MEMORY.
 */
MUST_USE enum status slots_take(struct slots *slots, uint64_t key, unsigned limit, unsigned *out_slot);
void slots_give(struct slots *slots, uint64_t key, unsigned slot);

/* Says to the other processes that this one has none and wants one, or takes it back. Not being heard costs time alone. */
void slots_want(struct slots *slots, uint64_t key, bool wanted);
/* Whether another process says so. */
bool slots_are_wanted(const struct slots *slots, uint64_t key);

#endif

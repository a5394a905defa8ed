/* Networks of clients that a listener's options name: those whose PROXY headers it believes, those that it serves. */
#ifndef GATE_NETWORKS_H
#define GATE_NETWORKS_H

#include "base/network.h"
#include "config/config.h"
#include "net/listener.h"

struct networks {
	struct network *items; /* owned */
	size_t count;
};

/* STATUS_INVALID: one of them is no network. */
MUST_USE enum status networks_read(const struct config_list *list, struct networks *out_networks);
void networks_free(struct networks *networks);
bool networks_contain(const struct networks *networks, const struct endpoint *client);

#endif

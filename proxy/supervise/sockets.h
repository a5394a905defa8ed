/*
 * The listening sockets of the node: a socket for each client address and gate, the control socket, and the HTTP
 * socket. They outlive roles and reloads, so that no connection waiting in a backlog is lost.
 *
 * As a connection begins, the kernel gives it to one socket of its address (SO_REUSEPORT), and resets it when that
 * socket goes. So an address that stays never has fewer sockets than before; with fewer gates, each has several.
 */
#ifndef SUPERVISE_SOCKETS_H
#define SUPERVISE_SOCKETS_H

#include <stdio.h>

#include "config/config.h"
#include "role/handover.h"
#include "supervise/identities.h"

struct socket_entry {
	char *address;   /* as configured, or "unix:/path" */
	unsigned slot;   /* 1, 2, …: gate ((slot - 1) % gates) + 1 has it; 0: not a gate's */
	int fd;          /* -1: it must be opened anew */
	uint64_t number; /* counts up with each socket opened */
	bool wanted;     /* by the newest config */
};

struct sockets {
	struct socket_entry *items;
	size_t count;
	uint64_t last_number;
};

/*
 * Opens what this config needs and is not open yet. STATUS_SYSTEM or STATUS_INVALID, with a line in `faults`, where an
 * address can't be had; what was open before stays as it was.
 */
MUST_USE enum status sockets_open(struct sockets *sockets, const struct config *config, unsigned gates,
				  const struct identities *identities, FILE *faults);
/* Closes what the config of the last sockets_open does not need. */
void sockets_trim(struct sockets *sockets);
/* Adds what the admin role listens on. Gates are told of theirs later (succession.c). */
MUST_USE enum status sockets_hand_over(const struct sockets *sockets, const struct config *config,
				       struct handover *list);
/* Adds what the console listens on. */
MUST_USE enum status sockets_hand_over_console(const struct sockets *sockets, const struct config *config,
					       struct handover *list);
/* The socket of that address and slot, or NULL. */
struct socket_entry *sockets_find(const struct sockets *sockets, const char *address, unsigned slot);
/* Closes what clients connect to. Once the gates' copies are gone too, the kernel refuses clients. */
void sockets_close_gates(struct sockets *sockets);
void sockets_close(struct sockets *sockets); /* all, and unlinks the control socket */

#endif

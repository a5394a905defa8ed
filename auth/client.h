/* What a gate tells of a client: kept with its exchange, and passed on for the audit. Data, never believed. */
#ifndef AUTH_CLIENT_H
#define AUTH_CLIENT_H

#include "base/span.h"

#define CLIENT_TEXT_MAXIMUM 512 /* bytes of one field; longer ones are cut */

/* The names of the fields are those of CLIENT_FIELDS in door/messages.h. Owns one block of memory. */
struct client {
	char *memory;
	struct span address;
	uint16_t port;
	struct span listener;
	struct span tls_version;
	struct span tls_cipher;
	struct span tls_client_subject;
	struct span helo;
};

/* Copies the fields of `given`, whose `memory` is not looked at. STATUS_NO_MEMORY. */
MUST_USE enum status client_copy(const struct client *given, struct client *out_client);
void client_free(struct client *client); /* safe on a zeroed one */

/* Initializers of a client's fields, from a message or from a client. */
#define CLIENT_FIELDS_OF(from)                                                          \
	.address = (from)->address, .port = (from)->port, .listener = (from)->listener, \
	.tls_version = (from)->tls_version, .tls_cipher = (from)->tls_cipher,           \
	.tls_client_subject = (from)->tls_client_subject, .helo = (from)->helo

#endif

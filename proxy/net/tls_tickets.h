/*
 * The keys of session tickets (RFC 5077; TLS 1.3: RFC 8446, 4.6.1). Tickets are
 * made with the newest key; those of the key before it are still accepted. So a key
 * is of use for two lifetimes, and what a stolen one opens is no older.
 *
 * Gates hold them, as they hold the TLS key: whoever takes a gate over can impersonate this server to returning
 * clients, and read recorded TLS 1.2 sessions that were resumed. Keeping them elsewhere would cost each handshake a
 * round trip and save little. The supervisor replaces them once a gate has died or was killed.
 */
#ifndef NET_TLS_TICKETS_H
#define NET_TLS_TICKETS_H

#include <stdint.h>

#include "base/span.h"

#define TLS_TICKET_KEY_SIZE 80 /* bytes: name 16, HMAC-SHA-256 32, AES-256 32 */

struct tls_tickets;

/* `lifetime_ms`: of a ticket. Until a key is added no ticket is made or accepted. */
MUST_USE enum status tls_tickets_create(uint64_t lifetime_ms, struct tls_tickets **out_tickets);
/* A new key. STATUS_INVALID for one of another size. */
MUST_USE enum status tls_tickets_add(struct tls_tickets *tickets, struct span key);
/* After the contexts that use them. */
void tls_tickets_free(struct tls_tickets **tickets);

#endif

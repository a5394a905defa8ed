/*
 * A certificate that nobody has vouched for, with a new key (ECDSA, P-256): so that a server can be tried before it has
 * a real one.
 */
#ifndef NET_SELF_SIGNED_H
#define NET_SELF_SIGNED_H

#include "base/secret.h"

#define SELF_SIGNED_DAYS 90

/* For one DNS name (a-z, 0-9, "-", "."), from now on. STATUS_INVALID: the name; STATUS_SYSTEM. Both as PEM. */
MUST_USE enum status self_signed_make(const char *name, struct secret *out_certificate, struct secret *out_key);

#endif

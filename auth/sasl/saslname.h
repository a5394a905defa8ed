/* Names within messages whose parts commas separate (RFC 5801, 4; RFC 5802, 5.1): "=2C" is a comma, "=3D" an "=". */
#ifndef AUTH_SASL_SASLNAME_H
#define AUTH_SASL_SASLNAME_H

#include "base/secret.h"

/* STATUS_INVALID: empty, or with another "=". *out_name must be empty. */
MUST_USE enum status saslname_read(struct span escaped, struct secret *out_name);

#endif

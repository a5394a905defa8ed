/* Which sender addresses the user of a session may use, as the auth role told at login. */
#ifndef GATE_SENDERS_H
#define GATE_SENDERS_H

#include "gate/session.h"

/* True when `address` is one of theirs (smtp/address.h: address_matches). The empty sender is everybody's. */
bool senders_allow(const struct session *s, struct span address);
/*
 * By an option: also true with "audit" and "off". The caller that lets a stranger pass for "audit" logs it, once for
 * all of a message.
 */
bool senders_pass(const struct session *s, enum config_sender_mode mode, struct span address);

#endif

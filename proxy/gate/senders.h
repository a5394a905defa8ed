/* Which sender addresses the user of a session may use, as the auth role told at login. */
#ifndef GATE_SENDERS_H
#define GATE_SENDERS_H

#include "gate/session.h"

/* True when `address` is one of theirs (smtp/address.h: address_matches). The empty sender is everybody's. */
bool senders_allow(const struct session *s, struct span address);
/* The mode that holds for this session where the configuration says `mode`. */
enum config_sender_mode senders_mode(const struct session *s, enum config_sender_mode mode);
/*
 * By a mode: also true with "audit" and "off". The caller that lets a stranger pass for "audit" logs it, once for
 * all of a message.
 */
bool senders_pass(const struct session *s, enum config_sender_mode mode, struct span address);

#endif

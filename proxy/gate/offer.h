/*
 * What EHLO offers only where it can be kept: EHLO comes before the user and their relays are known, so all relays must
 * have it (their options say so).
 */
#ifndef GATE_OFFER_H
#define GATE_OFFER_H

#include <stdbool.h>

struct config;

/* DSN (RFC 3461): RET and ENVID of MAIL, NOTIFY and ORCPT of RCPT. Without it nobody would answer NOTIFY=SUCCESS. */
bool offer_has_dsn(const struct config *config);
/* SMTPUTF8 (RFC 6531): addresses and header fields in UTF-8. */
bool offer_has_smtputf8(const struct config *config);

#endif

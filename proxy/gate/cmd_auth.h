/*
 * AUTH (RFC 4954): the dialog around an exchange whose content only the auth role understands. The gate moves base64
 * text from one side to the other.
 */
#ifndef GATE_CMD_AUTH_H
#define GATE_CMD_AUTH_H

#include "gate/session.h"

struct door_sasl_done;

/* SESSION_AUTH_RESPONSE: one line of the client. */
enum step auth_step_response(struct session *s);

/* The auth role's words. */
void auth_take_challenge(struct session *s, struct span challenge);
void auth_take_verdict(struct session *s, const struct door_sasl_done *done);
/* The session no longer counts as one of its user's. */
void auth_leave_user(struct session *s);
/* The auth role is gone in the middle of an exchange. */
void auth_lost(struct session *s);

#endif

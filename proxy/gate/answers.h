/* What the answers of the other roles lead to: the doors call these, and know no session's ways. */
#ifndef GATE_ANSWERS_H
#define GATE_ANSWERS_H

#include "gate/auth_door.h"
#include "gate/relay_door.h"

extern const struct auth_answer_handler answers_of_auth;
extern const struct relay_answer_handler answers_of_relay;

#endif

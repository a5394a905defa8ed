/* Answers to administrators' commands for the supervisor, as JSON on the door to the admin role. */
#ifndef SUPERVISE_SUPERVISOR_ANSWERS_H
#define SUPERVISE_SUPERVISOR_ANSWERS_H

#include <jansson.h>

#include "supervise/supervisor.h"

/* Takes `answer` over; NULL, or one that can't be written: STATUS_NO_MEMORY. Otherwise as door_send_control_reply. */
MUST_USE enum status supervisor_answer(struct door *door, uint64_t request, json_t *answer);
/* That it is done. */
MUST_USE enum status supervisor_answer_done(struct door *door, uint64_t request);
/* That it isn't, and why: one line, which may end in a line feed. */
MUST_USE enum status supervisor_refuse(struct door *door, uint64_t request, const char *error);
/* Answers the admin process that asked for the reload, if it still lives. `error` NULL: the reload is done. */
void supervisor_answer_reload(struct supervisor *supervisor, const char *error);

#endif

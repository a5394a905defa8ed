/* BDAT, as the table of commands and the session's states need it. */
#ifndef GATE_CMD_BDAT_H
#define GATE_CMD_BDAT_H

#include "gate/session.h"
#include "smtp/command.h"

/* BDAT can't be taken now: its octets are dropped, and then answered with `refusal` (static). */
void bdat_refuse(struct session *s, const struct smtp_command *command, const char *refusal);
/* Its line can't be read: nobody knows where the next command begins, so the session ends. */
void bdat_cut_off(struct session *s);
/* SESSION_CHUNK: some of the octets. */
enum step bdat_step(struct session *s);

#endif

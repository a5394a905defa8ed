/* STARTTLS (RFC 3207) and the handshakes of both kinds of listener: the steps of the states around TLS. */
#ifndef GATE_CMD_STARTTLS_H
#define GATE_CMD_STARTTLS_H

#include "gate/session.h"

/* SESSION_STARTTLS: answers it, or ends the session when something was sent after it. */
enum step starttls_step_answer(struct session *s);
/* SESSION_SWITCHING: begins TLS once the 220 is with the kernel. */
enum step starttls_step_switch(struct session *s);
/* SESSION_HANDSHAKE: waits for its end. */
enum step starttls_step_handshake(struct session *s);

#endif

/*
 * The control socket: administrators' connections. One JSON object a line in,
 * one a line out, one request of a connection under way at a time. Who may
 * connect is a matter of the socket's mode and group.
 */
#ifndef ADMIN_CONTROL_SOCKET_H
#define ADMIN_CONTROL_SOCKET_H

#include "base/span.h"
#include "door/role.h"
#include "net/loop.h"

struct control;

struct control_handler {
	/*
	 * Passes a checked request on. Not STATUS_OK: there is nobody to pass it to.
	 * The answer comes later, by control_answer, under the same number.
	 */
	enum status (*ask)(void *context, enum role_kind role, uint64_t request, struct span json);
	/* After control_drain: the last request under way is answered. */
	void (*drained)(void *context);
};

/* Owns `fd` from now on (closed on failure too), and accepts from it once it is opened. */
MUST_USE enum status control_create(struct loop *loop, int fd, const struct control_handler *handler, void *context,
				    struct control **out_control);
/* Accepts clients from now on: there is somebody to pass their requests to. Nothing when it does already, or drains. */
MUST_USE enum status control_open(struct control *control);
/* What a role answered; one that nobody waits for any more is dropped. */
void control_answer(struct control *control, uint64_t request, struct span json);
/* A role is gone: who waits for it is told so. */
void control_role_lost(struct control *control, enum role_kind role);
/* Takes nothing new; `drained` follows, perhaps in this call. */
void control_drain(struct control *control);
void control_free(struct control **control);

#endif

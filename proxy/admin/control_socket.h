/*
 * The control socket: administrators' connections. Each line in is a JSON object,
 * and so is each line out; a connection has one request under way at a time. Who
 * may ask what is decided by who they are to the kernel (admin/caller.h).
 */
#ifndef ADMIN_CONTROL_SOCKET_H
#define ADMIN_CONTROL_SOCKET_H

#include "admin/recorder.h"
#include "net/loop.h"

struct control_socket;

struct control_socket_handler {
	/*
	 * Passes a checked request on. STATUS_UNAVAILABLE: there is nobody to pass it to.
	 * The answer comes later, by control_socket_answer, under the same number.
	 */
	enum status (*ask)(void *context, const struct admin_request *request);
	/* After control_socket_drain: the last request under way is answered. */
	void (*drained)(void *context);
};

/* Owns `fd` from now on (closed on failure too), and accepts from it once it is opened. */
MUST_USE enum status control_socket_create(struct loop *loop, int fd, const struct caller_groups *groups,
					   const struct control_socket_handler *handler, void *context,
					   struct control_socket **out_control);
/* Starts to accept clients, as there is a role to pass their requests to. Does nothing when open or draining. */
MUST_USE enum status control_socket_open(struct control_socket *control);
/* What a role answered; dropped if nobody waits for it any more. */
void control_socket_answer(struct control_socket *control, uint64_t request, struct span json);
/* The same, as a refusal. */
void control_socket_refuse(struct control_socket *control, uint64_t request, const char *error);
/* A role is gone: the clients that wait for it are told so. */
void control_socket_role_lost(struct control_socket *control, enum role_kind role);
/* Takes nothing new; `drained` follows, perhaps in this call. */
void control_socket_drain(struct control_socket *control);
void control_socket_free(struct control_socket **control);

#endif

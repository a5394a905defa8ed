/*
 * What happens to the sockets of one gate: its process is told of them, and they are judged when it has ended. Owns
 * nothing; sockets.c owns them.
 */
#include "supervise/gate_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/listener.h"

/* Bytes of a descriptor's name, the NUL included. */
#define NAME_SIZE 192

/* ---- visits */

/* What is done with each socket of a gate. */
struct visit {
	struct sockets *sockets;
	void (*see)(struct visit *visit, struct socket_entry *entry, const char *name);
	uint64_t after; /* take_newer */
	enum status (*take)(void *context, const char *name, int fd);
	void *context;
	enum status status; /* of the first that failed */
	bool well, renewed; /* judge_one */
};

/*
 * A name is "ADDRESS:SOCKET:LISTENER": the number of the address in the section, then that of the gate's socket there,
 * both from 0.
 */
static void visit_address(struct visit *visit, const struct gate_place *place, const struct config_listener *listener,
			  size_t k)
{
	char name[NAME_SIZE];
	unsigned number = 0;
	struct socket_entry *entry;
	for (unsigned slot = place->index;
	     (entry = sockets_find(visit->sockets, listener->address.items[k], slot)) != NULL; slot += place->gates) {
		snprintf(name, sizeof(name), "%zu:%u:%s", k, number++, listener->name);
		visit->see(visit, entry, name);
	}
}

static void visit_gate(struct visit *visit, const struct gate_place *place)
{
	for (size_t i = 0; i < place->config->listener.count; i++) {
		const struct config_listener *listener = &place->config->listener.items[i];
		for (size_t k = 0; k < listener->address.count; k++)
			visit_address(visit, place, listener, k);
	}
}

/*
 * The new socket is opened before the old one is closed, so that nobody else gets the port. STATUS_SYSTEM: there is
 * neither.
 */
static enum status renew_socket(struct sockets *sockets, struct socket_entry *entry)
{
	struct endpoint endpoint;
	int fd = -1;
	enum status status = endpoint_parse(span_of(entry->address), &endpoint);
	if (status == STATUS_OK)
		status = listener_open_socket(&endpoint, &fd);
	if (status != STATUS_OK)
		log_error("can't listen on %s: %s", entry->address, strerror(errno));
	if (entry->fd >= 0)
		close(entry->fd);
	entry->fd = fd;
	entry->number = ++sockets->last_number;
	return status;
}

/* ---- after a gate's end */

/*
 * Whether a socket is as listener_open_socket made it. A gate that was taken over may say that it drained, and end well
 * in every way that we can see, so its word doesn't count. None of its system calls changes a listening socket
 * (gate_calls.def), and this asks the kernel whether that is so. A gate that crashed or had to be killed may have been
 * in the middle of something that we have not thought of: its sockets are replaced whatever the kernel says.
 */
static bool is_sound(int fd)
{
	int listens = 0;
	socklen_t size = sizeof(listens);
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens &&
	       fcntl(fd, F_GETFL) == (O_RDWR | O_NONBLOCK) && fcntl(fd, F_GETOWN) == 0;
}

/*
 * A living gate of another config may have this socket too, and takes the clients that wait there. It must not block on
 * it.
 */
static void judge_one(struct visit *visit, struct socket_entry *entry, const char *name)
{
	(void)name;
	if (entry->fd < 0 || (visit->well && is_sound(entry->fd)))
		return;
	fcntl(entry->fd, F_SETFL, O_NONBLOCK);
	visit->renewed = true;
	(void)!renew_socket(visit->sockets, entry); /* if it fails, the next gate to be told of it tries again */
}

bool gate_sockets_judge(struct sockets *sockets, const struct gate_place *place, bool well)
{
	struct visit visit = { .sockets = sockets, .see = judge_one, .well = well };
	visit_gate(&visit, place);
	return visit.renewed;
}

static void take_newer(struct visit *visit, struct socket_entry *entry, const char *name)
{
	if (visit->status == STATUS_OK && entry->fd < 0)
		visit->status = renew_socket(visit->sockets, entry);
	if (visit->status == STATUS_OK && entry->number > visit->after)
		visit->status = visit->take(visit->context, name, entry->fd);
}

enum status gate_sockets_visit_newer(struct sockets *sockets, const struct gate_place *place, uint64_t after,
				     enum status (*take)(void *context, const char *name, int fd), void *context)
{
	struct visit visit = {
		.sockets = sockets, .see = take_newer, .after = after, .take = take, .context = context
	};
	visit_gate(&visit, place);
	return visit.status;
}

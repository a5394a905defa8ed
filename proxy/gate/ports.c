/*
 * The sockets that a gate listens on. Owns them; most are also a successor's, or will be. One that is given up is
 * emptied first: a client in its queue has been greeted by the kernel, and would be reset.
 */
#include "gate/ports.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "gate/admission.h"
#include "gate/arrival.h"

#define NAME_SIZE 192 /* bytes of a descriptor's name, the NUL included */

struct port {
	struct port *next;
	char name[NAME_SIZE];
	struct listener *listener;
};

static void on_accepted(void *context, int fd, const struct endpoint *peer)
{
	struct gate_listener *listener = context;
	stats_add(listener->gate->role->stats, COUNTER_CONNECTIONS, listener->index, 1);
	if (arrival_is_expected(listener, peer))
		arrival_begin(listener, fd, peer);
	else
		admission_admit(listener, fd, peer);
}

/* Takes `fd` over. */
static enum status add_port(struct gate_listener *listener, const char *name, int fd)
{
	struct port *port = calloc(1, sizeof(*port));
	if (port == NULL) {
		close(fd);
		return STATUS_NO_MEMORY;
	}
	snprintf(port->name, sizeof(port->name), "%s", name);
	enum status status = listener_create(listener->gate->loop, fd, on_accepted, listener, &port->listener);
	if (status != STATUS_OK) {
		free(port);
		return status;
	}
	port->next = listener->ports;
	listener->ports = port;
	return STATUS_OK;
}

/* "ADDRESS:SOCKET:LISTENER" */
static struct gate_listener *find_section(struct gate *gate, struct span name)
{
	struct span number;
	if (!span_cut(&name, ':', &number) || !span_cut(&name, ':', &number))
		return NULL;
	for (size_t i = 0; i < gate->listener_count; i++)
		if (span_equal(name, span_of(gate->listeners[i].config->name)))
			return &gate->listeners[i];
	return NULL;
}

enum status ports_listen(void *state, struct span name, int fd)
{
	struct gate *gate = state;
	struct gate_listener *listener = find_section(gate, name);
	char text[NAME_SIZE];
	if (listener == NULL || name.size >= sizeof(text)) {
		close(fd);
		return STATUS_INVALID;
	}
	if (gate->draining) { /* it was told to end meanwhile, and its successor has the socket, too */
		close(fd);
		return STATUS_OK;
	}
	snprintf(text, sizeof(text), "%.*s", SPAN_ARGS(name));
	for (struct port **at = &listener->ports; *at; at = &(*at)->next) {
		struct port *former = *at;
		if (!span_equal(name, span_of(former->name)))
			continue;
		*at = former->next;
		log_info("listens on another socket as %s", text);
		listener_finish(&former->listener);
		free(former);
		break;
	}
	return add_port(listener, text, fd);
}

static void end_ports(struct gate *gate, void (*end)(struct listener **listener))
{
	for (size_t i = 0; i < gate->listener_count; i++) {
		struct port *port;
		while ((port = gate->listeners[i].ports) != NULL) {
			gate->listeners[i].ports = port->next;
			end(&port->listener);
			free(port);
		}
	}
}

void ports_finish(struct gate *gate)
{
	end_ports(gate, listener_finish);
}

void ports_close(struct gate *gate)
{
	end_ports(gate, listener_free);
}

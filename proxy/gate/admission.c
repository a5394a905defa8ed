/* Admission of connections. Owns the descriptor that it was given until it is handed on or closed. */
#include "gate/admission.h"

#include <unistd.h>

#include "base/log.h"
#include "gate/count.h"
#include "gate/session_life.h"

static const struct {
	enum stats_refusal reason;
	struct span reply;
} refusals[] = {
	[LIMITS_CONNECTIONS] = { REFUSAL_CONNECTIONS,
				 SPAN("421 4.7.0 Too many connections, please try again later\r\n") },
	[LIMITS_ADDRESS] = { REFUSAL_ADDRESS, SPAN("421 4.7.0 Too many connections, please try again later\r\n") },
	[LIMITS_MEMORY] = { REFUSAL_MEMORY, SPAN("421 4.3.2 No memory for more clients, please try again later\r\n") },
	[LIMITS_DESCRIPTORS] = { REFUSAL_DESCRIPTORS,
				 SPAN("421 4.3.2 No room for more clients, please try again later\r\n") },
	[LIMITS_NETWORK] = { REFUSAL_NETWORK, SPAN("421 4.7.0 This port does not serve your network\r\n") },
};

/* A client of an encrypted port can't read a reply that is not; the others are told why. */
void admission_refuse(struct gate_listener *listener, int fd, const struct endpoint *client,
		      enum limits_verdict verdict)
{
	struct span reply = refusals[verdict].reply;
	char address[ENDPOINT_TEXT_SIZE];
	endpoint_format(client, address);
	count_refused(listener->gate, refusals[verdict].reason);
	refused_note(&listener->gate->refused, refusals[verdict].reason, span_of(address), endpoint_port(client),
		     span_of(listener->config->name));
	if (listener->config->tls == LISTENER_TLS_STARTTLS && write(fd, reply.data, reply.size) < 0)
		log_debug("a refused client was gone already");
	close(fd);
}

static enum limits_verdict judge_client(const struct gate_listener *listener, const struct endpoint *client,
					uint64_t network)
{
	if (listener->served.count && !networks_contain(&listener->served, client))
		return LIMITS_NETWORK;
	return limits_enter(&listener->gate->limits, network);
}

void admission_admit(struct gate_listener *listener, int fd, const struct endpoint *client)
{
	uint64_t network = limits_network_of(&client->storage);
	enum limits_verdict verdict = judge_client(listener, client, network);
	if (verdict == LIMITS_ADMITTED)
		session_open(listener, fd, client, network);
	else
		admission_refuse(listener, fd, client, verdict);
}

/*
 * Waiting for PROXY headers. Owns the descriptor and a buffer of the largest header's size for each. The bytes are
 * looked at in the kernel first and taken only as far as they belong to the header: what follows it is the client's,
 * TLS as often as not. A part of a header is taken at once, or the descriptor would stay readable and the loop would
 * never rest.
 */
#include "gate/arrival.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "gate/admission.h"
#include "gate/count.h"
#include "gate/departure.h"
#include "gate/session_life.h"
#include "net/proxy_header.h"

#define HEADER_MS 3000    /* proxy-protocol.txt, 2: at least 3 s, so that a lost segment may come again */
#define WARNING_MS 60000U /* between two warnings: a wrong load balancer is wrong for each connection */

struct arrival {
	TAILQ_ENTRY(arrival) in_gate;
	struct gate_listener *listener;
	int fd; /* -1: handed on */
	struct endpoint peer;
	struct watch *watch;
	struct timer *deadline;
	size_t size; /* bytes of the header taken so far */
	char bytes[PROXY_HEADER_MAXIMUM];
};

/* ---- whose headers are believed */

bool arrival_is_expected(const struct gate_listener *listener, const struct endpoint *peer)
{
	return networks_contain(&listener->proxies, peer);
}

/* ---- the end */

static void end_arrival(struct arrival *a)
{
	struct gate *gate = a->listener->gate;
	TAILQ_REMOVE(&gate->arrivals, a, in_gate);
	limits_leave(&gate->limits, LIMITS_NO_NETWORK);
	watch_free(&a->watch);
	timer_free(&a->deadline);
	if (a->fd >= 0)
		close(a->fd);
	free(a);
}

void arrival_end_all(struct gate *gate)
{
	struct arrival *a;
	while ((a = TAILQ_FIRST(&gate->arrivals)) != NULL)
		end_arrival(a);
}

static void refuse_arrival(struct arrival *a, const char *why)
{
	struct gate *gate = a->listener->gate;
	uint64_t now = loop_now_ms(gate->loop);
	char address[ENDPOINT_TEXT_SIZE];
	endpoint_format(&a->peer, address);
	count_refused(gate, REFUSAL_SYNTAX);
	if (gate->arrival_warned_ms == 0 || now - gate->arrival_warned_ms >= WARNING_MS) {
		gate->arrival_warned_ms = now;
		log_warning("listener %s: a connection from %s, which is in proxy_protocol_from, was closed: %s",
			    a->listener->config->name, address, why);
	}
	end_arrival(a);
	departure_note(gate);
}

static void on_deadline(void *context)
{
	refuse_arrival(context, "no PROXY header came in time");
}

/* ---- the header */

static void hand_on_client(struct arrival *a, const struct proxy_header *header)
{
	struct gate_listener *listener = a->listener;
	const struct endpoint client = header->has_client ? header->client : a->peer;
	int fd = a->fd;
	a->fd = -1;
	end_arrival(a);
	admission_admit(listener, fd, &client);
	departure_note(listener->gate);
}

/* Takes as many bytes as were seen before; only a fault of the system can give fewer. */
static bool take_header_bytes(struct arrival *a, size_t size)
{
	if (recv(a->fd, a->bytes + a->size, size, 0) != (ssize_t)size)
		return false;
	a->size += size;
	return true;
}

static void look_at_header(struct arrival *a, size_t seen)
{
	struct proxy_header header;
	size_t used = 0;
	enum status status = proxy_header_parse((struct span){ a->bytes, a->size + seen }, &header, &used);
	if (status != STATUS_OK && status != STATUS_AGAIN)
		refuse_arrival(a, "it did not begin with a PROXY header");
	else if (!take_header_bytes(a, status == STATUS_OK ? used - a->size : seen))
		refuse_arrival(a, "it can't be read");
	else if (status == STATUS_OK)
		hand_on_client(a, &header);
}

static void on_ready(void *context, unsigned events)
{
	struct arrival *a = context;
	struct gate *gate = a->listener->gate;
	(void)events;
	ssize_t seen = recv(a->fd, a->bytes + a->size, sizeof(a->bytes) - a->size, MSG_PEEK);
	if (seen > 0) {
		look_at_header(a, (size_t)seen);
	} else if (seen == 0 || (errno != EAGAIN && errno != EINTR)) {
		end_arrival(a); /* such as a health check that only connects */
		departure_note(gate);
	}
}

/* ---- the beginning */

void arrival_begin(struct gate_listener *listener, int fd, const struct endpoint *peer)
{
	struct gate *gate = listener->gate;
	struct arrival *a = NULL;
	enum limits_verdict verdict = limits_enter(&gate->limits, LIMITS_NO_NETWORK);
	if (verdict == LIMITS_ADMITTED && (a = malloc(sizeof(*a))) == NULL) {
		limits_leave(&gate->limits, LIMITS_NO_NETWORK);
		verdict = LIMITS_MEMORY;
	}
	if (a == NULL) {
		admission_refuse(listener, fd, peer, verdict);
		return;
	}
	a->listener = listener;
	a->fd = fd;
	a->peer = *peer;
	a->watch = NULL;
	a->deadline = NULL;
	a->size = 0;
	TAILQ_INSERT_TAIL(&gate->arrivals, a, in_gate);
	if (watch_create(gate->loop, fd, WATCH_READ, on_ready, a, &a->watch) != STATUS_OK ||
	    timer_make(gate->loop, on_deadline, a, &a->deadline) != STATUS_OK) {
		session_log_no_memory(gate);
		end_arrival(a);
		return;
	}
	timer_set(a->deadline, HEADER_MS);
}

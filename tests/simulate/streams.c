/*
 * net/stream.h, played: connections from relay processes to servers of the simulation. Bytes take their time and keep
 * their order. What a turn writes goes out at its end; what a killed process had written by then
 * arrives, and then the end of its connection.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "tests/simulate/streams_private.h"

#define KERNEL_MAXIMUM (16U << 20) /* bytes on their way: never the bottleneck */
#define SLOW_OF_THOUSAND 4         /* packets that are late */

static struct sim_server *servers;
static struct stream *streams;
static struct sim_peer *peers;

/* ---- packets */

static uint64_t latency(void)
{
	return sim_chance(SLOW_OF_THOUSAND) ? sim_between(2000, 400000) : sim_between(20, 1500);
}

static uint64_t arrival(uint64_t *last_us)
{
	uint64_t at_us = sim_now_us + latency();
	if (at_us <= *last_us)
		at_us = *last_us + 1;
	*last_us = at_us;
	return at_us - sim_now_us;
}

struct packet {
	struct sim_peer *peer;
	size_t size;
	char bytes[];
};

static struct packet *make_packet(struct sim_peer *peer, struct span bytes)
{
	struct packet *packet = malloc(sizeof(*packet) + bytes.size);
	assert(packet);
	packet->peer = peer;
	packet->size = bytes.size;
	if (bytes.size)
		memcpy(packet->bytes, bytes.data, bytes.size);
	return packet;
}

static void must(enum status status)
{
	assert(status == STATUS_OK);
}

/* ---- to the server */

static void reach_server(void *context)
{
	struct packet *packet = context;
	struct sim_peer *peer = packet->peer;
	struct span bytes = { packet->bytes, packet->size };
	if (!peer->is_closed && peer->server->is_frozen)
		must(buf_append(&peer->held, bytes));
	else if (!peer->is_closed)
		peer->server->on_bytes(peer, bytes);
	free(packet);
}

static void leave_server(void *context)
{
	struct sim_peer *peer = context;
	if (peer->is_closed)
		return;
	peer->is_close_held = peer->server->is_frozen;
	if (peer->is_close_held)
		return;
	peer->is_closed = true;
	peer->server->on_closed(peer);
}

static void send_to_server(struct stream *s)
{
	if (buf_size(&s->output) == 0 || !s->is_connected || s->is_securing)
		return;
	struct packet *packet = make_packet(s->peer, buf_span(&s->output));
	buf_clear(&s->output);
	sim_after(&sim_outside, arrival(&s->peer->there_us), reach_server, packet);
}

static void end_to_server(struct stream *s)
{
	if (s->peer)
		sim_after(&sim_outside, arrival(&s->peer->there_us), leave_server, s->peer);
}

/* ---- from the server */

static void plan_pump(struct stream *s);

static void reach_stream(void *context)
{
	struct packet *packet = context;
	struct stream *s = packet->peer->stream;
	if (!s->is_gone && !s->process->is_dead) {
		must(buf_append(&s->coming, (struct span){ packet->bytes, packet->size }));
		plan_pump(s);
	}
	free(packet);
}

static void end_stream(void *context)
{
	struct stream *s = context;
	s->is_ended = true;
	if (!s->is_gone && !s->process->is_dead)
		plan_pump(s);
}

void sim_peer_send(struct sim_peer *peer, struct span bytes)
{
	if (!peer->is_closed)
		sim_after(&sim_outside, arrival(&peer->back_us), reach_stream, make_packet(peer, bytes));
}

void sim_peer_close(struct sim_peer *peer)
{
	if (peer->is_closed)
		return;
	peer->is_closed = true;
	sim_after(&sim_outside, arrival(&peer->back_us), end_stream, peer->stream);
}

void sim_cut_connections(struct sim_server *server)
{
	for (struct sim_peer *peer = peers; peer; peer = peer->next) {
		if (peer->server != server || peer->is_closed)
			continue;
		buf_clear(&peer->held);
		peer->server->on_closed(peer);
		sim_peer_close(peer);
	}
}

void sim_thaw(struct sim_server *server)
{
	server->is_frozen = false;
	for (struct sim_peer *peer = peers; peer; peer = peer->next) {
		if (peer->server != server || peer->is_closed)
			continue;
		if (buf_size(&peer->held)) {
			struct buf held BUF_AUTO = peer->held;
			buf_init(&peer->held, KERNEL_MAXIMUM);
			server->on_bytes(peer, buf_span(&held));
		}
		if (peer->is_close_held)
			leave_server(peer);
	}
}

struct sim_server *sim_peer_server(struct sim_peer *peer)
{
	return peer->server;
}

void **sim_peer_context(struct sim_peer *peer)
{
	return &peer->context;
}

struct process *sim_peer_process(struct sim_peer *peer)
{
	return peer->process;
}

void sim_listen(struct sim_server *server)
{
	server->next = servers;
	servers = server;
}

/* ---- events of a stream, one a turn */

static bool can_take_in(const struct stream *s)
{
	return s->is_connected && !s->is_securing && !s->is_paused && !s->is_told_ended && buf_size(&s->coming) &&
	       buf_room(&s->input);
}

static bool is_end_due(const struct stream *s)
{
	return s->is_ended && !s->is_told_ended && buf_size(&s->coming) == 0 && !s->is_paused;
}

static bool is_anything_due(const struct stream *s)
{
	if (s->is_gone || s->is_told_failed)
		return false;
	return s->has_failed || (s->wants_drained && buf_size(&s->output) == 0) || can_take_in(s) || is_end_due(s);
}

static void tell(struct stream *s, enum stream_event event)
{
	s->options.on_event(s->options.context, s, event);
}

static void take_in(struct stream *s)
{
	size_t size = buf_size(&s->coming) < buf_room(&s->input) ? buf_size(&s->coming) : buf_room(&s->input);
	if (size > 1 && sim_chance(50))
		size = 1 + sim_draw((uint32_t)size - 1);
	must(buf_append(&s->input, span_slice(buf_span(&s->coming), 0, size)));
	buf_consume(&s->coming, size);
	tell(s, STREAM_INPUT);
}

static void pump(void *context)
{
	struct stream *s = context;
	s->pump = NULL;
	if (!is_anything_due(s))
		return;
	if (s->has_failed) {
		s->is_told_failed = true;
		tell(s, STREAM_FAILED);
	} else if (s->wants_drained && buf_size(&s->output) == 0) {
		s->wants_drained = false;
		tell(s, STREAM_DRAINED);
	} else if (can_take_in(s)) {
		take_in(s);
	} else {
		s->is_told_ended = true;
		tell(s, STREAM_ENDED);
	}
}

static void plan_pump(struct stream *s)
{
	if (s->pump == NULL && is_anything_due(s))
		s->pump = sim_turn_after(s->process, 1 + sim_draw(20), pump, s);
}

void sim_pump_streams(struct process *process)
{
	struct stream **at = &streams;
	while (*at) {
		struct stream *s = *at;
		if (s->is_gone) { /* its peer still knows it */
			*at = s->next;
			continue;
		}
		if (s->process == process) {
			send_to_server(s);
			plan_pump(s);
		}
		at = &s->next;
	}
}

/* ---- streams, as their owners call them */

static void expire(void *context)
{
	struct stream *s = context;
	if (!s->is_gone && !s->is_told_failed)
		tell(s, STREAM_TIMEOUT);
}

static struct stream *make_stream(struct loop *loop, const struct stream_options *options)
{
	struct stream *s = calloc(1, sizeof(*s));
	assert(s);
	s->process = sim_process;
	s->loop = loop;
	s->options = *options;
	buf_init(&s->input, options->input_maximum);
	buf_init(&s->output, options->output_maximum);
	buf_init(&s->coming, KERNEL_MAXIMUM);
	must(timer_make(loop, expire, s, &s->deadline));
	s->next = streams;
	streams = s;
	return s;
}

enum status stream_create(struct loop *loop, int fd, const struct stream_options *options, struct stream **out_stream)
{
	(void)loop, (void)fd, (void)options, (void)out_stream;
	sim_fail("a relay made a stream of a descriptor");
}

static void write_address(const struct sockaddr *address, char out_text[128])
{
	char host[64];
	if (address->sa_family == AF_UNIX) {
		snprintf(out_text, 128, "%s", ((const struct sockaddr_un *)(const void *)address)->sun_path);
		return;
	}
	const struct sockaddr_in *ip = (const void *)address;
	inet_ntop(AF_INET, &ip->sin_addr, host, sizeof(host));
	snprintf(out_text, 128, "%s:%u", host, ntohs(ip->sin_port));
}

static struct sim_server *find_server(const char *address)
{
	struct sim_server *server = servers;
	while (server && strcmp(server->address, address) != 0)
		server = server->next;
	return server;
}

static void accept_stream(struct stream *s, struct sim_server *server)
{
	struct sim_peer *peer = calloc(1, sizeof(*peer));
	assert(peer);
	*peer = (struct sim_peer){ .server = server, .stream = s, .process = s->process, .next = peers };
	buf_init(&peer->held, KERNEL_MAXIMUM);
	peers = peer;
	s->peer = peer;
}

static void open_at_server(void *context)
{
	struct sim_peer *peer = context;
	if (!peer->is_closed)
		peer->server->on_open(peer);
}

static void finish_connect(void *context)
{
	struct stream *s = context;
	struct sim_server *server = find_server(s->error);
	if (s->is_gone)
		return;
	s->is_connecting = false;
	if (server == NULL || server->is_down) {
		s->has_failed = true;
		snprintf(s->error, sizeof(s->error), "Connection refused");
		return; /* the end of this turn tells it */
	}
	s->error[0] = '\0';
	s->is_connected = true;
	accept_stream(s, server);
	sim_after(&sim_outside, arrival(&s->peer->there_us), open_at_server, s->peer);
	tell(s, STREAM_CONNECTED);
}

enum status stream_connect(struct loop *loop, const struct sockaddr *address, unsigned address_size,
			   const struct stream_options *options, struct stream **out_stream)
{
	char text[128];
	(void)address_size;
	struct stream *s = make_stream(loop, options);
	write_address(address, text);
	snprintf(s->error, sizeof(s->error), "%.63s", text);
	s->is_connecting = true;
	sim_turn_after(s->process, latency(), finish_connect, s);
	*out_stream = s;
	return STATUS_OK;
}

static void forget_stream(struct stream *s)
{
	s->is_gone = true;
	sim_cancel(&s->pump);
	timer_free(&s->deadline);
	end_to_server(s);
	if (s->options.on_gone)
		s->options.on_gone(s->options.gone_context);
}

void stream_free(struct stream **stream)
{
	if (*stream)
		forget_stream(*stream);
	*stream = NULL;
}

void stream_finish(struct stream **stream, uint64_t limit_ms)
{
	(void)limit_ms;
	if (*stream && (*stream)->is_connected)
		send_to_server(*stream);
	stream_free(stream);
}

void sim_close_streams(struct process *process)
{
	for (struct stream *s = streams; s; s = s->next) {
		if (s->process != process || s->is_gone)
			continue;
		s->is_gone = true;
		end_to_server(s);
	}
}

static void finish_handshake(void *context)
{
	struct stream *s = context;
	if (s->is_gone || s->has_failed)
		return;
	s->is_securing = false;
	s->is_secure = true;
	tell(s, STREAM_SECURED);
}

enum status stream_secure_client(struct stream *stream, struct tls_context *context, struct span name)
{
	(void)context, (void)name;
	if (buf_size(&stream->input) || stream->is_secure || stream->is_securing)
		return STATUS_INVALID;
	stream->is_securing = true;
	sim_turn_after(stream->process, 2 * latency(), finish_handshake, stream);
	return STATUS_OK;
}

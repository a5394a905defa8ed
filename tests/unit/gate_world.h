/*
 * The world around a gate under test: two loops, of the gate with its clients and of the fake roles, what role_main.c
 * would give it, and the trace of what it told the other roles. See gate_fixture.h.
 */
#ifndef TESTS_UNIT_GATE_WORLD_H
#define TESTS_UNIT_GATE_WORLD_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "door/messages.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/tls.h"
#include "role/role.h"
#include "stats/census.h"

#define PATIENCE_MS 30000       /* for what must happen */
#define BIG_MAXIMUM (64U << 20) /* bytes: no buffer of the fixture is the bottleneck */

static const char certificate_pem[] = "-----BEGIN CERTIFICATE-----\n"
				      "MIIBjjCCATOgAwIBAgIUL2BZoFEeTs8jVNALu+qn1aRPjbAwCgYIKoZIzj0EAwIw\n"
				      "GzEZMBcGA1UEAwwQbWFpbC5leGFtcGxlLmNvbTAgFw0yNjExMjIwNjM1NTRaGA8y\n"
				      "MTI2MTAyOTA2MzU1NFowGzEZMBcGA1UEAwwQbWFpbC5leGFtcGxlLmNvbTBZMBMG\n"
				      "ByqGSM49AgEGCCqGSM49AwEHA0IABL7mybAuMJlIBHKRRUJXTaxuA42Ob3Ycn0LQ\n"
				      "+oKvDL7K//Bp8z4GlLtov49uYQjxMUK+WRFWsbj6IfJHcWNQSASjUzBRMB0GA1Ud\n"
				      "DgQWBBRK2gEnq+7b3SkQhOSSgErXRutg2DAfBgNVHSMEGDAWgBRK2gEnq+7b3SkQ\n"
				      "hOSSgErXRutg2DAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQDT\n"
				      "bWVAUfWUjb4dLBbnyRCqduPG4uf/vr1YvNhWYOYeowIhAJeU9EKqKR+yYcwdAAZ8\n"
				      "YTxcMb3T0ZLtXBc9cCd8K6n+\n"
				      "-----END CERTIFICATE-----\n";
static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
			      "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3a3ZwUl8wKNHE+Lf\n"
			      "kBJit9UKl6UYx7g3GfndvwAHbUuhRANCAAS+5smwLjCZSARykUVCV02sbgONjm92\n"
			      "HJ9C0PqCrwy+yv/wafM+BpS7aL+PbmEI8TFCvlkRVrG4+iHyR3FjUEgE\n"
			      "-----END PRIVATE KEY-----\n";

#define GATE_SEAT 4 /* in the census; others may stand beside it */

enum { SUBMISSIONS, SUBMISSION, LISTENERS }; /* implicit TLS, STARTTLS */

struct peer {
	struct door *door;
	bool silent;   /* keeps its answers back; the test gives them */
	uint64_t last; /* number of the request or transaction seen last */
};

struct world {
	struct loop *loop; /* of the gate and its clients */
	struct timer *tick;
	struct loop *peer_loop; /* of the fake roles, so that they can pause */
	struct timer *peer_tick;
	bool peers_paused;
	struct config config;
	struct stats *stats;
	struct census_board *census;
	struct role_context role;
	void *gate;
	bool finished; /* the role called role_finish */
	struct endpoint endpoints[LISTENERS];
	int listener_fds[LISTENERS];
	struct tls_context *tls; /* of clients */
	struct peer auth, relay;
	struct buf trace;   /* a line a frame */
	struct buf message; /* bytes of MESSAGE_DATA */
};

struct client {
	struct world *world;
	struct stream *stream;
	struct buf heard;
	bool secured, ended, failed;
};

static struct world world;

/* ---- what role_main.c gives a role */

int role_take_fd(const struct role_context *context, const char *name)
{
	(void)context;
	if (strcmp(name, "census") == 0)
		return dup(census_board_fd(world.census));
	if (strcmp(name, "census-reading") == 0)
		return dup(census_board_reading_fd(world.census));
	return -1;
}

enum status role_take_secret(const struct role_context *context, const char *name, struct secret *out_secret)
{
	static const char tickets[TLS_TICKET_KEY_SIZE] = { 1 };
	(void)context;
	if (strcmp(name, "tls-certificate") == 0)
		return secret_from_span(span_of(certificate_pem), out_secret);
	if (strcmp(name, "tls-key") == 0)
		return secret_from_span(span_of(key_pem), out_secret);
	if (strcmp(name, "tls-tickets") == 0)
		return secret_from_span((struct span){ tickets, sizeof(tickets) }, out_secret);
	return STATUS_NOT_FOUND;
}

void role_door_lost(const struct role_context *context, enum role_kind peer, uint32_t instance)
{
	(void)context;
	if (world.trace.maximum &&
	    buf_printf(&world.trace, "LOST %s %u\n", peer == ROLE_AUTH ? "auth" : "relay", instance) != STATUS_OK)
		abort();
}

void role_finish(const struct role_context *context)
{
	(void)context;
	world.finished = true;
}

/* ---- turns of the loop */

static inline void on_tick(void *context)
{
	loop_stop(context);
}

static inline void world_turn(void)
{
	timer_set(world.tick, 1);
	loop_run(world.loop);
	if (world.peers_paused)
		return;
	timer_set(world.peer_tick, 0);
	loop_run(world.peer_loop);
}

/* Turns until the condition holds, or patience is gone. */
#define RUN_UNTIL(condition)                                                                    \
	do {                                                                                    \
		for (unsigned ms_ = 0; !(condition) && ms_ < PATIENCE_MS; ms_++)                \
			world_turn();                                                           \
		if (!(condition))                                                               \
			fail_msg("%s:%d: never came true: %s", __FILE__, __LINE__, #condition); \
	} while (0)

/* For so long, and three turns more: what a peer sends has reached the gate then, however slow the machine is. */
static inline void world_turn_for(unsigned ms)
{
	uint64_t until = clock_monotonic_ms() + ms;
	for (unsigned turns = 0; turns < 3; turns += clock_monotonic_ms() >= until)
		world_turn();
}

/* ---- the trace */

static inline void trace_line(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	assert_int_equal(buf_vprintf(&world.trace, format, args), STATUS_OK);
	va_end(args);
}

static inline bool was_traced(const char *text)
{
	struct span all = buf_span(&world.trace);
	return all.size && memmem(all.data, all.size, text, strlen(text)) != NULL;
}

static inline size_t count_traced(const char *text)
{
	size_t count = 0;
	struct span rest = buf_span(&world.trace);
	const char *at;
	while (rest.size && (at = memmem(rest.data, rest.size, text, strlen(text))) != NULL) {
		count++;
		rest = span_slice(rest, (size_t)(at - rest.data) + 1, rest.size);
	}
	return count;
}

static inline void trace_list(const char *name, struct codec_list list)
{
	struct span item;
	trace_line(" %s=", name);
	while (codec_list_next(&list, &item))
		trace_line("<%.*s>", SPAN_ARGS(item));
}

#endif

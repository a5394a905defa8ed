/* The inside of the played streams: streams.c moves bytes, streams_calls.c is what needs no network. */
#ifndef TESTS_SIMULATE_STREAMS_PRIVATE_H
#define TESTS_SIMULATE_STREAMS_PRIVATE_H

#include "net/stream.h"
#include "net/tls.h"
#include "tests/simulate/world.h"

/* One connection: a stream of ours, and the server's end. */
struct stream {
	struct process *process;
	struct stream *next;
	struct stream_options options;
	struct loop *loop;
	struct buf input, output, coming;
	struct timer *deadline;
	struct sim_event *pump;
	bool is_connecting, is_connected, has_failed, is_told_failed, is_secure, is_securing;
	bool is_paused, wants_drained;
	bool is_ended, is_told_ended; /* by the server */
	bool is_gone;                 /* its owner left it */
	char error[64];
	struct sim_peer *peer;
};

struct sim_peer {
	struct sim_server *server;
	struct stream *stream;
	void *context;
	struct process *process;
	uint64_t there_us, back_us; /* when the last bytes arrive, either way */
	struct buf held;            /* while the server is frozen */
	bool is_closed, is_close_held;
	struct sim_peer *next;
};

#endif

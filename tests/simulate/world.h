/*
 * The simulated world: one process, one thread, one virtual clock, and one seed that decides everything. What is due is
 * an event; sim_step runs the earliest. Relay processes are real code on a played net (loops.c, streams.c), played
 * threads (threads.c) and real files in a folder of their own; servers and clients are the outside's events.
 *
 * Nothing is freed that a killed process leaves: each seed runs in a process of its own (simulate.c).
 */
#ifndef TESTS_SIMULATE_WORLD_H
#define TESTS_SIMULATE_WORLD_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/loop.h"

#define SECOND_US 1000000U
#define MINUTE_US (60ULL * SECOND_US)

/* ---- the seed: world.c */

void sim_begin(uint64_t seed, bool is_verbose);
uint32_t sim_draw(uint32_t below);     /* 0 <= drawn < below */
bool sim_chance(uint32_t of_thousand); /* true so often */
uint64_t sim_between(uint64_t least, uint64_t most);
/* A line of the run: it is hashed, and shown where the run is verbose. */
void sim_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t sim_hash(void);
/* The run has broken a promise: says which, and ends this process. */
_Noreturn void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- time and events: world.c */

/* A relay process, or the outside. Events of one that is dead never run. */
struct process {
	const char *name;
	bool is_dead;
	bool is_joining;         /* its loop waits for the end of a helper thread, and does nothing else */
	const int64_t *shift_us; /* of its node's clock */
	const bool *disk_is_full;
	char zone[64]; /* TZ, which the C library keeps for the whole of us; "": UTC */
	struct loop *loop;
};

extern struct process sim_outside;
extern struct process *sim_process;      /* whose code runs */
extern uint64_t sim_now_us;              /* since the run began */
#define SIM_EPOCH_US 1795910400000000ULL /* 2026-11-29T00:00:00Z, when the run began by a clock that is right */

struct sim_event;
struct sim_event *sim_after(struct process *process, uint64_t delay_us, void (*run)(void *context), void *context);
/* The same, for a helper thread. */
struct sim_event *sim_thread_after(struct process *process, uint64_t delay_us, void (*run)(void *context),
				   void *context);
void sim_cancel(struct sim_event **event); /* NULL-safe; sets to NULL */
bool sim_step(void);                       /* false: nothing is due any more */
/* Its code runs from now on: its clock and zone hold. */
void sim_enter(struct process *process);

/* ---- loops.c */

/* Runs `run` as a turn of that process's loop, after `delay_us`. */
struct sim_event *sim_turn_after(struct process *process, uint64_t delay_us, void (*run)(void *context), void *context);
/* As a turn now; for what is called from outside of all loops. */
void sim_turn(struct process *process, void (*run)(void *context), void *context);
/* Whatever descriptor is ready is told to its watch, somewhat later. After each event. */
void sim_look_at_watches(void);
void sim_drop_watches(struct process *process);

/* ---- streams.c */

struct sim_peer; /* a server's end of a connection */
struct sim_server {
	const char *address; /* "192.0.2.1:25", or the path of a socket */
	void *context;
	bool is_down;   /* connections are refused */
	bool is_frozen; /* it takes and says nothing; what comes waits */
	void (*on_open)(struct sim_peer *peer);
	void (*on_bytes)(struct sim_peer *peer, struct span bytes);
	void (*on_closed)(struct sim_peer *peer);
	struct sim_server *next;
};
void sim_listen(struct sim_server *server);
struct sim_server *sim_peer_server(struct sim_peer *peer);
void **sim_peer_context(struct sim_peer *peer);          /* the server's own, for each connection */
struct process *sim_peer_process(struct sim_peer *peer); /* who connected */
void sim_peer_send(struct sim_peer *peer, struct span bytes);
void sim_peer_close(struct sim_peer *peer);
/* Ends all connections, as a server that dies does. */
void sim_cut_connections(struct sim_server *server);
void sim_thaw(struct sim_server *server);
/* The end of a turn of this process: what its streams wrote goes out, what waits for them is due. */
void sim_pump_streams(struct process *process);
/* The kernel closes what a killed process had open. */
void sim_close_streams(struct process *process);

/* ---- threads.c: thread_start and what such threads wait by */

void sim_drop_threads(struct process *process);
/* The thread that runs sleeps; a loop's own never does. */
void sim_sleep(uint64_t us);
bool sim_is_thread(void); /* it is a helper thread that runs */

#endif

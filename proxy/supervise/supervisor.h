/*
 * The supervisor's state, shared by the files that make it up: supervisor.c
 * (stages of its life), generation.c, post.c (one process), reload.c,
 * supervisor_control.c. Everything runs on one loop and one thread.
 */
#ifndef SUPERVISE_SUPERVISOR_H
#define SUPERVISE_SUPERVISOR_H

#include <stdio.h>

#include "base/pace.h"
#include "config/config.h"
#include "door/door.h"
#include "role/handover.h"
#include "stats/census.h"
#include "stats/life.h"
#include "supervise/embedded_redis.h"
#include "supervise/folders.h"
#include "supervise/gate_sockets.h"
#include "supervise/hang_limits.h"
#include "supervise/identities.h"
#include "supervise/logs.h"
#include "supervise/process.h"
#include "supervise/seats.h"
#include "supervise/sockets.h"
#include "supervise/ticket_keys.h"

struct generation;

/* ---- a post: the place of one process in a generation; who holds it may change */

enum post_state {
	POST_EMPTY,    /* not started yet */
	POST_STARTING, /* a process that has not said READY */
	POST_READY,
	POST_DRAINING, /* told to end; takes_nothing once it says that it heard */
	POST_WAITING,  /* its process died; the next one starts when the back-off is over */
	POST_GONE,     /* its process ended and none follows */
	POST_STATES
};

/* Invariant: process != NULL iff the state is STARTING, READY or DRAINING; then `seat` is taken. */
struct post {
	struct generation *generation;
	enum role_kind kind;
	unsigned index;         /* gates: 1, 2, …; others 0 */
	uint64_t newest_socket; /* gates: it was told of all with a number up to this one; 0: none yet */
	enum post_state state;
	bool takes_nothing; /* it is DRAINING and has stopped taking what is new */
	struct process *process;
	struct door *door;    /* the supervisor's door to it */
	struct door *control; /* admin only: where its commands for the supervisor come from */
	uint32_t instance;
	unsigned seat;
	uint64_t started_us; /* wall clock */
	uint64_t started_ms;
	uint64_t delay_ms; /* the last back-off */
	struct timer *timer;
	struct life_watch life;    /* of this process */
	enum hang hang;            /* what hangs.c thinks of it */
	uint64_t killed_ms;        /* when it was, with HANG_KILLED */
	uint32_t lost[ROLE_KINDS]; /* instances that its door to is lost, until `renewal`; 0: none */
	struct timer *renewal;     /* made when first needed */
	struct pace said;          /* frames of a gate */
};

/* ---- a generation: all roles under one config */

enum generation_stage {
	GENERATION_STARTING, /* some post was not READY yet */
	GENERATION_SERVING,
	GENERATION_DRAINING,
};

struct supervisor;

struct generation {
	struct supervisor *supervisor;
	struct config *config;
	struct handover files; /* owned: what roles get, secrets and files */
	struct post *posts;    /* auth, relay, the gates, admin */
	size_t post_count;
	enum generation_stage stage;
	bool failed;       /* a post ended, or was not READY in time, while it was STARTING */
	bool last_drained; /* auth, relay and admin were told to end as well */
	struct turn_end look;
	struct timer *limit;     /* of the start; of a drain: then what is left is killed */
	struct generation *next; /* in the list of draining ones */
};

/* ---- all of it */

enum stage {
	STAGE_STARTING,
	STAGE_SERVING,
	STAGE_DRAINING, /* gates finish their sessions */
	STAGE_CLOSING,  /* gates are gone, auth, relay and admin finish */
	STAGE_STOPPING, /* roles are gone, Redis finishes */
};

/* Who asked for the reload: an admin process, or nobody (SIGHUP). He is answered when no former process takes anything new. */
struct reload {
	uint32_t admin; /* instance; 0: nobody, or he has his answer */
	uint64_t request;
};

struct supervisor {
	struct loop *loop;
	const char *config_file; /* as given to -c */
	int binary;
	struct folders folders;
	struct identities identities;
	struct embedded_redis *redis; /* or NULL */
	struct ticket_keys *ticket_keys;
	struct sockets sockets;
	struct seats *seats;
	struct census_board *census; /* a place is a gate's seat */
	struct logs *logs;
	struct hangs *hangs;
	uint32_t last_instance;
	uint64_t started_us;
	enum stage stage;
	unsigned terminations; /* signals that asked for the end */
	int exit_code;
	struct generation *current;  /* serves, or is the first and starts */
	struct generation *incoming; /* of a reload, starting; or NULL */
	struct generation *outgoing; /* list of draining ones */
	struct reload reload;
	struct timer *answer_limit;     /* of that one's answer */
	struct log_target *next_target; /* of a reload under way, or NULL */
};

/* "config_file" from the command line, to the end; the process's exit code. */
int supervisor_run(const char *config_file);

/* ---- post.c */

/* Starts a process and gives it doors to all its neighbours. STATUS_SYSTEM and others: nothing was started. */
MUST_USE enum status post_start(struct post *post);
/* Tells its process to end within limit_ms, and whether others serve in its place; a post without one is GONE at once. */
void post_drain(struct post *post, uint64_t limit_ms, bool succeeded);
void post_kill(struct post *post); /* its end is told as any other's */
bool post_has_process(const struct post *post);
void post_free(struct post *post); /* kills */
const char *post_state_text(enum post_state state);
/* Bytes, the NUL included. */
#define POST_NAME_SIZE 32
/* "gate 1", "relay". */
void post_name(const struct post *post, char out_name[POST_NAME_SIZE]);

/* ---- doors.c */

/* New doors between this process and every living neighbour of its generation. */
MUST_USE enum status doors_attach(struct post *post);
/* A new door to each neighbour that is in `lost` and still the same process; empties `lost`. */
void doors_renew(struct post *post);

/* ---- succession.c */

/* Sends to each READY gate of a generation that serves the sockets that it was not told of yet. */
void succession_tell(struct generation *generation);
/* A post's process has ended, `well` if it was told to and did: what a gate listened on is judged, and living gates told. */
void succession_take_end(const struct post *post, bool well);

/* ---- generation.c */

/* Everything that a config needs, opened; no process yet. What is wrong goes to `faults`. Takes the config over, on failure too. */
MUST_USE enum status generation_create(struct supervisor *supervisor, struct config *config, struct span text,
				       FILE *faults, struct generation **out_generation);
/* Starts auth and relay; the gates once those are READY; then admin. The outcome comes as supervisor_generation_…, below. */
void generation_start(struct generation *generation);
/* Gates end within limit_ms; with `all`, the others are told too and wait for them: a generation after it serves. */
void generation_drain(struct generation *generation, uint64_t limit_ms, bool all);
/* Auth, relay and admin end within limit_ms: once the gates are gone. */
void generation_drain_last(struct generation *generation, uint64_t limit_ms);
void generation_kill(struct generation *generation, bool gates_only);
/* To all its gates that run: tickets are made with it from now on. */
void generation_tell_ticket_key(struct generation *generation, struct span key);
bool generation_has(const struct generation *generation, bool gates_only); /* a living process */
/* Draining, and each of its processes has heard it or is gone. */
bool generation_takes_nothing(const struct generation *generation);
void generation_free(struct generation **generation); /* kills what lives; NULL-safe */
/* A post changed: the generation looks at itself at the end of the turn. */
void generation_post_changed(struct generation *generation);
/* How many gates a config makes. */
unsigned generation_gates(const struct config *config);

/* What a generation tells the supervisor, at the end of a turn; it may free the generation. */
void supervisor_generation_serves(struct supervisor *supervisor, struct generation *generation);
void supervisor_generation_failed(struct supervisor *supervisor, struct generation *generation);
void supervisor_generation_shrank(struct supervisor *supervisor, struct generation *generation);

/* ---- reload.c */

/* Begins a reload. Not OK: *out_error is a heap text that tells why (or NULL without memory), as the log does, and nothing has changed. */
MUST_USE enum status reload_begin(struct supervisor *supervisor, const struct reload *reload, char **out_error);
void reload_succeeded(struct supervisor *supervisor); /* the incoming generation serves */
/* A draining generation changed: is it the former one, who asked is answered once nothing of it takes what is new. */
void reload_settle(struct supervisor *supervisor, const struct generation *generation);
void reload_fail(struct supervisor *supervisor, const char *reason); /* it never will */
/* The answer can't wait any longer. Its context is the supervisor. */
void reload_take_answer_limit(void *context);

/* ---- supervisor_control.c */

extern const struct door_handler control_door_handler; /* its context is the post of an admin */
/* Answers the one who asked for the reload, if he is still there. `error` NULL: it is done. */
void control_answer_reload(struct supervisor *supervisor, const char *error);

/* ---- supervisor.c */

/* As SIGTERM: drain and end. */
void supervisor_end(struct supervisor *supervisor);

#endif

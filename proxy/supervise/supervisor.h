/*
 * The supervisor's state, shared by the files that make it up. All of it runs on one loop and one thread. Each file
 * calls only files further down in this list; what happens below is noted on the generation, which looks at its posts
 * at the end of the turn and tells the supervisor, which alone decides, through a struct of handlers.
 *
 *   supervisor.c            prepares the node; decides what follows when a generation serves, failed or shrank
 *   supervisor_control.c    administrators' commands
 *   ending.c                the end of all, stage by stage
 *   reload.c                a new generation in place of the old one
 *   generation.c            all roles under one config
 *   post_life.c             one process, from fork to its last word
 *   doors.c, succession.c   what its neighbours and its successor get
 *   hangs.c                 whether a process still turns
 *   surroundings.c          what it needs beside its processes, and how much mail goes through it
 *   post.c, supervisor_answers.c
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
#include "supervise/anchor_command.h"
#include "supervise/audit_keeper.h"
#include "supervise/embedded_redis.h"
#include "supervise/expiry.h"
#include "supervise/folders.h"
#include "supervise/followed_file.h"
#include "supervise/gate_sockets.h"
#include "supervise/hang_limits.h"
#include "supervise/identities.h"
#include "supervise/logs.h"
#include "supervise/process.h"
#include "supervise/renewal.h"
#include "supervise/seats.h"
#include "supervise/sockets.h"
#include "supervise/ticket_keys.h"
#include "supervise/traffic.h"

struct generation;

/* ---- a post: the place of one process in a generation; its holder may change */

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
	uint64_t newest_socket; /* gates: told of all sockets up to this number; 0: none yet */
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
	enum hang hang;            /* the verdict of hangs.c */
	uint64_t killed_ms;        /* when it was, with HANG_KILLED */
	uint32_t lost[ROLE_KINDS]; /* instances it has lost the door to, until `renewal`; 0: none */
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
	struct handover files;    /* owned: what roles get, secrets and files */
	struct expiries expiries; /* of its certificates */
	struct followed_file *app_passwords;
	struct audit_keeper *audit;
	struct post *posts; /* auth, relay, the gates, the console if there is one, admin */
	size_t post_count;
	enum generation_stage stage;
	bool is_renewed;   /* its config is that of the generation before, with other certificates */
	bool failed;       /* while it was STARTING, a post ended or was not READY in time */
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
	STAGE_STOPPING, /* roles are gone; the audit's last head is told, then Redis finishes */
};

/*
 * Where the answer to a reload goes: to an admin process, or to nobody (SIGHUP). It is given when no former process
 * takes anything new.
 */
struct reload {
	uint32_t admin; /* instance; 0: nobody, or it was answered */
	uint64_t request;
};

struct supervisor {
	struct loop *loop;
	const char *config_file; /* as given to -c */
	const struct generation_handler *generation_handler;
	const struct door_handler
		*command_handler; /* of administrators' commands; its context is the post of an admin */
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
	struct traffic *traffic;
	struct anchor_command *anchor;
	struct renewal *renewal; /* of certificates */
	struct expiry_watch *expiry;
	uint32_t last_instance;
	uint64_t started_us;
	enum stage stage;
	unsigned terminations; /* signals that asked for the end */
	int exit_code;
	struct generation *current;  /* serves, or is the first and starts */
	struct generation *incoming; /* of a reload, starting; or NULL */
	struct generation *outgoing; /* list of draining ones */
	struct reload reload;
	struct timer *answer_limit;     /* of its answer */
	struct log_target *next_target; /* of a reload under way, or NULL */
};

/* Runs with this config file (from the command line) to the end; the process's exit code. */
int supervisor_run(const char *config_file);

/* ---- post.c */

void post_kill(struct post *post); /* its end is told as any other's */
bool post_has_process(const struct post *post);
const char *post_state_text(enum post_state state);
/* Bytes, the NUL included. */
#define POST_NAME_SIZE 32
/* Whether strangers talk to its process, which may then be an attacker's: a gate, or the console. */
bool post_faces_clients(const struct post *post);
/* "gate 1", "relay". */
void post_name(const struct post *post, char out_name[POST_NAME_SIZE]);
/* The post changed, so its generation looks at its posts at the end of the turn. */
void post_tell_generation(const struct post *post);

/* ---- post_life.c */

/*
 * Starts a process and gives it doors to all its neighbours. On STATUS_SYSTEM, or any other failure, nothing was
 * started.
 */
MUST_USE enum status post_start(struct post *post);
/* Tells its process to end within limit_ms, and how. A post without a process is GONE at once. */
void post_drain(struct post *post, uint64_t limit_ms, enum role_drain how);
void post_free(struct post *post); /* kills */

/* ---- doors.c */

/* Makes new doors between this process and every living neighbour of its generation. */
MUST_USE enum status doors_attach(struct post *post);
/* Makes a new door to each neighbour in `lost` that is still the same process; empties `lost`. */
void doors_renew(struct post *post);

/* ---- succession.c */

/* Sends each READY gate of a serving generation the sockets that it was not told of yet. */
void succession_tell(struct generation *generation);
/*
 * A post's process has ended; `well` if it did so in order when told to. What a gate listened on is judged, and living
 * gates are told.
 */
void succession_take_end(const struct post *post, bool well);

/* ---- generation.c */

/*
 * Opens everything that a config needs, and starts no process yet. Faults go to `faults`. Takes the config over, on
 * failure too. With `renewed` (of renewal.h) the config is that of the current generation: certificates are those of
 * `renewed`, and no file that the config names is read again.
 */
MUST_USE enum status generation_create(struct supervisor *supervisor, struct config *config, struct span text,
				       const struct handover *renewed, FILE *faults,
				       struct generation **out_generation);
/* Starts auth and relay, the gates once those are READY, then admin. The outcome is told to the generation_handler. */
void generation_start(struct generation *generation);
/*
 * Gates end within limit_ms. Where a later generation serves, the others are told too and wait for the gates.
 */
void generation_drain(struct generation *generation, uint64_t limit_ms, enum role_drain how);
/* Whether it rotates and tidies the audit's files, or only follows the one that is written. */
void generation_lead_audit(struct generation *generation, bool leads);
/* Auth, relay and admin end within limit_ms. To be called once the gates are gone. */
void generation_drain_last(struct generation *generation, uint64_t limit_ms);
void generation_kill(struct generation *generation, bool gates_only);
/* Tells all its running gates, which make tickets with this key from now on. */
void generation_tell_ticket_key(struct generation *generation, struct span key);
bool generation_has(const struct generation *generation, bool gates_only); /* a living process */
/* It drains, and each of its processes has heard so or is gone. */
bool generation_takes_nothing(const struct generation *generation);
void generation_free(struct generation **generation); /* kills what lives; NULL-safe */

/* What a generation tells the supervisor at the end of a turn. Each of these may free the generation. */
struct generation_handler {
	void (*on_serving)(struct supervisor *supervisor, struct generation *generation);
	void (*on_failed)(struct supervisor *supervisor, struct generation *generation); /* to start */
	/* It drains, and one of its processes has ended or takes nothing new any more. */
	void (*on_shrunk)(struct supervisor *supervisor, struct generation *generation);
};

/* ---- reload.c */

/*
 * Begins a reload. If not OK, nothing has changed, and *out_error is a heap text that says why (NULL without memory),
 * as the log does.
 */
MUST_USE enum status reload_begin(struct supervisor *supervisor, const struct reload *reload, char **out_error);
/*
 * As a reload with renewed certificates, and with nothing else that is new: neither the config file nor secrets are
 * read again. `context` is the supervisor; for the rest see renewal_callback.
 */
MUST_USE enum status reload_renew(void *context, const struct handover *renewed);
void reload_succeeded(struct supervisor *supervisor); /* the incoming generation serves */
/*
 * A draining generation changed. Once nothing of the former generation takes anything new, whoever asked for the reload
 * is answered.
 */
void reload_settle(struct supervisor *supervisor, const struct generation *generation);
void reload_fail(struct supervisor *supervisor, const char *reason); /* it never will */
/* The answer can't wait any longer. `context` is the supervisor. */
void reload_take_answer_limit(void *context);

/* ---- ending.c */

/* As the first SIGTERM: drain and end. */
void ending_begin(struct supervisor *supervisor);
/* Processes have ended: goes on to the next stage, if all that this one waits for are gone. */
void ending_advance(struct supervisor *supervisor);
/* A signal asks for the end. `context` is the supervisor here, and below. */
void ending_take_termination(void *context);
/* The last stage is over. */
void ending_take_redis_stopped(void *context);

/* ---- supervisor_control.c */

extern const struct door_handler supervisor_command_handler;

#endif

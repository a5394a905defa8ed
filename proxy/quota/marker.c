/*
 * The marker: looks on their way, who waits for them, and what Redis acknowledged. Owns the state file; borrows Redis.
 * Looks are answered in the order in which they were sent, as are the commands before them.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "quota/marker_private.h"
#include "redis/script.h"

#define CALL_MS 3000
#define LOOK_MS 5000        /* between two looks of its own */
#define UNSOUND_LOOK_MS 500 /* while no charge counts */
#define EARLY_LOOKS 4       /* of a new process, which soon knows who else is here */
#define REPLICAS_MS 500     /* for replicas to have what was written */
#define KEY_MAXIMUM 512     /* bytes */
#define ANSWER 8            /* values in the script's answer */

static const char source[] =
#include "quota/marker.lua.h"
	;

enum look_kind { LOOK_ONLY, LOOK_NODES, LOOK_LOST, LOOK_BROUGHT, LOOK_WITHOUT };

/* One question on its way. */
struct marker_look {
	TAILQ_ENTRY(marker_look) in_flight;
	struct marker *marker;
	enum look_kind kind;
	uint64_t number;
	enum marker_verdict verdict; /* of the script, until the replicas have answered */
	bool asks_replicas;          /* WAIT was sent after it */
	bool is_judged;              /* the script has answered */
	bool asks_for_older;         /* it named the older processes that lived */
	TAILQ_HEAD(marker_waiters, marker_waiter) waiters;
};

/* Invariant: `state.id` is that of the memory that has this node's counts; "" until the first answer. */
struct marker {
	struct loop *loop;
	struct redis *redis;
	struct redis_script script;
	struct buf key;
	struct marker_options options;
	struct timer *timer;
	struct turn_end look_at_end;
	TAILQ_HEAD(marker_looks, marker_look) looks;
	struct marker_state state;
	char process[MARKER_ID_SIZE];      /* what this process is called there */
	char wanted[MARKER_ID_SIZE];       /* the memory that lacks this node's counts; "": none */
	bool is_asked;                     /* the owner was told to bring them */
	uint64_t brought;                  /* the number of the look that told that they are there */
	char waiting[MARKER_WAITING_SIZE]; /* the nodes whose counts are missing */
	struct marker_history history;     /* of numbers that were acknowledged */
	unsigned early_looks;
	uint64_t number; /* of the last look */
	enum marker_verdict last;
	bool is_rebuilding; /* as Redis says, or as this node lacks counts there */
	bool is_loss_told;
	uint64_t times_up; /* of the connection, at the last number that was acknowledged */
	bool is_draining;
	uint64_t clock_s, told_clock_ms; /* Redis's clock, as last told, and when that was */
};

static enum status make_id(char out_id[MARKER_ID_SIZE])
{
	unsigned char random[(MARKER_ID_SIZE - 1) / 2];
	TRY(hash_random(random, sizeof(random)));
	hash_to_hex(random, sizeof(random), out_id);
	return STATUS_OK;
}

/* ---- the answer */

static void tell_waiters(struct marker_look *look, enum marker_verdict verdict)
{
	struct marker_waiter *waiter;
	while ((waiter = TAILQ_FIRST(&look->waiters)) != NULL) {
		TAILQ_REMOVE(&look->waiters, waiter, in_look);
		waiter->waits = false;
		waiter->callback(waiter->context, verdict);
	}
}

static void end_look(struct marker_look *look, enum marker_verdict verdict)
{
	struct marker *marker = look->marker;
	TAILQ_REMOVE(&marker->looks, look, in_flight);
	if (verdict != MARKER_UNKNOWN)
		marker->last = verdict;
	if (marker->is_rebuilding || marker->last == MARKER_FEW)
		timer_set(marker->timer, UNSOUND_LOOK_MS);
	tell_waiters(look, verdict);
	free(look);
}

static void adopt_id(struct marker *marker, struct span id)
{
	memcpy(marker->state.id, id.data, id.size);
	marker->state.id[id.size] = '\0';
	marker->wanted[0] = '\0';
	marker->is_loss_told = false;
	if (!marker->is_draining) /* else its successor has brought them, or will */
		marker_state_write(&marker->state);
}

/* Once until this node's counts are in the next memory. */
static void tell_loss(struct marker *marker, const char *what)
{
	marker->is_rebuilding = true;
	if (!marker->is_loss_told)
		marker->options.handler->on_loss(marker->options.context, what);
	marker->is_loss_told = true;
}

/* A memory that lacks this node's counts. */
static void want_counts(struct marker *marker, struct span id, const char *what)
{
	if (span_equal(id, span_of(marker->wanted)))
		return;
	snprintf(marker->wanted, sizeof(marker->wanted), "%.*s", SPAN_ARGS(id));
	marker->is_asked = false;
	tell_loss(marker, what);
}

static bool has_others(const struct marker *marker)
{
	struct buf others BUF_AUTO;
	buf_init(&others, MARKER_OTHERS_TEXT);
	marker_others_list(&marker->state, &others);
	return buf_size(&others) > 0;
}

/* Not before each older process has brought its own: what it lets out until then this node's audit tells. */
static void ask_for_counts(struct marker *marker, const struct marker_look *look, struct span owing)
{
	bool has_all = look->asks_for_older && span_is_empty(owing);
	if (marker->is_asked || (!marker->is_draining && !has_all && has_others(marker)))
		return;
	marker->is_asked = true;
	marker->options.handler->on_wanted(marker->options.context, marker->wanted);
}

static bool names_node(struct span names, struct span node)
{
	struct span name;
	while (span_cut(&names, ' ', &name))
		if (span_equal(name, node))
			return true;
	return false;
}

static void take_rebuilding(struct marker *marker, const struct redis_value *value)
{
	bool was_rebuilding = marker->is_rebuilding;
	marker->is_rebuilding = span_equal(redis_value_text(redis_value_at(value, 3)), SPAN("rebuilding"));
	snprintf(marker->waiting, sizeof(marker->waiting), "%.*s",
		 SPAN_ARGS(redis_value_text(redis_value_at(value, 4))));
	if (was_rebuilding && !marker->is_rebuilding)
		marker->options.handler->on_sound(marker->options.context);
}

static void take_nodes(struct marker *marker, struct span text)
{
	if (marker_state_take_nodes(&marker->state, text) && !marker->is_draining)
		marker_state_write(&marker->state);
}

/* What was acknowledged before the connection was made anew was repeated on it, as far as it is not too old. */
static bool has_lost(const struct marker *marker, uint64_t number)
{
	bool is_repeated = marker->times_up != redis_times_up(marker->redis);
	return number <
	       (is_repeated ? marker_history_oldest_repeated(&marker->history) : marker_history_last(&marker->history));
}

/* Why this memory can't be told to have this node's counts; NULL: it has them. */
static const char *find_lack(const struct marker_look *look, struct span id, bool was_there, struct span waiting)
{
	const struct marker *marker = look->marker;
	if (!span_equal(id, span_of(marker->state.id)))
		return was_there ? "its marker has changed: it was emptied, or is another one"
				 : "its marker is gone: it was emptied, or is another one";
	if (!marker->is_draining && look->number > marker->brought &&
	    names_node(waiting, span_of(marker->options.node)))
		return "this node's counts are missing in it";
	return NULL;
}

static enum marker_verdict judge_answer(struct marker_look *look, const struct redis_value *value)
{
	struct marker *marker = look->marker;
	struct span id = redis_value_text(redis_value_at(value, 0));
	struct span waiting = redis_value_text(redis_value_at(value, 4));
	marker->clock_s = script_number_at(value, 6);
	marker->told_clock_ms = loop_now_ms(marker->loop);
	if (!marker_is_id(id))
		return MARKER_UNKNOWN;
	if (marker->state.id[0] == '\0' && !names_node(waiting, span_of(marker->options.node)))
		adopt_id(marker, id);
	const char *lack = find_lack(look, id, redis_value_integer(redis_value_at(value, 1)) == 1, waiting);
	if (lack) {
		want_counts(marker, id, lack);
		ask_for_counts(marker, look, redis_value_text(redis_value_at(value, 7)));
		return MARKER_UNSOUND;
	}
	take_nodes(marker, redis_value_text(redis_value_at(value, 5)));
	if (has_lost(marker, script_number_at(value, 2))) {
		marker_history_forget(&marker->history);
		marker_report_loss(marker, "it lacks what it had acknowledged: a replica was promoted too early, or a "
					   "backup restored");
		return MARKER_UNSOUND;
	}
	marker_history_note(&marker->history, look->number, loop_now_ms(marker->loop));
	marker->times_up = redis_times_up(marker->redis);
	take_rebuilding(marker, value);
	return marker->is_rebuilding ? MARKER_UNSOUND : MARKER_SOUND;
}

static void on_replicas(void *context, enum status status, const struct redis_value *value);

static enum status ask_replicas(struct marker_look *look)
{
	char replicas[SCRIPT_NUMBER_SIZE], limit[SCRIPT_NUMBER_SIZE];
	const struct span wait[] = { SPAN("WAIT"), script_write_number(look->marker->options.replicas, replicas),
				     script_write_number(REPLICAS_MS, limit) };
	return redis_call(look->marker->redis, wait, 3, CALL_MS, on_replicas, look);
}

static void on_replicas(void *context, enum status status, const struct redis_value *value)
{
	struct marker_look *look = context;
	if (!look->is_judged && status == STATUS_OK && ask_replicas(look) == STATUS_OK)
		return; /* the script was sent once more, with its source, after this WAIT */
	if (status != STATUS_OK || redis_value_type(value) != REDIS_INTEGER)
		end_look(look, MARKER_UNKNOWN);
	else if ((uint64_t)redis_value_integer(value) < look->marker->options.replicas && look->verdict == MARKER_SOUND)
		end_look(look, MARKER_FEW);
	else
		end_look(look, look->verdict);
}

static void on_answer(void *context, enum status status, const struct redis_value *value)
{
	struct marker_look *look = context;
	look->verdict = MARKER_UNKNOWN;
	look->is_judged = true;
	if (script_has_answered(status, value, ANSWER))
		look->verdict = judge_answer(look, value);
	if (look->asks_replicas)
		return;
	bool is_certain = look->marker->options.replicas == 0 || look->verdict != MARKER_SOUND;
	end_look(look, is_certain ? look->verdict : MARKER_UNKNOWN);
}

/* ---- the look */

static enum status run_script(struct marker_look *look, struct span nodes)
{
	static const char *const kinds[] = {
		[LOOK_ONLY] = "look",       [LOOK_NODES] = "nodes",     [LOOK_LOST] = "lost",
		[LOOK_BROUGHT] = "brought", [LOOK_WITHOUT] = "without",
	};
	struct marker *marker = look->marker;
	char id[MARKER_ID_SIZE], number[SCRIPT_NUMBER_SIZE];
	struct buf older BUF_AUTO;
	buf_init(&older, MARKER_OTHERS_TEXT);
	look->asks_for_older = marker->wanted[0] && !marker->is_asked;
	if (look->asks_for_older)
		marker_others_list(&marker->state, &older);
	TRY(make_id(id));
	look->number = ++marker->number;
	const struct span arguments[] = { buf_span(&marker->key),
					  span_of(id),
					  span_of(marker->process),
					  script_write_number(look->number, number),
					  span_of(marker->state.id),
					  span_of(marker->options.node),
					  marker->is_draining ? SPAN("guest") : span_of(kinds[look->kind]),
					  nodes,
					  buf_span(&older) };
	return redis_run_script(marker->redis, &marker->script, arguments, sizeof(arguments) / sizeof(arguments[0]), 1,
				CALL_MS, on_answer, look);
}

/* `without`: the node of LOOK_WITHOUT. */
static enum status send_look(struct marker *marker, enum look_kind kind, struct span without)
{
	struct buf nodes BUF_AUTO;
	buf_init(&nodes, MARKER_NODES_TEXT);
	struct marker_look *look = calloc(1, sizeof(*look));
	if (look == NULL)
		return STATUS_NO_MEMORY;
	look->marker = marker;
	look->kind = kind;
	TAILQ_INIT(&look->waiters);
	marker_state_list_nodes(&marker->state, clock_wall_us() / 1000000, &nodes);
	enum status status = run_script(look, kind == LOOK_WITHOUT ? without : buf_span(&nodes));
	if (status != STATUS_OK) {
		free(look);
		return status;
	}
	TAILQ_INSERT_TAIL(&marker->looks, look, in_flight);
	look->asks_replicas = marker->options.replicas && ask_replicas(look) == STATUS_OK;
	return STATUS_OK;
}

static void look_at_end(void *context)
{
	struct marker *marker = context;
	if (redis_is_up(marker->redis) && send_look(marker, LOOK_ONLY, (struct span){ 0 }) != STATUS_OK)
		return; /* whoever waits asks again */
}

void marker_check(struct marker *marker)
{
	loop_first_at_turn_end(marker->loop, &marker->look_at_end);
}

enum status marker_confirm(struct marker *marker, struct marker_waiter *waiter,
			   void (*callback)(void *context, enum marker_verdict verdict), void *context)
{
	if (TAILQ_EMPTY(&marker->looks))
		TRY(send_look(marker, LOOK_ONLY, (struct span){ 0 }));
	waiter->look = TAILQ_FIRST(&marker->looks);
	waiter->callback = callback;
	waiter->context = context;
	waiter->waits = true;
	TAILQ_INSERT_TAIL(&waiter->look->waiters, waiter, in_look);
	return STATUS_OK;
}

static void on_time(void *context)
{
	struct marker *marker = context;
	bool is_urgent = marker->is_rebuilding || marker->last == MARKER_FEW || marker->early_looks < EARLY_LOOKS;
	marker->early_looks += marker->early_looks < EARLY_LOOKS;
	timer_set(marker->timer, is_urgent ? UNSOUND_LOOK_MS : LOOK_MS);
	if (redis_is_up(marker->redis) && send_look(marker, LOOK_NODES, (struct span){ 0 }) != STATUS_OK)
		return;
}

/* ---- what its owner says */

bool marker_is_sound(const struct marker *marker)
{
	return !marker->is_rebuilding && marker->last != MARKER_FEW;
}

void marker_explain(const struct marker *marker, char out_text[MARKER_WAITING_SIZE])
{
	if (!marker->is_rebuilding)
		snprintf(out_text, MARKER_WAITING_SIZE, "fewer than %llu replicas have what is written",
			 (unsigned long long)marker->options.replicas);
	else if (marker->wanted[0] && !marker->is_asked)
		snprintf(out_text, MARKER_WAITING_SIZE,
			 "counts are being rebuilt; those of a relay process that ends are missing");
	else if (marker->wanted[0] || !marker->waiting[0])
		snprintf(out_text, MARKER_WAITING_SIZE, "counts are being rebuilt from the audit");
	else
		snprintf(out_text, MARKER_WAITING_SIZE, "counts are being rebuilt; those of %.*s are missing",
			 MARKER_WAITING_SIZE - 64, marker->waiting);
}

bool marker_wants_counts(const struct marker *marker)
{
	return marker->wanted[0] != '\0';
}

void marker_bring_done(struct marker *marker, const char *id)
{
	if (strcmp(marker->wanted, id) != 0)
		return; /* Redis was emptied once more meanwhile */
	adopt_id(marker, span_of(id));
	if (send_look(marker, LOOK_BROUGHT, (struct span){ 0 }) != STATUS_OK)
		timer_set(marker->timer, UNSOUND_LOOK_MS);
	marker->brought = marker->number;
}

void marker_report_loss(struct marker *marker, const char *what)
{
	tell_loss(marker, what);
	if (send_look(marker, LOOK_LOST, (struct span){ 0 }) != STATUS_OK)
		timer_set(marker->timer, UNSOUND_LOOK_MS);
}

enum status marker_do_without(struct marker *marker, struct span node)
{
	if (!marker->is_rebuilding || !names_node(span_of(marker->waiting), node))
		return STATUS_NOT_FOUND;
	if (!redis_is_up(marker->redis))
		return STATUS_UNAVAILABLE;
	marker_state_forget_node(&marker->state, node);
	return send_look(marker, LOOK_WITHOUT, node);
}

uint64_t marker_earlier_clock_s(const struct marker *marker)
{
	uint64_t here_s = clock_wall_us() / 1000000;
	uint64_t there_s = marker->clock_s + (loop_now_ms(marker->loop) - marker->told_clock_ms) / 1000;
	return marker->clock_s && there_s < here_s ? there_s : here_s;
}

const char *marker_process(const struct marker *marker)
{
	return marker->process;
}

void marker_drain(struct marker *marker)
{
	marker->is_draining = true;
}

/* ---- life */

static enum status set_up_marker(struct marker *marker)
{
	TRY(make_id(marker->process));
	TRY(marker_others_join(&marker->state, marker->process));
	TRY(redis_script_init(&marker->script, source));
	TRY(buf_append_text(&marker->key, marker->options.prefix));
	TRY(buf_append_text(&marker->key, "marker"));
	return timer_make(marker->loop, on_time, marker, &marker->timer);
}

enum status marker_create(struct loop *loop, struct redis *redis, const struct marker_options *options,
			  struct marker **out_marker)
{
	struct marker *marker = calloc(1, sizeof(*marker));
	if (marker == NULL) {
		if (options->state_fd >= 0)
			close(options->state_fd);
		return STATUS_NO_MEMORY;
	}
	marker->loop = loop;
	marker->redis = redis;
	marker->options = *options;
	marker->state.fd = options->state_fd;
	marker->look_at_end = (struct turn_end){ .run = look_at_end, .context = marker };
	TAILQ_INIT(&marker->looks);
	buf_init(&marker->key, KEY_MAXIMUM);
	enum status status = set_up_marker(marker);
	if (status != STATUS_OK) {
		marker_free(&marker);
		return status;
	}
	marker_state_read(&marker->state);
	timer_set(marker->timer, UNSOUND_LOOK_MS);
	*out_marker = marker;
	return STATUS_OK;
}

void marker_free(struct marker **marker)
{
	struct marker_look *look;
	if (*marker == NULL)
		return;
	while ((look = TAILQ_FIRST(&(*marker)->looks)) != NULL) {
		TAILQ_REMOVE(&(*marker)->looks, look, in_flight);
		free(look);
	}
	loop_forget_turn_end((*marker)->loop, &(*marker)->look_at_end);
	timer_free(&(*marker)->timer);
	buf_free(&(*marker)->key);
	if ((*marker)->state.fd >= 0)
		close((*marker)->state.fd);
	free(*marker);
	*marker = NULL;
}

/* Calls of the four scripts. Owns the calls under way; borrows the Redis client. */
#include "auth/guesses/shared.h"

#include <inttypes.h>
#include <stdlib.h>

#include "auth/guesses/known.h"
#include "base/hash.h"
#include "redis/script.h"

#define CALL_MS 2000      /* a longer one counts as failed; logins wait for it */
#define PAGE_RECORDS 500  /* looked at by one call */
#define KEY_MAXIMUM 1024  /* bytes */
#define PLACES_MAXIMUM 32 /* known ones of one user */
#define ARGUMENTS_MAXIMUM 32
#define HEX_SIZE 17  /* bytes: 64 bits and a NUL */
#define GATE_SIZE 28 /* bytes: a process, an instance and a NUL */
#define ROW_FIELDS 5

static const char reserve_source[] =
#include "auth/guesses/book.lua.h"
#include "auth/guesses/reserve.lua.h"
	;
static const char settle_source[] =
#include "auth/guesses/book.lua.h"
#include "auth/guesses/settle.lua.h"
	;
static const char list_source[] =
#include "auth/guesses/book.lua.h"
#include "auth/guesses/list.lua.h"
	;
static const char clear_source[] =
#include "auth/guesses/book.lua.h"
#include "auth/guesses/clear.lua.h"
	;

struct shared_guesses {
	struct shared_settings settings;
	uint64_t process; /* a random number: other nodes' gates have the same instances, and hosts may share a name */
	struct redis_script reserve, settle, list, clear;
	struct shared_call *calls; /* under way */
};

/* Invariant: it stands in shared->calls, and Redis will call back for it. */
struct shared_call {
	struct shared_guesses *shared;
	struct shared_call *next, **link;
	void *context;
	/* of one reservation */
	struct guess_claim claim;
	shared_reserved *on_reserved; /* NULL: forgotten */
	/* of one page */
	guess_visit *visit;
	shared_done *on_done;
};

/* KEYS and ARGV of one script, and the bytes of those made here. */
struct script_arguments {
	struct span items[ARGUMENTS_MAXIMUM];
	size_t count, keys;
	struct buf bytes[6];
	size_t byte_count;
	char numbers[12][SCRIPT_NUMBER_SIZE];
	size_t number_count;
};

/* ---- arguments */

static void free_arguments(struct script_arguments *arguments)
{
	for (size_t i = 0; i < arguments->byte_count; i++)
		buf_free(&arguments->bytes[i]);
}

#define ARGUMENTS_AUTO __attribute__((cleanup(free_arguments)))

static void add_text(struct script_arguments *arguments, struct span text)
{
	arguments->items[arguments->count++] = text;
}

static void add_number(struct script_arguments *arguments, uint64_t number)
{
	add_text(arguments, script_write_number(number, arguments->numbers[arguments->number_count++]));
}

static enum status add_key(const struct shared_guesses *shared, struct script_arguments *arguments, const char *kind,
			   const char *name)
{
	struct buf *bytes = &arguments->bytes[arguments->byte_count++];
	buf_init(bytes, KEY_MAXIMUM);
	TRY(buf_printf(bytes, "%sauth:1:{guesses}:%s%s", shared->settings.prefix, kind, name));
	add_text(arguments, buf_span(bytes));
	arguments->keys++;
	return STATUS_OK;
}

/* The keys that both reserve.lua and settle.lua take. */
static enum status add_claim_keys(const struct shared_guesses *shared, const struct guess_claim *claim,
				  struct script_arguments *arguments)
{
	TRY(add_key(shared, arguments, "index", ""));
	TRY(add_key(shared, arguments, "user:", claim->user));
	TRY(add_key(shared, arguments, "known:", claim->user));
	for (unsigned width = 0; width < NETWORK_WIDTHS; width++)
		if (claim->networks[width][0])
			TRY(add_key(shared, arguments, "net:", claim->networks[width]));
	return STATUS_OK;
}

static struct span write_hex(uint64_t number, char out_text[HEX_SIZE])
{
	snprintf(out_text, HEX_SIZE, "%016" PRIx64, number);
	return span_of(out_text);
}

/* ---- calls under way */

static struct shared_call *make_call(struct shared_guesses *shared, void *context)
{
	struct shared_call *call = calloc(1, sizeof(*call));
	if (call == NULL)
		return NULL;
	call->shared = shared;
	call->context = context;
	call->next = shared->calls;
	call->link = &shared->calls;
	if (call->next)
		call->next->link = &call->next;
	shared->calls = call;
	return call;
}

static void free_call(struct shared_call *call)
{
	*call->link = call->next;
	if (call->next)
		call->next->link = call->link;
	free(call);
}

/* Frees the call unless it is under way. */
static enum status run_script(struct shared_call *call, const struct redis_script *script,
			      const struct script_arguments *arguments, redis_callback *callback)
{
	enum status status = redis_run_script(call->shared->settings.redis, script, arguments->items, arguments->count,
					      arguments->keys, CALL_MS, callback, call);
	if (status != STATUS_OK)
		free_call(call);
	return status;
}

enum status shared_create(const struct shared_settings *settings, struct shared_guesses **out_shared)
{
	struct shared_guesses *shared = calloc(1, sizeof(*shared));
	if (shared == NULL)
		return STATUS_NO_MEMORY;
	shared->settings = *settings;
	enum status status = hash_random(&shared->process, sizeof(shared->process));
	if (status == STATUS_OK)
		status = redis_script_init(&shared->reserve, reserve_source);
	if (status == STATUS_OK)
		status = redis_script_init(&shared->settle, settle_source);
	if (status == STATUS_OK)
		status = redis_script_init(&shared->list, list_source);
	if (status == STATUS_OK)
		status = redis_script_init(&shared->clear, clear_source);
	if (status != STATUS_OK)
		free(shared);
	else
		*out_shared = shared;
	return status;
}

void shared_free(struct shared_guesses **shared)
{
	if (*shared == NULL)
		return;
	for (struct shared_call *call; (call = (*shared)->calls) != NULL; free_call(call))
		if (call->on_done)
			call->on_done(call->context, false, -1, 0);
	free(*shared);
	*shared = NULL;
}

/* ---- taking a place */

static bool read_answer(const struct redis_value *value, enum guess_answer *out_answer, uint64_t *out_wait_ms)
{
	static const struct {
		const char *text;
		enum guess_answer answer;
	} answers[] = {
		{ "ask", GUESS_MAY_ASK },       { "wrong", GUESS_WRONG_AGAIN },       { "pending", GUESS_PENDING },
		{ "user", GUESS_USER_REFUSED }, { "address", GUESS_ADDRESS_REFUSED },
	};
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		if (!span_equal(redis_value_text(redis_value_at(value, 0)), span_of(answers[i].text)))
			continue;
		*out_answer = answers[i].answer;
		*out_wait_ms = script_number_at(value, 1);
		return true;
	}
	return false;
}

static void on_reserved(void *context, enum status status, const struct redis_value *value)
{
	struct shared_call *call = context;
	enum guess_answer answer = GUESS_UNCOUNTED;
	uint64_t wait_ms = 0;
	bool has_answered = script_has_answered(status, value, 2) && read_answer(value, &answer, &wait_ms);
	if (call->on_reserved)
		call->on_reserved(call->context, has_answered, answer, wait_ms);
	else if (answer == GUESS_MAY_ASK)
		(void)shared_settle(call->shared, &call->claim, GUESS_UNTRIED);
	free_call(call);
}

static enum status add_reservation(const struct shared_guesses *shared, const struct guess_claim *claim,
				   struct span gate, char hex[2][HEX_SIZE], struct script_arguments *arguments)
{
	const struct guess_limits *limits = &shared->settings.limits;
	TRY(add_claim_keys(shared, claim, arguments));
	add_number(arguments, limits->window_ms);
	add_number(arguments, KNOWN_MS);
	add_number(arguments, limits->lease_ms);
	add_text(arguments, gate);
	add_text(arguments, write_hex(claim->token, hex[0]));
	add_text(arguments, write_hex(claim->pair, hex[1]));
	add_text(arguments, span_of(claim->place));
	add_text(arguments, span_of(claim->typed));
	add_text(arguments, span_of(claim->user));
	add_number(arguments, claim->is_for_user ? limits->per_user : 0);
	add_number(arguments, limits->per_address);
	add_number(arguments, guess_limit_of_known(limits));
	for (unsigned width = 0; width < NETWORK_WIDTHS; width++) {
		if (claim->networks[width][0] == '\0')
			continue;
		add_text(arguments, span_of(claim->networks[width]));
		add_number(arguments, network_shares(width));
	}
	return STATUS_OK;
}

enum status shared_reserve(struct shared_guesses *shared, const struct guess_claim *claim, shared_reserved *on_answer,
			   void *context, struct shared_call **out_call)
{
	struct script_arguments arguments ARGUMENTS_AUTO = { .count = 0 };
	char gate[GATE_SIZE], hex[2][HEX_SIZE];
	snprintf(gate, sizeof(gate), "%" PRIx64 ":%" PRIu32, shared->process, claim->gate);
	if (!redis_is_up(shared->settings.redis))
		return STATUS_UNAVAILABLE;
	TRY(add_reservation(shared, claim, span_of(gate), hex, &arguments));
	struct shared_call *call = make_call(shared, context);
	if (call == NULL)
		return STATUS_NO_MEMORY;
	call->claim = *claim;
	call->on_reserved = on_answer;
	TRY(run_script(call, &shared->reserve, &arguments, on_reserved));
	*out_call = call;
	return STATUS_OK;
}

void shared_forget(struct shared_call **call)
{
	if (*call)
		(*call)->on_reserved = NULL;
	*call = NULL;
}

/* ---- how it went */

static void on_settled(void *context, enum status status, const struct redis_value *value)
{
	(void)status, (void)value; /* if it failed, the lease ends by itself */
	free_call(context);
}

static struct span write_outcome(enum guess_outcome outcome)
{
	switch (outcome) {
	case GUESS_RIGHT:
		return SPAN("right");
	case GUESS_WRONG:
		return SPAN("wrong");
	case GUESS_UNTRIED:
		return SPAN("untried");
	case GUESS_UNKNOWN:
	default:
		return SPAN("unknown");
	}
}

bool shared_settle(struct shared_guesses *shared, const struct guess_claim *claim, enum guess_outcome outcome)
{
	struct script_arguments arguments ARGUMENTS_AUTO = { .count = 0 };
	char hex[2][HEX_SIZE];
	if (!redis_is_up(shared->settings.redis) || add_claim_keys(shared, claim, &arguments) != STATUS_OK)
		return false;
	add_number(&arguments, shared->settings.limits.window_ms);
	add_number(&arguments, KNOWN_MS);
	add_text(&arguments, write_hex(claim->token, hex[0]));
	add_text(&arguments, write_hex(claim->pair, hex[1]));
	add_text(&arguments, span_of(claim->place));
	add_text(&arguments, write_outcome(outcome));
	add_number(&arguments, GUESS_UNKNOWN_FIRST_MS);
	add_number(&arguments, GUESS_UNKNOWN_LAST_MS);
	add_number(&arguments, PLACES_MAXIMUM);
	struct shared_call *call = make_call(shared, NULL);
	return call && run_script(call, &shared->settle, &arguments, on_settled) == STATUS_OK;
}

/* ---- lists */

static bool read_row(const struct redis_value *value, size_t at, struct guess_row *out_row)
{
	struct span kind = redis_value_text(redis_value_at(value, at));
	*out_row = (struct guess_row){
		.is_user = span_equal(kind, SPAN("user")),
		.typed = redis_value_text(redis_value_at(value, at + 1)),
		.name = redis_value_text(redis_value_at(value, at + 2)),
		.failures = script_number_at(value, at + 3),
		.left_ms = script_number_at(value, at + 4),
	};
	return (out_row->is_user || span_equal(kind, SPAN("address"))) && out_row->name.size <= NAME_MAXIMUM &&
	       out_row->typed.size <= NAME_MAXIMUM;
}

/* Where to go on, if Redis says so sensibly. */
static int64_t read_next(const struct redis_value *value)
{
	int64_t next = redis_value_integer(redis_value_at(value, 0));
	return redis_value_type(redis_value_at(value, 0)) == REDIS_INTEGER && next >= 0 && next <= (int64_t)UINT32_MAX
		       ? next
		       : -1;
}

static void on_listed(void *context, enum status status, const struct redis_value *value)
{
	struct shared_call *call = context;
	struct guess_row row;
	bool has_answered = status == STATUS_OK && redis_value_type(value) == REDIS_ARRAY &&
			    redis_value_count(value) % ROW_FIELDS == 1;
	for (size_t at = 1; has_answered && at < redis_value_count(value); at += ROW_FIELDS)
		if (read_row(value, at, &row))
			call->visit(call->context, &row);
	call->on_done(call->context, has_answered, has_answered ? read_next(value) : -1, 0);
	free_call(call);
}

static enum status add_page(const struct shared_guesses *shared, uint64_t from, struct script_arguments *arguments)
{
	TRY(add_key(shared, arguments, "index", ""));
	add_number(arguments, shared->settings.limits.window_ms);
	add_number(arguments, from);
	add_number(arguments, PAGE_RECORDS);
	return STATUS_OK;
}

enum status shared_list(struct shared_guesses *shared, uint64_t from, guess_visit *visit, shared_done *on_done,
			void *context)
{
	struct script_arguments arguments ARGUMENTS_AUTO = { .count = 0 };
	TRY(add_page(shared, from, &arguments));
	struct shared_call *call = make_call(shared, context);
	if (call == NULL)
		return STATUS_NO_MEMORY;
	call->visit = visit;
	call->on_done = on_done;
	return run_script(call, &shared->list, &arguments, on_listed);
}

static void on_cleared(void *context, enum status status, const struct redis_value *value)
{
	struct shared_call *call = context;
	bool has_answered = script_has_answered(status, value, 2);
	call->on_done(call->context, has_answered, has_answered ? read_next(value) : -1,
		      has_answered ? script_number_at(value, 1) : 0);
	free_call(call);
}

enum status shared_clear(struct shared_guesses *shared, uint64_t from, const struct span *names, size_t count,
			 shared_done *on_done, void *context)
{
	struct script_arguments arguments ARGUMENTS_AUTO = { .count = 0 };
	TRY(add_page(shared, from, &arguments));
	for (size_t i = 0; i < count && i < SHARED_NAMES_MAXIMUM; i++)
		add_text(&arguments, names[i]);
	struct shared_call *call = make_call(shared, context);
	if (call == NULL)
		return STATUS_NO_MEMORY;
	call->on_done = on_done;
	return run_script(call, &shared->clear, &arguments, on_cleared);
}

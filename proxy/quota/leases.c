/* The leases: one a user, with at most one call under way for each. Owns them. */
#include "quota/leases.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "quota/quota_private.h"
#include "redis/script.h"

#define LOOK_MS 60000 /* between two looks for leases that nobody uses */
#define UNITS 3       /* messages, recipients, bytes */
#define NUMBERS (QUOTA_DAY_NUMBERS + 3 * UNITS + 2)
#define ARGUMENTS (1 + NUMBERS + 1)
#define ANSWER 4

static const char source[] =
#include "quota/day.lua.h"

#include "quota/lease.lua.h"
	;

/* Invariant: `unused` is at most what Redis counts for us, whether or not the call under way has run. */
struct lease {
	TAILQ_ENTRY(lease) in_use_order;
	struct map_link in_map;
	struct leases *leases;
	uint64_t unused[UNITS], spent[UNITS], limits[UNITS];
	uint64_t wanted[UNITS]; /* by the call under way */
	uint64_t spent_then[UNITS];
	uint64_t resets_at; /* the day that it is of */
	uint64_t number;    /* of the lease: each day has its own, and each memory of Redis's; 0: none */
	uint64_t used_ms;   /* when the user last sent */
	bool is_calling;
	bool is_owing; /* Redis has not been told of all that was spent */
	char user[];
};

struct leases {
	struct loop *loop;
	struct redis *redis;
	const char *prefix, *process;
	struct redis_script script;
	struct map map;
	TAILQ_HEAD(lease_order, lease) order; /* the longest unused first */
	struct timer *timer;
	uint64_t last_number, calls;
	bool is_draining;
};

/* ---- the table */

static struct lease *find_lease(const struct leases *leases, struct span user)
{
	for (struct map_link *link = map_first(&leases->map, map_hash_text(&leases->map, user)); link;
	     link = map_next(link)) {
		struct lease *lease = MAP_OWNER(link, struct lease, in_map);
		if (span_equal(span_of(lease->user), user))
			return lease;
	}
	return NULL;
}

static struct lease *make_lease(struct leases *leases, struct span user)
{
	if (leases->map.count >= LEASES_MAXIMUM)
		return NULL;
	struct lease *lease = calloc(1, sizeof(*lease) + user.size + 1);
	if (lease == NULL)
		return NULL;
	lease->leases = leases;
	memcpy(lease->user, user.data, user.size);
	if (map_add(&leases->map, &lease->in_map, map_hash_text(&leases->map, user)) != STATUS_OK) {
		free(lease);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&leases->order, lease, in_use_order);
	return lease;
}

static void forget_lease(struct lease *lease)
{
	map_remove(&lease->leases->map, &lease->in_map);
	TAILQ_REMOVE(&lease->leases->order, lease, in_use_order);
	free(lease);
}

static bool holds_nothing(const struct lease *lease)
{
	return lease->unused[0] == 0 && !lease->is_owing;
}

/* ---- the call */

static void take_answer(struct lease *lease, const struct redis_value *value)
{
	bool is_of_day = script_number_at(value, UNITS) == lease->resets_at;
	for (size_t i = 0; i < UNITS; i++) {
		uint64_t spent_since = lease->spent[i] - lease->spent_then[i];
		uint64_t held = is_of_day ? script_number_at(value, i) : 0;
		lease->unused[i] = held > spent_since ? held - spent_since : 0;
	}
	lease->is_owing = is_of_day && memcmp(lease->spent, lease->spent_then, sizeof(lease->spent)) != 0;
}

static void give_back(struct lease *lease);

static void on_lent(void *context, enum status status, const struct redis_value *value)
{
	struct lease *lease = context;
	lease->is_calling = false;
	if (script_has_answered(status, value, ANSWER))
		take_answer(lease, value);
	if (lease->wanted[0] == 0 && holds_nothing(lease))
		forget_lease(lease);
	else if (lease->leases->is_draining && status == STATUS_OK)
		give_back(lease); /* it was about to borrow, or has spent */
}

static enum status run_script(struct lease *lease)
{
	struct leases *leases = lease->leases;
	uint64_t numbers[NUMBERS];
	char texts[NUMBERS][SCRIPT_NUMBER_SIZE];
	struct span arguments[ARGUMENTS];
	struct buf key BUF_AUTO;
	size_t count = 1;
	buf_init(&key, QUOTA_KEY_MAXIMUM);
	TRY(quota_write_key(&key, leases->prefix, "quota", span_of(lease->user)));
	quota_day_numbers(clock_wall_us() / 1000000, numbers);
	memcpy(numbers + QUOTA_DAY_NUMBERS, lease->wanted, sizeof(lease->wanted));
	memcpy(numbers + QUOTA_DAY_NUMBERS + UNITS, lease->spent, sizeof(lease->spent));
	memcpy(numbers + QUOTA_DAY_NUMBERS + 2 * UNITS, lease->limits, sizeof(lease->limits));
	numbers[NUMBERS - 2] = lease->resets_at;
	numbers[NUMBERS - 1] = ++leases->calls;
	arguments[0] = buf_span(&key);
	for (size_t i = 0; i < NUMBERS; i++) {
		if (i == QUOTA_DAY_NUMBERS)
			arguments[count++] = span_of(leases->process);
		arguments[count++] = script_write_number(numbers[i], texts[i]);
	}
	return redis_run_script(leases->redis, &leases->script, arguments, count, 1, QUOTA_CALL_MS, on_lent, lease);
}

/* Until it is answered no more may be spent than holds whether it runs or not. */
static void ask_for(struct lease *lease, const uint64_t wanted[UNITS])
{
	if (lease->is_calling || !redis_is_up(lease->leases->redis))
		return;
	memcpy(lease->wanted, wanted, sizeof(lease->wanted));
	memcpy(lease->spent_then, lease->spent, sizeof(lease->spent));
	lease->is_calling = run_script(lease) == STATUS_OK;
	for (size_t i = 0; i < UNITS && lease->is_calling; i++)
		if (lease->unused[i] > wanted[i])
			lease->unused[i] = wanted[i];
}

/* ---- what its owner tells */

static uint64_t share_of(uint64_t limit, uint64_t used, uint64_t most)
{
	uint64_t left = limit > used ? limit - used : 0;
	return limit == 0 || left / 10 > most ? most : left / 10;
}

/* Small changes aren't worth a call. */
static bool is_far_from(uint64_t held, uint64_t wanted)
{
	return held > wanted || held < wanted / 2 + wanted % 2;
}

static bool begin_day(struct lease *lease, uint64_t resets_at)
{
	if (lease->resets_at == resets_at)
		return true;
	if (lease->is_calling)
		return false;
	lease->resets_at = resets_at;
	lease->number = ++lease->leases->last_number;
	memset(lease->unused, 0, sizeof(lease->unused));
	memset(lease->spent, 0, sizeof(lease->spent));
	memset(lease->spent_then, 0, sizeof(lease->spent_then));
	lease->is_owing = false;
	return true;
}

bool leases_cover(const struct quota_limits *own)
{
	return own->shared == NULL && own->app_password_messages_per_day == 0 && own->new_recipients_per_day == 0;
}

void leases_note(struct leases *leases, struct span user, const struct quota_limits *own,
		 const struct quota_state *state)
{
	const struct quota_limits *limits = &state->limits;
	const uint64_t wanted[UNITS] = {
		share_of(limits->messages_per_day, state->messages, LEASE_MESSAGES),
		share_of(limits->recipients_per_day, state->recipients, LEASE_RECIPIENTS),
		share_of(limits->bytes_per_day, state->bytes, LEASE_BYTES),
	};
	struct lease *lease = find_lease(leases, user);
	if (leases->is_draining || (lease == NULL && (!leases_cover(own) || wanted[0] == 0)))
		return;
	if (lease == NULL)
		lease = make_lease(leases, user);
	if (lease == NULL || !begin_day(lease, state->day_ends_at))
		return;
	lease->limits[0] = limits->messages_per_day;
	lease->limits[1] = limits->recipients_per_day;
	lease->limits[2] = limits->bytes_per_day;
	lease->used_ms = loop_now_ms(leases->loop);
	TAILQ_REMOVE(&leases->order, lease, in_use_order);
	TAILQ_INSERT_TAIL(&leases->order, lease, in_use_order);
	if (is_far_from(lease->unused[0], wanted[0]) || is_far_from(lease->unused[1], wanted[1]))
		ask_for(lease, wanted);
}

bool leases_spend(struct leases *leases, const struct quota_order *order, struct quota_state *out_state)
{
	struct lease *lease = find_lease(leases, order->user);
	const uint64_t needed[UNITS] = { 1, order->recipients, order->bytes };
	if (lease == NULL || clock_wall_us() / 1000000 >= lease->resets_at)
		return false;
	for (size_t i = 0; i < UNITS; i++)
		if (lease->unused[i] < needed[i])
			return false;
	for (size_t i = 0; i < UNITS; i++) {
		lease->unused[i] -= needed[i];
		lease->spent[i] += needed[i];
	}
	lease->is_owing = true;
	*out_state = (struct quota_state){
		.unit = "messages", .limit = lease->limits[0], .resets_at = lease->resets_at, .lease = lease->number
	};
	return true;
}

void leases_take_back(struct leases *leases, const struct quota_order *order, uint64_t number)
{
	struct lease *lease = find_lease(leases, order->user);
	const uint64_t taken[UNITS] = { 1, order->recipients, order->bytes };
	if (lease == NULL || lease->number != number || lease->is_calling)
		return;
	for (size_t i = 0; i < UNITS; i++)
		if (lease->spent[i] < lease->spent_then[i] + taken[i])
			return;
	for (size_t i = 0; i < UNITS; i++) {
		lease->spent[i] -= taken[i];
		lease->unused[i] += taken[i];
	}
}

void leases_void(struct leases *leases)
{
	struct lease *lease, *next;
	for (lease = TAILQ_FIRST(&leases->order); lease; lease = next) {
		next = TAILQ_NEXT(lease, in_use_order);
		memset(lease->unused, 0, sizeof(lease->unused));
		memset(lease->spent, 0, sizeof(lease->spent));
		memset(lease->spent_then, 0, sizeof(lease->spent_then));
		lease->resets_at = lease->number = 0;
		lease->is_owing = false;
		if (!lease->is_calling)
			forget_lease(lease);
	}
}

void leases_reconcile(struct leases *leases)
{
	struct lease *lease, *next;
	for (lease = TAILQ_FIRST(&leases->order); lease; lease = next) {
		next = TAILQ_NEXT(lease, in_use_order);
		ask_for(lease, lease->unused);
	}
}

static void give_back(struct lease *lease)
{
	const uint64_t nothing[UNITS] = { 0 };
	if (holds_nothing(lease) && !lease->is_calling)
		forget_lease(lease);
	else
		ask_for(lease, nothing);
}

static void look_for_idle(void *context)
{
	struct leases *leases = context;
	uint64_t now = loop_now_ms(leases->loop);
	struct lease *lease, *next;
	timer_set(leases->timer, LOOK_MS);
	for (lease = TAILQ_FIRST(&leases->order); lease; lease = next) {
		next = TAILQ_NEXT(lease, in_use_order);
		if (!leases->is_draining && now - lease->used_ms < LEASE_IDLE_MS)
			return;
		give_back(lease);
	}
}

void leases_drain(struct leases *leases)
{
	leases->is_draining = true;
	look_for_idle(leases);
}

bool leases_are_back(const struct leases *leases)
{
	return leases->map.count == 0 || !redis_is_up(leases->redis);
}

/* ---- life */

enum status leases_create(struct loop *loop, struct redis *redis, const char *prefix, const char *process,
			  struct leases **out_leases)
{
	struct leases *leases = calloc(1, sizeof(*leases));
	if (leases == NULL)
		return STATUS_NO_MEMORY;
	*leases = (struct leases){ .loop = loop, .redis = redis, .prefix = prefix, .process = process };
	TAILQ_INIT(&leases->order);
	enum status status = map_init(&leases->map);
	if (status == STATUS_OK)
		status = redis_script_init(&leases->script, source);
	if (status == STATUS_OK)
		status = timer_make(loop, look_for_idle, leases, &leases->timer);
	if (status != STATUS_OK) {
		leases_free(&leases);
		return status;
	}
	timer_set(leases->timer, LOOK_MS);
	*out_leases = leases;
	return STATUS_OK;
}

void leases_free(struct leases **leases)
{
	if (*leases == NULL)
		return;
	while (!TAILQ_EMPTY(&(*leases)->order))
		forget_lease(TAILQ_FIRST(&(*leases)->order));
	map_free(&(*leases)->map);
	timer_free(&(*leases)->timer);
	free(*leases);
	*leases = NULL;
}

/*
 * Budgets: the block that this node holds, the claims that wait for the next one, and the one call under way. Owns
 * copies of what it is given; borrows Redis.
 */
#include "quota/budget.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "redis/script.h"

#define CALL_MS 3000        /* the outcome of a longer call is unknown */
#define BLOCK_MESSAGES 20   /* wanted at once */
#define HOLD_MS 5000        /* until the unused rest goes back */
#define SPENT_LEAST_MS 1000 /* between two questions about a spent account */
#define SPENT_MOST_MS 30000 /* other nodes may give back, or the limit may be raised */
#define RETURNS 8           /* of different slots, in one call; what finds no room stays counted */
#define KEY_MAXIMUM 1024    /* bytes */
#define ANSWER 8            /* values in the script's answer */
#define FIXED_ARGUMENTS 6   /* of the script, the key aside */

static const char source[] =
#include "quota/budget.lua.h"
	;

/* Messages and recipients lent in one slot of the day and of the minute. */
struct block {
	uint64_t day_slot, short_slot;
	uint64_t messages, recipients;
};

/*
 * Invariants: while `calling`, `held` is empty; claims wait only while
 * `calling`, or while they are being told of the answer; the timer runs whenever
 * something is held or due and no call is under way.
 */
struct budget {
	struct loop *loop;
	struct redis *redis;
	struct budget_limits limits;
	struct redis_script script;
	struct buf key;
	struct timer *timer;
	TAILQ_HEAD(budget_waiting, budget_claim) waiting;
	struct block held;
	struct block due[RETURNS]; /* to go back */
	size_t due_count;
	struct block sent[RETURNS]; /* going back with the call under way */
	size_t sent_count;
	struct budget_claim *asker; /* whose need the call names; NULL: nobody's, or it was given up */
	uint64_t spent_until_ms;
	uint64_t messages, recipients; /* used, as Redis last said */
	bool calling;
	bool armed; /* the timer runs */
	bool draining;
};

static void on_hold_over(void *context);

/* ---- life */

static enum status set_up_budget(struct budget *budget, const char *prefix, struct span account)
{
	TRY(redis_script_init(&budget->script, source));
	TRY(script_write_key(&budget->key, prefix, "budget", account));
	return timer_make(budget->loop, on_hold_over, budget, &budget->timer);
}

enum status budget_create(struct loop *loop, struct redis *redis, const char *prefix, struct span account,
			  const struct budget_limits *limits, struct budget **out_budget)
{
	struct budget *budget = calloc(1, sizeof(*budget));
	if (budget == NULL)
		return STATUS_NO_MEMORY;
	budget->loop = loop;
	budget->redis = redis;
	budget->limits = *limits;
	TAILQ_INIT(&budget->waiting);
	buf_init(&budget->key, KEY_MAXIMUM);
	enum status status = set_up_budget(budget, prefix, account);
	if (status != STATUS_OK) {
		budget_free(&budget);
		return status;
	}
	*out_budget = budget;
	return STATUS_OK;
}

static void let_go(struct budget_claim *claim)
{
	struct budget *budget = claim->budget;
	if (claim->waits)
		TAILQ_REMOVE(&budget->waiting, claim, in_waiting);
	if (budget->asker == claim)
		budget->asker = NULL;
	claim->waits = false;
	claim->budget = NULL;
}

void budget_free(struct budget **budget)
{
	struct budget_claim *claim;
	if (*budget == NULL)
		return;
	while ((claim = TAILQ_FIRST(&(*budget)->waiting)) != NULL)
		let_go(claim);
	timer_free(&(*budget)->timer);
	buf_free(&(*budget)->key);
	free(*budget);
	*budget = NULL;
}

/* ---- what goes back */

static void add_due(struct budget *budget, const struct block *block)
{
	for (size_t i = 0; i < budget->due_count; i++) {
		struct block *due = &budget->due[i];
		if (due->day_slot == block->day_slot && due->short_slot == block->short_slot) {
			due->messages += block->messages;
			due->recipients += block->recipients;
			return;
		}
	}
	if (budget->due_count < RETURNS)
		budget->due[budget->due_count++] = *block;
}

/* Lets the timer run when there is something to give back. */
static void arm_timer(struct budget *budget)
{
	bool wanted = !budget->calling && (budget->held.messages || budget->held.recipients || budget->due_count);
	if (wanted && !budget->armed)
		timer_set(budget->timer, HOLD_MS);
	else if (!wanted)
		timer_clear(budget->timer);
	budget->armed = wanted;
}

/* ---- the call */

static void on_answer(void *context, enum status status, const struct redis_value *value);

struct numbers {
	char texts[FIXED_ARGUMENTS + 4 * RETURNS][SCRIPT_NUMBER_SIZE];
	struct span *arguments;
	size_t count;
};

static void add_number(struct numbers *numbers, uint64_t number)
{
	numbers->arguments[numbers->count] = script_write_number(number, numbers->texts[numbers->count]);
	numbers->count++;
}

static uint64_t count_waiting(const struct budget *budget)
{
	uint64_t count = 0;
	const struct budget_claim *claim;
	TAILQ_FOREACH(claim, &budget->waiting, in_waiting)
	count++;
	return count;
}

static void write_numbers(const struct budget *budget, struct numbers *numbers)
{
	uint64_t wanted = count_waiting(budget);
	if (wanted && !budget->draining)
		wanted += BLOCK_MESSAGES;
	add_number(numbers, budget->limits.messages_per_day);
	add_number(numbers, budget->limits.recipients_per_day);
	add_number(numbers, budget->limits.messages_per_minute);
	add_number(numbers, budget->asker ? budget->asker->recipients : 0);
	add_number(numbers, wanted);
	add_number(numbers, clock_wall_us() / 1000000);
	for (size_t i = 0; i < budget->sent_count; i++) {
		add_number(numbers, budget->sent[i].day_slot);
		add_number(numbers, budget->sent[i].short_slot);
		add_number(numbers, budget->sent[i].messages);
		add_number(numbers, budget->sent[i].recipients);
	}
}

static enum status call_script(struct budget *budget)
{
	struct span arguments[1 + FIXED_ARGUMENTS + 4 * RETURNS] = { buf_span(&budget->key) };
	struct numbers numbers = { .arguments = arguments + 1 };
	write_numbers(budget, &numbers);
	return redis_run_script(budget->redis, &budget->script, arguments, 1 + numbers.count, 1, CALL_MS, on_answer,
				budget);
}

/* What was certainly not sent stays due. */
static void take_back_sent(struct budget *budget)
{
	for (size_t i = 0; i < budget->sent_count; i++)
		add_due(budget, &budget->sent[i]);
	budget->sent_count = 0;
}

/* Asks for the first claim that waits, if any, and gives back what is held and due. */
static enum status ask_redis(struct budget *budget)
{
	if (budget->held.messages || budget->held.recipients)
		add_due(budget, &budget->held);
	budget->held = (struct block){ 0 };
	memcpy(budget->sent, budget->due, sizeof(budget->sent));
	budget->sent_count = budget->due_count;
	budget->due_count = 0;
	budget->asker = TAILQ_FIRST(&budget->waiting);
	enum status status = call_script(budget);
	budget->calling = status == STATUS_OK;
	if (status != STATUS_OK)
		take_back_sent(budget);
	arm_timer(budget);
	return status;
}

/* ---- its answer */

static void note_spent(struct budget *budget, uint64_t wait_s)
{
	uint64_t wait_ms = wait_s * 1000;
	wait_ms = wait_ms < SPENT_LEAST_MS ? SPENT_LEAST_MS : wait_ms > SPENT_MOST_MS ? SPENT_MOST_MS : wait_ms;
	budget->spent_until_ms = loop_now_ms(budget->loop) + wait_ms;
}

static bool take_from_held(struct budget *budget, struct budget_claim *claim)
{
	struct block *held = &budget->held;
	if (held->messages == 0 || held->recipients < claim->recipients)
		return false;
	held->messages--;
	held->recipients -= claim->recipients;
	claim->day_slot = held->day_slot;
	claim->short_slot = held->short_slot;
	return true;
}

static void answer_claim(struct budget *budget, struct budget_claim *claim, enum budget_verdict verdict)
{
	TAILQ_REMOVE(&budget->waiting, claim, in_waiting);
	claim->waits = false;
	if (budget->asker == claim)
		budget->asker = NULL;
	if (verdict != BUDGET_TAKEN)
		claim->budget = NULL;
	claim->callback(claim->context, verdict);
}

/* An owner that is told may claim again at once, and then waits after the others, or for the next call. */
static void serve_waiting(struct budget *budget)
{
	struct budget_claim *claim;
	while (!budget->calling && (claim = TAILQ_FIRST(&budget->waiting)) != NULL) {
		if (take_from_held(budget, claim))
			answer_claim(budget, claim, BUDGET_TAKEN);
		else if (budget_is_spent(budget))
			answer_claim(budget, claim, BUDGET_SPENT);
		else if (ask_redis(budget) != STATUS_OK)
			answer_claim(budget, claim, BUDGET_UNKNOWN);
	}
}

static void fail_all(struct budget *budget)
{
	struct budget_claim *claim;
	while (!budget->calling && (claim = TAILQ_FIRST(&budget->waiting)) != NULL)
		answer_claim(budget, claim, BUDGET_UNKNOWN);
}

static void take_answer(struct budget *budget, const struct redis_value *value)
{
	uint64_t wait_s = script_number_at(value, 6);
	bool for_all = redis_value_integer(redis_value_at(value, 7)) == 0;
	budget->held = (struct block){ .messages = script_number_at(value, 0),
				       .recipients = script_number_at(value, 1),
				       .day_slot = script_number_at(value, 2),
				       .short_slot = script_number_at(value, 3) };
	budget->messages = script_number_at(value, 4);
	budget->recipients = script_number_at(value, 5);
	if (wait_s && for_all)
		note_spent(budget, wait_s);
	else if (wait_s && budget->asker)
		answer_claim(budget, budget->asker, BUDGET_SPENT);
	serve_waiting(budget);
}

static void on_answer(void *context, enum status status, const struct redis_value *value)
{
	struct budget *budget = context;
	budget->calling = false;
	if (status == STATUS_UNAVAILABLE || (status == STATUS_OK && redis_value_changed_nothing(value)))
		take_back_sent(budget);
	budget->sent_count = 0;
	if (script_has_answered(status, value, ANSWER))
		take_answer(budget, value);
	else
		fail_all(budget);
	arm_timer(budget);
}

static void on_hold_over(void *context)
{
	struct budget *budget = context;
	budget->armed = false;
	if (ask_redis(budget) != STATUS_OK)
		arm_timer(budget);
}

/* ---- claims */

enum budget_verdict budget_take(struct budget *budget, uint64_t recipients, struct budget_claim *claim,
				void (*callback)(void *context, enum budget_verdict verdict), void *context)
{
	assert(claim->budget == NULL);
	*claim = (struct budget_claim){ .budget = budget,
					.recipients = budget->limits.recipients_per_day ? recipients : 0,
					.callback = callback,
					.context = context };
	enum budget_verdict verdict = BUDGET_ASKED;
	if (TAILQ_EMPTY(&budget->waiting) && take_from_held(budget, claim))
		return BUDGET_TAKEN;
	if (budget_is_spent(budget)) {
		verdict = BUDGET_SPENT;
	} else {
		TAILQ_INSERT_TAIL(&budget->waiting, claim, in_waiting);
		claim->waits = true;
		if (budget->calling || ask_redis(budget) == STATUS_OK)
			return BUDGET_ASKED;
		verdict = BUDGET_UNKNOWN;
	}
	let_go(claim);
	return verdict;
}

void budget_give_back(struct budget_claim *claim)
{
	struct budget *budget = claim->budget;
	if (budget == NULL)
		return;
	struct block block = { claim->day_slot, claim->short_slot, 1, claim->recipients };
	bool has_taken = !claim->waits;
	let_go(claim);
	if (!has_taken)
		return;
	add_due(budget, &block);
	budget->spent_until_ms = 0;
	arm_timer(budget);
}

void budget_spend(struct budget_claim *claim)
{
	if (claim->budget)
		let_go(claim);
}

bool budget_is_spent(const struct budget *budget)
{
	return loop_now_ms(budget->loop) < budget->spent_until_ms;
}

void budget_drain(struct budget *budget)
{
	budget->draining = true;
	if (!budget->calling && (budget->held.messages || budget->due_count) && ask_redis(budget) != STATUS_OK)
		arm_timer(budget);
}

bool budget_is_calling(const struct budget *budget)
{
	return budget->calling;
}

void budget_show(const struct budget *budget, struct budget_state *out_state)
{
	*out_state = (struct budget_state){ budget->limits, budget->messages, budget->recipients };
}

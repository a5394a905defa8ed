/* What limits the relay's deliveries in their tests, played: quota, refused recipients, budgets. See relay_played.h. */
#ifndef TESTS_RELAY_PLAYED_QUOTA_H
#define TESTS_RELAY_PLAYED_QUOTA_H

#include "relay_played.h"

/* ---- budgets: accounts without limits, unless a test gives them some */

enum budget_verdict budget_take(struct budget *budget, uint64_t recipients, struct budget_claim *claim,
				void (*callback)(void *context, enum budget_verdict verdict), void *context)
{
	(void)recipients;
	trace_line("budget");
	world.budget_callback = callback;
	world.budget_context = context;
	if (world.budget == BUDGET_TAKEN || world.budget == BUDGET_ASKED)
		claim->budget = budget;
	return world.budget;
}

void budget_give_back(struct budget_claim *claim)
{
	if (claim->budget)
		trace_line("budget back");
	claim->budget = NULL;
}

void budget_spend(struct budget_claim *claim)
{
	if (claim->budget)
		trace_line("budget spent");
	claim->budget = NULL;
}

struct budget *mailboxes_budget(struct mailboxes *mailboxes, const struct config_relay *relay, struct span mailbox)
{
	(void)mailboxes, (void)relay;
	trace_line("budget of %.*s", SPAN_ARGS(mailbox));
	return (struct budget *)&world;
}

bool budget_is_spent(const struct budget *budget)
{
	(void)budget;
	return world.budget_is_spent;
}

/* ---- quota */

const char *quota_limits_for(const struct config *config, struct span user, const struct span *groups,
			     size_t group_count, struct quota_limits *out_limits)
{
	(void)config, (void)user, (void)groups, (void)group_count;
	*out_limits = (struct quota_limits){ .messages_per_day = 500 };
	return "default";
}

static const struct quota_state full_state = {
	.used = 500, .limit = 500, .unit = "messages", .messages = 500, .resets_at = 1795392000
};

bool quota_charge_locally(struct quota *quota, const struct quota_order *order, const struct quota_limits *limits,
			  struct quota_state *out_state)
{
	(void)quota, (void)order, (void)limits, (void)out_state;
	return world.quota_is_local;
}

void quota_refund_locally(struct quota *quota, struct span user, uint64_t lease, uint64_t recipients, uint64_t bytes)
{
	(void)lease;
	(void)quota, (void)user;
	trace_line("local refund %u of %u bytes", (unsigned)recipients, (unsigned)bytes);
}

bool quota_may_charge(struct quota *quota, struct span *out_why)
{
	(void)quota;
	*out_why = SPAN("counts are being rebuilt");
	return !world.quota_is_rebuilt;
}

bool quota_is_exhausted(struct quota *quota, struct span user, const struct quota_limits *limits,
			struct quota_state *out_state)
{
	(void)quota, (void)user, (void)limits;
	if (world.quota_exhausted)
		*out_state = full_state;
	return world.quota_exhausted;
}

struct quota_limits quota_limits_of(const struct config_quota *section)
{
	return (struct quota_limits){ .messages_per_day = section->messages_per_day };
}

/* Not a digest here, but the address. */
enum status quota_hash_recipient(struct span address, struct buf *out)
{
	TRY(buf_append(out, address));
	return buf_append_byte(out, ' ');
}

static inline void keep_hashes(const struct quota_order *order)
{
	struct buf hashes BUF_AUTO;
	buf_init(&hashes, TEXT_SIZE);
	assert_int_equal(order->write_hashes(order->message, &hashes), STATUS_OK);
	keep_text(world.charged_strangers, buf_span(&hashes));
}

enum status quota_charge(struct quota *quota, const struct quota_order *order, const struct quota_limits *limits,
			 quota_callback *callback, void *context)
{
	(void)quota, (void)limits;
	trace_line("charge");
	if (world.quota_broken)
		return STATUS_NO_MEMORY;
	assert_null(world.charged);
	world.charged = callback;
	world.charged_context = context;
	world.charged_recipients = order->recipients;
	world.charged_bytes = order->bytes;
	keep_text(world.token, order->token);
	keep_hashes(order);
	return STATUS_OK;
}

static inline void quota_says(enum quota_verdict verdict)
{
	quota_callback *callback = world.charged;
	assert_non_null(callback);
	world.charged = NULL;
	callback(world.charged_context, verdict, &full_state);
	end_turn();
}

void quota_refund(struct quota *quota, struct span user, const struct quota_limits *limits, struct span token)
{
	(void)quota, (void)user, (void)limits;
	trace_line("refund");
	keep_text(world.refunded, token);
}

void quota_settle(struct quota *quota, struct span user, const struct quota_limits *limits, struct span token)
{
	(void)quota, (void)user, (void)limits, (void)token;
	trace_line("settle");
}

void quota_forget_seen(struct quota *quota, struct span name)
{
	(void)quota;
	trace_line("forget %.*s", SPAN_ARGS(name));
}

void quota_format(enum quota_verdict verdict, const struct quota_state *state, char *out_text, size_t size)
{
	(void)verdict;
	snprintf(out_text, size, "Over quota: %llu of %llu", (unsigned long long)state->used,
		 (unsigned long long)state->limit);
}

/* ---- refused recipients: without a limit, unless a test sets one */

enum status refused_count(struct refused_recipients *refused, struct span user, uint64_t limit, uint64_t more,
			  refused_callback *callback, void *context)
{
	(void)refused, (void)user, (void)limit;
	if (world.refused_broken)
		return STATUS_UNAVAILABLE;
	trace_line(more ? "count %u" : "look", (unsigned)more);
	assert_null(world.counted);
	world.counted = callback;
	world.counted_context = context;
	return STATUS_OK;
}

/* `refused`: within the hour, of which `counted` were asked for; none of them counts any more after a minute. */
static inline void refused_says(uint64_t counted, uint64_t refused, bool is_reached)
{
	refused_callback *callback = world.counted;
	const struct refused_count count = {
		.counted = counted, .refused = refused, .limit = 100, .free_in_s = 60, .is_reached = is_reached
	};
	assert_non_null(callback);
	world.counted = NULL;
	callback(world.counted_context, &count);
	end_turn();
}

#endif

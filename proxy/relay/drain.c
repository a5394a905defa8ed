/* How the relay role ends in order: nothing new is taken, and what was begun comes to its end within a limit. */
#include "base/log.h"
#include "relay/relay_private.h"

#define DRAIN_LOOK_MS 100        /* how often a draining relay looks whether it is done */
#define DRAIN_ADMIN_MS 5000      /* for the admin role, which ends with us, to say what came of a reload */
#define DRAIN_LAST_WORDS_MS 3000 /* of the time to drain, for refunds and records of what was cut */

/*
 * Gates gone, every message at its end, every refund confirmed, every lease given back, every upstream told QUIT, all
 * commands recorded.
 */
static bool is_drained(const struct relay *relay)
{
	if (relay->control.door && loop_now_ms(relay->context->loop) < relay->admin_ms)
		return false;
	if (relay->gates.count || deliveries_count(relay->deliveries) || alerts_pending(&relay->alerts) ||
	    quota_refunds_pending(relay->services.quota) || !quota_leases_are_back(relay->services.quota))
		return false;
	for (size_t i = 0; i < relay->context->config->relay.count; i++)
		if (upstream_pool_size(relay->services.pools[i]))
			return false;
	return true;
}

static void look_at_drain(void *context)
{
	struct relay *relay = context;
	uint64_t now = loop_now_ms(relay->context->loop);
	if (!relay->is_cut && now >= relay->cut_ms) {
		relay->is_cut = true;
		if (deliveries_count(relay->deliveries))
			log_warning("time to drain is over with %zu messages under way",
				    deliveries_count(relay->deliveries));
		deliveries_cut(relay->deliveries);
	}
	if (relay->is_finished || (!is_drained(relay) && now < relay->end_ms)) {
		timer_set(relay->drain_timer, DRAIN_LOOK_MS);
		return;
	}
	relay->is_finished = true;
	role_finish(relay->context);
}

void relay_drain(void *state, uint64_t limit_ms, enum role_drain how)
{
	struct relay *relay = state;
	uint64_t now = loop_now_ms(relay->context->loop);
	uint64_t last_words = limit_ms / 4 < DRAIN_LAST_WORDS_MS ? limit_ms / 4 : DRAIN_LAST_WORDS_MS;
	relay->end_ms = now + limit_ms;
	relay->admin_ms = now + DRAIN_ADMIN_MS;
	relay->cut_ms = relay->end_ms - last_words;
	for (size_t i = 0; i < relay->context->config->relay.count; i++)
		upstream_pool_drain(relay->services.pools[i]);
	for (size_t i = 0; i < relay->context->config->relay.count; i++)
		if (relay->services.budgets[i])
			budget_drain(relay->services.budgets[i]);
	mailboxes_drain(relay->services.mailboxes);
	rebuilding_drain(&relay->rebuilding);
	quota_drain_leases(relay->services.quota);
	audit_watch_drain(&relay->audit_watch);
	if (how != ROLE_DRAIN_ENDS) {
		exports_release(relay->exporting.exports);
		notice_call_release(&relay->alerts.notice_call);
	}
	alerts_drain(&relay->alerts);
	quota_nodes_retire(relay->quota_nodes);
	if (relay->drain_timer == NULL &&
	    timer_make(relay->context->loop, look_at_drain, relay, &relay->drain_timer) != STATUS_OK) {
		log_error("relay can't drain: out of memory");
		role_finish(relay->context);
		return;
	}
	timer_set(relay->drain_timer, 0);
}

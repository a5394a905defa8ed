/* Charges while Redis is away: from what was lent before, where redis.on_failure says so. */
#include "quota/leases.h"
#include "quota/quota_private.h"

enum status quota_use_leases(struct quota *quota, const char *process)
{
	return leases_create(quota->loop, quota->redis, quota->prefix, process, &quota->leases);
}

bool quota_charge_locally(struct quota *quota, const struct quota_order *order, const struct quota_limits *limits,
			  struct quota_state *out_state)
{
	if (quota->leases == NULL || redis_is_up(quota->redis) || !leases_cover(limits))
		return false;
	return leases_spend(quota->leases, order, out_state);
}

void quota_refund_locally(struct quota *quota, struct span user, uint64_t lease, uint64_t recipients, uint64_t bytes)
{
	const struct quota_order order = { .user = user, .recipients = recipients, .bytes = bytes };
	leases_take_back(quota->leases, &order, lease);
}

void quota_reconcile_leases(struct quota *quota)
{
	if (quota->leases)
		leases_reconcile(quota->leases);
}

void quota_void_leases(struct quota *quota)
{
	if (quota->leases)
		leases_void(quota->leases);
}

void quota_drain_leases(struct quota *quota)
{
	if (quota->leases)
		leases_drain(quota->leases);
}

bool quota_leases_are_back(const struct quota *quota)
{
	return quota->leases == NULL || leases_are_back(quota->leases);
}

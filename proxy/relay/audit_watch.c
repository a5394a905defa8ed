/*
 * The audit's disk, as administrators hear of it. Owns nothing. A disk that is nearly full is told once, and once more
 * when there is room again; a little more than the limit, so that it is not told at every record.
 */
#include "relay/audit_watch.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "export/anchor.h"
#include "relay/peers.h"
#include "role/role.h"

#define ROOM_AGAIN(low) ((low) + (low) / 10) /* bytes free, from which on there is room again */
#define MEBIBYTE (1U << 20)

static void raise_notice(struct audit_watch *watch, enum notice_kind kind, enum notice_severity severity,
			 const char *subject, const char *text)
{
	const struct notice notice = {
		.kind = kind, .severity = severity, .subject = span_of(subject), .text = span_of(text)
	};
	notices_raise(&watch->services->notices, &notice);
}

void audit_watch_take_trouble(void *context, bool is_well, const char *what)
{
	struct audit_watch *watch = context;
	if (is_well) {
		log_info("audit: %s", what);
		raise_notice(watch, NOTICE_AUDIT_TROUBLE, NOTICE_INFORMATION,
			     "the audit is written again, and mail leaves", what);
		return;
	}
	log_error("audit: %s", what);
	raise_notice(watch, NOTICE_AUDIT_TROUBLE, NOTICE_ALARM,
		     "the audit is in trouble, and without it no mail leaves", what);
}

static bool is_low(const struct audit_watch *watch, uint64_t free_bytes)
{
	uint64_t low = watch->services->config->audit.low_space;
	return free_bytes < (watch->is_low ? ROOM_AGAIN(low) : low);
}

static void tell_space(struct audit_watch *watch, uint64_t free_bytes)
{
	char text[160];
	bool low = is_low(watch, free_bytes);
	if (low == watch->is_low)
		return;
	watch->is_low = low;
	stats_set(watch->services->stats, COUNTER_AUDIT_LOW_SPACE, 0, low);
	snprintf(text, sizeof(text), "its disk has %" PRIu64 " MiB left%s", free_bytes / MEBIBYTE,
		 low ? "; once it is full, mail is refused" : " and so room again");
	if (low)
		log_warning("audit: %s", text);
	else
		log_info("audit: %s", text);
	raise_notice(watch, NOTICE_AUDIT_LOW_SPACE, low ? NOTICE_WARNING : NOTICE_INFORMATION,
		     low ? "the disk of the audit is nearly full" : "the disk of the audit has room again", text);
}

void audit_watch_take_health(void *context, const struct audit_health *health)
{
	struct audit_watch *watch = context;
	struct stats *stats = watch->services->stats;
	stats_add(stats, COUNTER_AUDIT_SYNC_FAILURES, 0, health->sync_failures - watch->health.sync_failures);
	stats_set(stats, COUNTER_AUDIT_STUCK, 0, health->error != 0);
	watch->health = *health;
	if (watch->is_draining || health->free_bytes == AUDIT_SPACE_UNKNOWN)
		return;
	stats_set(stats, COUNTER_AUDIT_FREE, 0, health->free_bytes);
	tell_space(watch, health->free_bytes);
}

void audit_watch_drain(struct audit_watch *watch)
{
	watch->is_draining = true;
	stats_set(watch->services->stats, COUNTER_AUDIT_FREE, 0, 0);
	stats_set(watch->services->stats, COUNTER_AUDIT_LOW_SPACE, 0, 0);
}

static void post_head(struct audit_watch *watch, const struct audit_statement *statement)
{
	enum status status = anchor_post(watch->anchor, statement);
	if ((status != STATUS_OK) == watch->is_adrift)
		return;
	watch->is_adrift = status != STATUS_OK;
	if (watch->is_adrift)
		log_warning("audit.anchor: the syslog daemon does not take the chain's heads: %s", status_text(status));
	else
		log_info("audit.anchor: the syslog daemon takes the chain's heads again");
}

void audit_watch_take_statement(void *context, const struct audit_statement *statement)
{
	struct audit_watch *watch = context;
	if (watch->peers) /* NULL: not yet, or no more */
		peers_publish(watch->peers, statement);
	if (watch->anchor)
		post_head(watch, statement);
	if (watch->services->config->audit.anchor == AUDIT_ANCHOR_COMMAND)
		role_anchor_audit(watch->services->role, statement);
}

enum status audit_watch_open(struct audit_watch *watch, int fd, const struct earlier_audit *earlier)
{
	struct services *services = watch->services;
	const struct config_audit *config = &services->config->audit;
	const char *slash = config->file ? strrchr(config->file, '/') : NULL;
	const struct audit_options options = {
		.fd = fd,
		.file_name = slash ? slash + 1 : config->file,
		.state_fd = role_take_fd(services->role, "audit-state"),
		.earlier = earlier->fds,
		.earlier_count = earlier->count,
		.keys_fd = config->chain ? role_take_fd(services->role, "audit-keys") : -1,
		.sync = config->sync,
		.node = services->role->node,
		.on_trouble = audit_watch_take_trouble,
		.on_health = audit_watch_take_health,
		.on_statement = audit_watch_take_statement,
		.context = watch,
	};
	if (options.state_fd < 0 || (config->chain && options.keys_fd < 0))
		return STATUS_NOT_FOUND;
	return audit_create(services->loop, &options, &services->audit);
}

enum status audit_watch_begin_chain(struct audit_watch *watch, struct redis *redis)
{
	const struct services *services = watch->services;
	const struct config *config = services->config;
	const struct audit_public *public = audit_public(services->audit);
	if (!config->audit.chain)
		return STATUS_OK;
	if (config->audit.anchor == AUDIT_ANCHOR_SYSLOG)
		TRY(anchor_create(ANCHOR_SYSLOG, services->role->node, &watch->anchor));
	if (public->is_renewed)
		log_warning("audit: the first public key is %s; keep a copy of it where this machine can't reach",
			    public->first);
	return peers_create(services->loop, redis, services->audit, config->redis.prefix, services->role->node,
			    &watch->peers);
}

void audit_watch_end_chain(struct audit_watch *watch)
{
	peers_free(&watch->peers);
}

void audit_watch_close(struct audit_watch *watch)
{
	audit_free(&watch->services->audit);
	anchor_free(&watch->anchor);
}

/* Owns the CA's certificates and the exports. */
#include "relay/exporting.h"

#include "base/log.h"
#include "role/role.h"

static void on_news(void *context, const char *target, bool is_well, const char *what)
{
	(void)context;
	if (is_well)
		log_info("audit export to %s: %s", target, what);
	else
		log_error("audit export to %s: %s", target, what);
}

/* The oldest first, and the present one last. */
static enum status add_files(struct exports *exports, const struct earlier_audit *earlier, int audit_fd)
{
	for (size_t i = earlier->count; i > 0; i--)
		TRY(exports_add_file(exports, earlier->fds[i - 1], true));
	return exports_add_file(exports, audit_fd, false);
}

enum status exporting_prepare(struct exporting *exporting, const struct earlier_audit *earlier, int audit_fd)
{
	const struct services *services = exporting->services;
	if (!exports_are_wanted(&services->config->audit))
		return STATUS_OK;
	enum status status = role_take_secret(services->role, "syslog-ca", &exporting->ca);
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		return status;
	const struct exports_options options = {
		.loop = services->loop,
		.config = services->config,
		.stats = services->stats,
		.node = services->role->node,
		.ca_pem = secret_reveal(&exporting->ca),
		.on_news = on_news,
	};
	TRY(exports_create(&options, &exporting->exports));
	return add_files(exporting->exports, earlier, audit_fd);
}

static enum status wait_for_arrival(void *context, struct audit_position place, audit_callback *callback, void *waiter)
{
	return exports_wait(context, place.chain, place.seq, callback, waiter);
}

static bool are_stuck(void *context)
{
	return exports_are_stuck(context);
}

enum status exporting_begin(struct exporting *exporting, struct resolver *resolver, struct redis *redis)
{
	struct services *services = exporting->services;
	if (exporting->exports == NULL)
		return STATUS_OK;
	if (services->config->audit.required) {
		services->leavings.wait = wait_for_arrival;
		services->leavings.is_stuck = are_stuck;
		services->leavings.context = exporting->exports;
	}
	return exports_begin(exporting->exports, resolver, redis, role_take_fd(services->role, "export-syslog"),
			     role_take_fd(services->role, "export-stream"));
}

void exporting_add_file(struct exporting *exporting, int audit_fd)
{
	if (exporting->exports && exports_add_file(exporting->exports, audit_fd, false) != STATUS_OK)
		log_error("audit export: the file that the audit goes on in can't be followed");
}

void exporting_end(struct exporting *exporting)
{
	exports_free(&exporting->exports);
	secret_wipe(&exporting->ca);
	if (exporting->services)
		leaving_end(exporting->services);
}

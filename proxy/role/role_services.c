/* What a role may ask of its process (role/role.h). Owns the descriptors that were not taken yet. */
#include <unistd.h>

#include "audit/audit_statement.h"
#include "base/log.h"
#include "door/messages.h"
#include "role/role_main.h"

static struct handover handed_over;
static struct door *supervisor; /* role_main's */

const char *role_kind_text(enum role_kind kind)
{
	static const char *const texts[] = {
		[ROLE_SUPERVISOR] = "supervisor", [ROLE_GATE] = "gate",   [ROLE_AUTH] = "auth",
		[ROLE_RELAY] = "relay",           [ROLE_ADMIN] = "admin", [ROLE_CONSOLE] = "console",
	};
	return kind < ROLE_KINDS ? texts[kind] : "unknown";
}

void role_services_open(struct handover *list)
{
	handed_over = *list;
	*list = (struct handover){ 0 };
}

const struct handover *role_services_list(void)
{
	return &handed_over;
}

int role_take_fd(const struct role_context *context, const char *name)
{
	(void)context; /* one process, one role */
	return handover_take(&handed_over, name);
}

enum status role_take_secret(const struct role_context *context, const char *name, struct secret *out_secret)
{
	int fd = role_take_fd(context, name);
	if (fd < 0)
		return STATUS_NOT_FOUND;
	enum status status = secret_from_fd(fd, out_secret);
	close(fd);
	return status;
}

void role_finish(const struct role_context *context)
{
	loop_stop(context->loop);
}

void role_services_use_door(struct door *door)
{
	supervisor = door;
}

void role_distrust_gate(const struct role_context *context, uint32_t instance)
{
	const struct door_distrust message = { .instance = instance };
	(void)context;
	if (supervisor == NULL || door_send_distrust(supervisor, &message) != STATUS_OK)
		log_warning("the supervisor can't be told that gate %u is to be replaced", instance);
}

void role_door_lost(const struct role_context *context, enum role_kind peer, uint32_t instance)
{
	const struct door_lost message = { .role = (uint8_t)peer, .instance = instance };
	(void)context;
	if (supervisor && door_send_lost(supervisor, &message) != STATUS_OK)
		log_warning("the supervisor can't be told that the door to %s is lost", role_kind_text(peer));
}

void role_anchor_audit(const struct role_context *context, const struct audit_statement *statement)
{
	const struct door_anchor message = {
		.number = statement->number,
		.chain = span_of(statement->chain),
		.count = statement->count,
		.head = span_of(statement->head),
		.key = span_of(statement->key),
		.next = span_of(statement->next),
		.signature = span_of(statement->signature),
	};
	(void)context;
	if (supervisor && door_send_anchor(supervisor, &message) != STATUS_OK)
		log_warning("audit.anchor: the supervisor can't be told of checkpoint %llu",
			    (unsigned long long)statement->number);
}

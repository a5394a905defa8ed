/* audit key: what anybody may know of the keys that sign the audit; audit check: whether it is as it was written. */
#include "relay/control.h"
#include "relay/proof.h"
#include "relay/rebuilding.h"
#include "role/role.h"

#define NO_CHAIN "the audit has no chain: audit { chain = true } makes it provable"

void control_show_audit_key(struct control *control, uint64_t request, const json_t *object)
{
	const struct audit_public *public = audit_public(control->services->audit);
	(void)object;
	if (public->first[0] == '\0') {
		control_refuse(control, request, NO_CHAIN);
		return;
	}
	json_t *answer = json_pack("{s:b, s:s, s:s}", "ok", 1, "node", control->services->role->node, "first_key",
				   public->first);
	if (public->last.number) {
		json_object_set_new(answer, "next_key", json_string(public->last.next));
		json_object_set_new(answer, "checkpoint", audit_statement_to_json(&public->last));
	}
	control_reply(control, request, answer);
}

/* Nobody waits for the verification: what the last one found is told at once. */
void control_check_audit(struct control *control, uint64_t request, const json_t *object)
{
	const struct audit_public *public = audit_public(control->services->audit);
	const struct proof_options options = {
		.fds = control->rebuilding->fds,
		.count = control->rebuilding->fd_count,
		.node = control->services->role->node,
		.known = &public->last,
	};
	(void)object;
	if (public->first[0] == '\0') {
		control_refuse(control, request, NO_CHAIN);
	} else if (control->proof == NULL && proof_create(control->services->loop, &control->proof) != STATUS_OK) {
		control_refuse(control, request, "out of memory");
	} else {
		proof_refresh(control->proof, &options);
		control_reply(control, request, proof_describe(control->proof));
	}
}

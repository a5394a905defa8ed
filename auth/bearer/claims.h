/* What a token that is believed says of its holder, by the rules of a bearer section. Pure. */
#ifndef AUTH_BEARER_CLAIMS_H
#define AUTH_BEARER_CLAIMS_H

#include <jansson.h>

#include "auth/identity.h"

/*
 * The user's name, groups and senders go into *out_holder, which is initialized and empty. `introspected`: they are an
 * endpoint's answer (RFC 7662), not a token's own. STATUS_INVALID: this token lets nobody in; *out_reason, static, says
 * why. STATUS_TOO_LARGE: it lists more than can be kept. STATUS_NO_MEMORY.
 */
MUST_USE enum status bearer_claims_read(const json_t *claims, const struct config_bearer *config, bool introspected,
					uint64_t now_s, struct identity *out_holder, uint64_t *out_expires_s,
					const char **out_reason);

/* The claim of that name; or where there is none, the one at the end of that path, such as "realm_access.roles". */
const json_t *bearer_claims_find(const json_t *claims, struct span name);

#endif

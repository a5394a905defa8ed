/*
 * The credentials for upstreams. They are given to the relay role, each time it
 * logs in, and to nobody else.
 */
#ifndef AUTH_VAULT_H
#define AUTH_VAULT_H

#include "base/secret.h"
#include "config/config.h"
#include "door/messages.h"

struct vault;

/* `config` lives longer. Empty at first. */
MUST_USE enum status vault_create(const struct config *config, struct vault **out_vault);
void vault_free(struct vault **vault); /* wipes; NULL-safe; sets to NULL */

/* Moves the password of relay number `index` of the config in. */
void vault_put(struct vault *vault, size_t index, struct secret *password);
/* What to answer; the texts are the vault's or static. A relay that is unknown or has no password is not available. */
void vault_answer(const struct vault *vault, const struct door_credential_request *request,
		  struct door_credential_reply *out_reply);

#endif

/* One bearer section with its secrets, as threads use it: made at start, constant after. */
#ifndef AUTH_BEARER_CLIENT_H
#define AUTH_BEARER_CLIENT_H

#include "base/secret.h"
#include "role/role.h"

struct bearer_client {
	const struct config_bearer *config;
	const char *kind;     /* static, for the log, before the section's name: "bearer ", or nothing */
	struct secret ca;     /* PEM; may be empty */
	struct secret secret; /* ours at introspection_url; may be empty */
};

/* Takes "bearer-ca" and "bearer-secret" of the section. */
MUST_USE enum status bearer_client_open(const struct role_context *role, const struct config_bearer *config,
					struct bearer_client *out_client);
/* The same for the section oidc: "oidc-ca" and "oidc-secret". `config` is made of that section. */
MUST_USE enum status bearer_client_open_oidc(const struct role_context *role, const struct config_bearer *config,
					     struct bearer_client *out_client);
void bearer_client_close(struct bearer_client *client);

#endif

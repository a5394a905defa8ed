/* Taking over what the supervisor read for a section. */
#include "auth/bearer/client.h"

#include <stdio.h>

#define SECRET_NAME_SIZE 128 /* bytes, the NUL included */

static enum status take_file(const struct role_context *role, const char *kind, const char *section,
			     struct secret *out_secret)
{
	char name[SECRET_NAME_SIZE];
	snprintf(name, sizeof(name), "%s%s%s", kind, *section ? ":" : "", section);
	enum status status = role_take_secret(role, name, out_secret);
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status keep_client(enum status status, struct bearer_client *client, struct bearer_client *out_client)
{
	if (status == STATUS_OK)
		*out_client = *client;
	else
		bearer_client_close(client);
	return status;
}

enum status bearer_client_open(const struct role_context *role, const struct config_bearer *config,
			       struct bearer_client *out_client)
{
	struct bearer_client client = { .config = config, .kind = "bearer " };
	enum status status = take_file(role, "bearer-ca", config->name, &client.ca);
	if (status == STATUS_OK)
		status = take_file(role, "bearer-secret", config->name, &client.secret);
	return keep_client(status, &client, out_client);
}

enum status bearer_client_open_oidc(const struct role_context *role, const struct config_bearer *config,
				    struct bearer_client *out_client)
{
	struct bearer_client client = { .config = config, .kind = "" };
	enum status status = take_file(role, "oidc-ca", "", &client.ca);
	if (status == STATUS_OK)
		status = take_file(role, "oidc-secret", "", &client.secret);
	return keep_client(status, &client, out_client);
}

void bearer_client_close(struct bearer_client *client)
{
	secret_wipe(&client->ca);
	secret_wipe(&client->secret);
}

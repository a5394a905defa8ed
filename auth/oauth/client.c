/* Taking over what the supervisor read and opened. Owns the secrets and the descriptor until it is closed. */
#include "auth/oauth/client.h"

#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define NAME_SIZE_MAXIMUM 128 /* bytes: a descriptor's name */

static void wipe_and_free(void *memory)
{
	if (memory)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

void oauth_client_wipe_json(void)
{
	json_malloc_t allocate = malloc;
	json_get_alloc_funcs(&allocate, NULL); /* base/json_text.h's */
	json_set_alloc_funcs(allocate, wipe_and_free);
}

static enum status take_secret(const struct role_context *role, const char *kind, const char *section,
			       struct secret *out_secret)
{
	char name[NAME_SIZE_MAXIMUM];
	snprintf(name, sizeof(name), "%s:%s", kind, section);
	enum status status = role_take_secret(role, name, out_secret);
	return status == STATUS_NOT_FOUND ? STATUS_OK : status; /* the rules say which there must be */
}

static enum status take_account(const struct role_context *role, struct oauth_client *client)
{
	const char *fault = NULL;
	struct secret json SECRET_AUTO = { 0 };
	if (client->config->grant != OAUTH_SERVICE_ACCOUNT)
		return STATUS_OK;
	TRY(take_secret(role, "oauth-account", client->config->name, &json));
	enum status status = service_account_read(secret_reveal(&json), &client->account, &fault);
	if (status != STATUS_OK)
		log_error("oauth %s: service_account_file: %s", client->config->name, fault);
	return status;
}

static enum status take_refresh_token(const struct role_context *role, struct oauth_client *client)
{
	char name[NAME_SIZE_MAXIMUM];
	unsigned char digest[HASH_SHA256_SIZE];
	if (client->config->grant != OAUTH_REFRESH_TOKEN)
		return STATUS_OK;
	TRY(take_secret(role, "oauth-refresh", client->config->name, &client->refresh_token));
	if (!secret_is_empty(&client->refresh_token)) {
		TRY(hash_sha256(secret_reveal(&client->refresh_token), digest));
		hash_to_hex(digest, sizeof(digest), client->origin);
	}
	snprintf(name, sizeof(name), "oauth-state:%s", client->config->name);
	client->state_fd = role_take_fd(role, name);
	return STATUS_OK;
}

static enum status take_all(const struct role_context *role, struct oauth_client *client)
{
	TRY(take_secret(role, "oauth-secret", client->config->name, &client->secret));
	TRY(take_secret(role, "oauth-ca", client->config->name, &client->ca));
	TRY(take_account(role, client));
	return take_refresh_token(role, client);
}

enum status oauth_client_open(const struct role_context *role, const struct config_oauth *config,
			      struct oauth_client *out_client)
{
	struct oauth_client client = { .config = config, .state_fd = -1 };
	oauth_provider_fill(config, &client.provider);
	enum status status = take_all(role, &client);
	if (status == STATUS_OK)
		*out_client = client;
	else
		oauth_client_close(&client);
	return status;
}

void oauth_client_close(struct oauth_client *client)
{
	secret_wipe(&client->secret);
	secret_wipe(&client->refresh_token);
	secret_wipe(&client->ca);
	service_account_wipe(&client->account);
	if (client->state_fd >= 0)
		close(client->state_fd);
	client->state_fd = -1;
}

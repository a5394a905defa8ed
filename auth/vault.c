/* One secret a relay section, in the order of the config. */
#include "auth/vault.h"

#include <stdlib.h>

struct vault {
	const struct config *config;
	struct secret *passwords;
};

enum status vault_create(const struct config *config, struct vault **out_vault)
{
	struct vault *vault = calloc(1, sizeof(*vault));
	if (vault == NULL)
		return STATUS_NO_MEMORY;
	vault->config = config;
	vault->passwords = calloc(config->relay.count + 1, sizeof(*vault->passwords));
	if (vault->passwords == NULL) {
		free(vault);
		return STATUS_NO_MEMORY;
	}
	*out_vault = vault;
	return STATUS_OK;
}

void vault_free(struct vault **vault)
{
	if (*vault == NULL)
		return;
	for (size_t i = 0; i < (*vault)->config->relay.count; i++)
		secret_wipe(&(*vault)->passwords[i]);
	free((*vault)->passwords);
	free(*vault);
	*vault = NULL;
}

void vault_put(struct vault *vault, size_t index, struct secret *password)
{
	secret_wipe(&vault->passwords[index]);
	vault->passwords[index] = *password;
	*password = (struct secret){ 0 };
}

static const char *mechanism_text(enum config_relay_auth auth)
{
	switch (auth) {
	case RELAY_AUTH_PLAIN:
		return "plain";
	case RELAY_AUTH_LOGIN:
		return "login";
	case RELAY_AUTH_NONE:
		return "none";
	case RELAY_AUTH_XOAUTH2:
	case RELAY_AUTH_OAUTHBEARER: /* tokens are not kept here */
	default:
		return NULL;
	}
}

static void give_password(const struct vault *vault, size_t index, struct door_credential_reply *reply)
{
	const struct config_relay *relay = &vault->config->relay.items[index];
	const char *mechanism = mechanism_text(relay->auth);
	if (mechanism == NULL) {
		reply->reason = SPAN("no such way to log in");
		return;
	}
	if (relay->auth != RELAY_AUTH_NONE && secret_is_empty(&vault->passwords[index])) {
		reply->reason = SPAN("its password is missing");
		return;
	}
	reply->available = 1;
	reply->mechanism = span_of(mechanism);
	if (relay->auth == RELAY_AUTH_NONE)
		return;
	reply->user = span_of(relay->user);
	reply->secret = secret_reveal(&vault->passwords[index]);
}

void vault_answer(const struct vault *vault, const struct door_credential_request *request,
		  struct door_credential_reply *out_reply)
{
	struct door_credential_reply reply = { .request = request->request };
	size_t index = 0;
	while (index < vault->config->relay.count &&
	       !span_equal(span_of(vault->config->relay.items[index].name), request->relay))
		index++;
	if (index < vault->config->relay.count)
		give_password(vault, index, &reply);
	else
		reply.reason = SPAN("no such relay");
	*out_reply = reply;
}

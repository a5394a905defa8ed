/* Sections by name, and what follows from them. Pure. */
#include <string.h>

#include "config/config.h"

const struct config_oauth *config_find_oauth(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->oauth.count; i++) {
		if (strcmp(config->oauth.items[i].name, name) == 0)
			return &config->oauth.items[i];
	}
	return NULL;
}

bool config_relay_has_tokens(const struct config_relay *relay)
{
	return relay->auth == RELAY_AUTH_XOAUTH2 || relay->auth == RELAY_AUTH_OAUTHBEARER;
}

const struct config_relay *config_find_relay(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->relay.count; i++) {
		if (strcmp(config->relay.items[i].name, name) == 0)
			return &config->relay.items[i];
	}
	return NULL;
}

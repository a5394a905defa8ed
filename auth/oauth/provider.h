/* The addresses and scopes of an oauth section: what it says, else those of its provider. */
#ifndef AUTH_OAUTH_PROVIDER_H
#define AUTH_OAUTH_PROVIDER_H

#include "config/config.h"

#define PROVIDER_TEXT_SIZE 1280 /* bytes, the NUL included: an address of options.def fits */

/* "": there is none. */
struct oauth_provider {
	char token_url[PROVIDER_TEXT_SIZE];
	char device_url[PROVIDER_TEXT_SIZE];
	char authorize_url[PROVIDER_TEXT_SIZE];
	char scope[PROVIDER_TEXT_SIZE];
};

void oauth_provider_fill(const struct config_oauth *config, struct oauth_provider *out_provider);

#endif

/* What Google and Microsoft publish of their endpoints. Pure. */
#include "auth/oauth/provider.h"

#define MICROSOFT "https://login.microsoftonline.com/%s/oauth2/v2.0/"

/* "%s" in an address stands for the tenant. */
struct preset {
	const char *token_url, *device_url, *authorize_url;
	const char *scope;             /* of a mailbox */
	const char *application_scope; /* of client_credentials */
};

static const struct preset presets[] = {
	/* Its device flow knows no scope that sends mail. */
	[OAUTH_GOOGLE] = { "https://oauth2.googleapis.com/token", "", "https://accounts.google.com/o/oauth2/v2/auth",
			   "https://mail.google.com/", "" },
	[OAUTH_MICROSOFT] = { MICROSOFT "token", MICROSOFT "devicecode", MICROSOFT "authorize",
			      "https://outlook.office.com/SMTP.Send offline_access",
			      "https://outlook.office365.com/.default" },
	[OAUTH_CUSTOM] = { "", "", "", "", "" },
};

static void fill_url(char out_text[PROVIDER_TEXT_SIZE], const char *given, const char *preset, const char *tenant)
{
	size_t at = 0;
	if (*given) {
		snprintf(out_text, PROVIDER_TEXT_SIZE, "%s", given);
		return;
	}
	while (preset[at] && preset[at] != '%')
		at++;
	if (preset[at])
		snprintf(out_text, PROVIDER_TEXT_SIZE, "%.*s%s%s", (int)at, preset, tenant, preset + at + 2);
	else
		snprintf(out_text, PROVIDER_TEXT_SIZE, "%s", preset);
}

void oauth_provider_fill(const struct config_oauth *config, struct oauth_provider *out_provider)
{
	const struct preset *preset = &presets[config->provider];
	const char *scope = config->grant == OAUTH_CLIENT_CREDENTIALS ? preset->application_scope : preset->scope;
	fill_url(out_provider->token_url, config->token_url, preset->token_url, config->tenant);
	fill_url(out_provider->device_url, config->device_url, preset->device_url, config->tenant);
	fill_url(out_provider->authorize_url, config->authorize_url, preset->authorize_url, config->tenant);
	snprintf(out_provider->scope, PROVIDER_TEXT_SIZE, "%s", *config->scope ? config->scope : scope);
}

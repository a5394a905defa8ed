/* Reading a provider's openid-configuration: a stranger's text, of which only what is needed is kept. */
#include "auth/bearer/metadata.h"

#include <stdio.h>
#include <string.h>

bool metadata_is_url(const char *url)
{
	const struct span scheme = SPAN("https://");
	struct span text = span_of(url ? url : "");
	if (!span_starts_with(text, scheme) || text.size >= METADATA_URL_SIZE)
		return false;
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] <= ' ' || text.data[i] >= 0x7f || strchr("@#\"<>\\^`{|}", text.data[i]))
			return false;
	return text.size > scheme.size && !strchr("/?:", text.data[scheme.size]);
}

static bool lists_word(const json_t *document, const char *name, const char *word)
{
	size_t i;
	const json_t *item;
	json_array_foreach(json_object_get(document, name), i, item)
	{
		if (json_is_string(item) && strcmp(json_string_value(item), word) == 0)
			return true;
	}
	return false;
}

/* Some do PKCE and don't say so. */
static bool does_pkce(const json_t *document)
{
	const char *name = "code_challenge_methods_supported";
	return json_object_get(document, name) == NULL || lists_word(document, name, "S256");
}

enum status metadata_read(const json_t *document, struct metadata *out_metadata, const char **out_reason)
{
	const char *authorize_url = json_string_value(json_object_get(document, "authorization_endpoint"));
	const char *token_url = json_string_value(json_object_get(document, "token_endpoint"));
	if (!metadata_is_url(authorize_url))
		*out_reason = "its openid-configuration names no authorization_endpoint with https://";
	else if (!metadata_is_url(token_url))
		*out_reason = "its openid-configuration names no token_endpoint with https://";
	else if (!does_pkce(document))
		*out_reason = "its openid-configuration has no PKCE by S256";
	else
		*out_reason = NULL;
	if (*out_reason)
		return STATUS_INVALID;
	snprintf(out_metadata->authorize_url, METADATA_URL_SIZE, "%s", authorize_url);
	snprintf(out_metadata->token_url, METADATA_URL_SIZE, "%s", token_url);
	out_metadata->names_issuer =
		json_is_true(json_object_get(document, "authorization_response_iss_parameter_supported"));
	const char *ways = "token_endpoint_auth_methods_supported";
	out_metadata->takes_posted_secret = lists_word(document, ways, "client_secret_post");
	out_metadata->takes_basic_secret =
		!out_metadata->takes_posted_secret || lists_word(document, ways, "client_secret_basic");
	return STATUS_OK;
}

/* Requests to issuers. */
#include "auth/bearer/fetch.h"

#include <stdio.h>
#include <string.h>

#include "auth/bearer/json.h"
#include "auth/form.h"

#define URL_MAXIMUM 2048 /* bytes */
#define FORM_MAXIMUM (4 * BEARER_TOKEN_MAXIMUM)

/* The object that a request brings. */
static enum status ask_object(const struct bearer_client *client, struct https_request *request, json_t **out_object,
			      char out_reason[HTTPS_REASON_SIZE])
{
	struct buf body BUF_AUTO;
	long code = 0;
	buf_init_sensitive(&body, HTTPS_BODY_MAXIMUM);
	request->ca_pem = secret_reveal(&client->ca);
	request->timeout_ms = client->config->timeout;
	TRY(https_ask(request, &code, &body, out_reason));
	json_t *object = code == 200 ? bearer_json_read(buf_span(&body)) : NULL;
	if (json_is_object(object)) {
		*out_object = object;
		return STATUS_OK;
	}
	json_decref(object);
	snprintf(out_reason, HTTPS_REASON_SIZE, "its answer is no JSON object (HTTP status %ld)", code);
	return STATUS_UNAVAILABLE;
}

/* ---- keys */

static bool is_https(const char *url)
{
	return url && strlen(url) < URL_MAXIMUM && span_starts_with(span_of(url), SPAN("https://"));
}

/* OpenID Connect Discovery 1.0, 4.3: the document must be of this issuer. */
enum status bearer_fetch_metadata(const struct bearer_client *client, json_t **out_document,
				  char out_reason[HTTPS_REASON_SIZE])
{
	struct span issuer = span_of(client->config->issuer);
	char url[URL_MAXIMUM];
	struct https_request request = { .url = url };
	json_t *object = NULL;
	if (issuer.size > 0 && issuer.data[issuer.size - 1] == '/')
		issuer.size--;
	snprintf(url, sizeof(url), "%.*s/.well-known/openid-configuration", SPAN_ARGS(issuer));
	TRY(ask_object(client, &request, &object, out_reason));
	const char *named = json_string_value(json_object_get(object, "issuer"));
	if (named && strcmp(named, client->config->issuer) == 0) {
		*out_document = object;
		return STATUS_OK;
	}
	snprintf(out_reason, HTTPS_REASON_SIZE, "its openid-configuration is of another issuer");
	json_decref(object);
	return STATUS_UNAVAILABLE;
}

static enum status discover_url(const struct bearer_client *client, char out_url[URL_MAXIMUM],
				char out_reason[HTTPS_REASON_SIZE])
{
	json_t *document = NULL;
	TRY(bearer_fetch_metadata(client, &document, out_reason));
	const char *keys = json_string_value(json_object_get(document, "jwks_uri"));
	bool is_good = is_https(keys);
	if (is_good)
		snprintf(out_url, URL_MAXIMUM, "%s", keys);
	else
		snprintf(out_reason, HTTPS_REASON_SIZE, "its openid-configuration names no keys");
	json_decref(document);
	return is_good ? STATUS_OK : STATUS_UNAVAILABLE;
}

enum status bearer_fetch_keys(const struct bearer_client *client, struct bearer_keys **out_keys,
			      char out_reason[HTTPS_REASON_SIZE])
{
	char url[URL_MAXIMUM];
	struct buf body BUF_AUTO;
	struct https_request request = { .url = url,
					 .ca_pem = secret_reveal(&client->ca),
					 .timeout_ms = client->config->timeout };
	long code = 0;
	buf_init(&body, HTTPS_BODY_MAXIMUM);
	snprintf(url, sizeof(url), "%s", client->config->jwks_url);
	if (*url == '\0')
		TRY(discover_url(client, url, out_reason));
	TRY(https_ask(&request, &code, &body, out_reason));
	enum status status = code == 200 ? bearer_keys_read(buf_span(&body), out_keys) : STATUS_INVALID;
	if (status != STATUS_OK)
		snprintf(out_reason, HTTPS_REASON_SIZE, "its answer holds no keys that can be used (HTTP status %ld)",
			 code);
	return status == STATUS_OK ? STATUS_OK : STATUS_UNAVAILABLE;
}

/* ---- introspection */

enum status bearer_fetch_claims(const struct bearer_client *client, struct span token, json_t **out_claims,
				char out_reason[HTTPS_REASON_SIZE])
{
	const struct config_bearer *config = client->config;
	struct buf form BUF_AUTO;
	buf_init_sensitive(&form, FORM_MAXIMUM);
	snprintf(out_reason, HTTPS_REASON_SIZE, "the request can't be made");
	if (form_add(&form, "token", token) != STATUS_OK ||
	    form_add(&form, "token_type_hint", SPAN("access_token")) != STATUS_OK)
		return STATUS_UNAVAILABLE;
	struct https_request request = { .url = config->introspection_url, .form = buf_span(&form) };
	if (*config->client_id) {
		request.user = config->client_id;
		request.password = &client->secret;
	}
	return ask_object(client, &request, out_claims, out_reason);
}

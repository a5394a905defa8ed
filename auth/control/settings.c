/* "client-settings": what mail programs have to be told of this node, and of one user. subgatectl writes it down. */
#include <stdlib.h>
#include <string.h>

#include "auth/control/control.h"
#include "base/name.h"
#include "smtp/address.h"

#define IMAPS_PORT 993 /* RFC 8314, 3.2 */

/* ---- servers */

static bool is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]", 5) == 0;
}

/* What a person with a password can use: not what is there for some networks, old devices, or certificates. */
static bool serves_people(const struct config_listener *listener)
{
	return listener->networks.count == 0 && !listener->legacy &&
	       listener->client_certificate != CLIENT_CERTIFICATE_REQUIRE;
}

static bool has_port(const json_t *servers, json_int_t port)
{
	size_t i;
	const json_t *row;
	json_array_foreach(servers, i, row)
	{
		if (json_integer_value(json_object_get(row, "port")) == port)
			return true;
	}
	return false;
}

static void add_address(json_t *servers, const char *address, const char *tls)
{
	struct span host;
	uint16_t port = 0;
	if (config_read_place(span_of(address), &host, &port) == STATUS_OK && !has_port(servers, port))
		json_array_append_new(servers, json_pack("{si ss}", "port", (int)port, "tls", tls));
}

/* What is on loopback alone serves people only where nothing else does. */
static void add_listeners(json_t *servers, const struct config *config, enum config_listener_tls tls, bool loopback)
{
	for (size_t i = 0; i < config->listener.count; i++) {
		const struct config_listener *listener = &config->listener.items[i];
		if (listener->tls != tls || !serves_people(listener))
			continue;
		for (size_t k = 0; k < listener->address.count; k++)
			if (is_loopback(listener->address.items[k]) == loopback)
				add_address(servers, listener->address.items[k],
					    tls == LISTENER_TLS_IMPLICIT ? "implicit" : "starttls");
	}
}

/* Implicit TLS first (RFC 8314, 3.3). */
static json_t *list_servers(const struct config *config)
{
	json_t *servers = json_array();
	for (int loopback = 0; loopback < 2 && json_array_size(servers) == 0; loopback++) {
		add_listeners(servers, config, LISTENER_TLS_IMPLICIT, loopback);
		add_listeners(servers, config, LISTENER_TLS_STARTTLS, loopback);
	}
	return servers;
}

/* ---- the rest */

static bool offers_mechanism(const struct config *config, const char *mechanism)
{
	for (size_t i = 0; i < config->auth.mechanisms.count; i++)
		if (strcmp(config->auth.mechanisms.items[i], mechanism) == 0)
			return true;
	return false;
}

/* In the words of Thunderbird's files. */
static const char *choose_authentication(const struct config *config)
{
	if (offers_mechanism(config, "PLAIN") || offers_mechanism(config, "LOGIN"))
		return "password-cleartext";
	return offers_mechanism(config, "OAUTHBEARER") || offers_mechanism(config, "XOAUTH2") ? "OAuth2"
											      : "password-encrypted";
}

/* NULL: there is none, or it is none. */
static json_t *describe_imap(const char *text)
{
	struct span host;
	uint16_t port = 0;
	if (*text == '\0' || config_read_place(span_of(text), &host, &port) != STATUS_OK)
		return NULL;
	return json_pack("{ss% si ss}", "host", host.data, host.size, "port", (int)port, "tls",
			 port == IMAPS_PORT ? "implicit" : "starttls");
}

static const char *text_or(const json_t *arguments, const char *name, const char *otherwise)
{
	const char *text = auth_control_text(arguments, name);
	return text ? text : otherwise;
}

void auth_control_show_client_settings(const struct control_call *call, const json_t *arguments)
{
	const struct config *config = call->auth->role->config;
	const struct config_client_settings *own = &config->client_settings;
	char user[NAME_SIZE];
	if (name_canonical(span_of(text_or(arguments, "user", "")), user) != STATUS_OK) {
		auth_control_refuse(call, "no user can have this name");
		return;
	}
	const char *address = text_or(arguments, "address", strchr(user, '@') ? user : "");
	const char *imap = text_or(arguments, "imap", own->imap);
	if (*address && !address_is_valid(span_of(address), true)) {
		auth_control_refuse(call, "this is no mail address");
		return;
	}
	json_t *server = describe_imap(imap);
	if (*imap && server == NULL) {
		auth_control_refuse(call, "this is no server for incoming mail; expected HOST:PORT");
		return;
	}
	auth_control_answer(call,
			    json_pack("{ss ss* ss so so* ss ss}", "user", user, "address", *address ? address : NULL,
				      "host", *own->host ? own->host : config->global.hostname, "servers",
				      list_servers(config), "imap", server, "authentication",
				      choose_authentication(config), "format", text_or(arguments, "format", "text")));
}

/* Credentials, by the evidence that a mechanism gives. */
#include "auth/credentials.h"

#include <string.h>

#include "config/login_map.h"

static size_t copy_binding(struct span given, char out_bytes[SCRAM_BINDING_MAXIMUM])
{
	if (given.size == 0 || given.size > SCRAM_BINDING_MAXIMUM)
		return 0;
	memcpy(out_bytes, given.data, given.size);
	return given.size;
}

static void keep_bindings(struct exchange *exchange, const struct door_sasl_start *message)
{
	struct scram_bindings *bindings = &exchange->sasl.bindings;
	const struct config_list *offered = &exchange->gate->auth->role->config->auth.mechanisms;
	bindings->exporter_size = copy_binding(message->exporter, bindings->exporter);
	bindings->end_point_size = copy_binding(message->end_point, bindings->end_point);
	for (size_t i = 0; i < offered->count; i++)
		exchange->sasl.has_plus |= span_equal(span_of(offered->items[i]), SPAN("SCRAM-SHA-256-PLUS"));
}

enum status credentials_prepare(struct exchange *exchange, const struct door_sasl_start *message)
{
	const struct gate_door *gate = exchange->gate;
	keep_bindings(exchange, message);
	if (exchange->mechanism->evidence != SASL_CERTIFICATE)
		return STATUS_OK;
	enum status status = holders_name(gate->auth->holders, exchange->client.listener, message->handshake,
					  &gate->challenge, &exchange->holder, &exchange->no_holder);
	return status == STATUS_INVALID ? STATUS_OK : status;
}

/* Whether it is a name of their own comes out once it is known who they are. */
static const char *take_authority(struct exchange *exchange, struct span wanted)
{
	if (!span_is_empty(wanted) && name_canonical(wanted, exchange->credentials.authority) != STATUS_OK)
		return "acting for another user";
	return NULL;
}

static const char *take_password(struct exchange *exchange)
{
	struct credentials *credentials = &exchange->credentials;
	const struct config_list *map = &exchange->gate->auth->role->config->auth.login_map;
	char name[NAME_SIZE];
	if (name_canonical(secret_reveal(&exchange->sasl.name), name) != STATUS_OK ||
	    login_map_apply(map, span_of(name), credentials->name) != STATUS_OK)
		return "not a user name";
	credentials->kind = CREDENTIALS_PASSWORD;
	snprintf(credentials->typed, sizeof(credentials->typed), "%.*s",
		 SPAN_ARGS(span_slice(secret_reveal(&exchange->sasl.name), 0, NAME_MAXIMUM)));
	credentials->password = exchange->sasl.password;
	exchange->sasl.password = (struct secret){ 0 };
	/* That they act for the name that they gave is no more than a repetition. */
	if (span_equal_nocase(secret_reveal(&exchange->sasl.authority), secret_reveal(&exchange->sasl.name)))
		return NULL;
	return take_authority(exchange, secret_reveal(&exchange->sasl.authority));
}

static const char *take_proof(struct exchange *exchange)
{
	const char *fault = take_password(exchange);
	exchange->credentials.kind = CREDENTIALS_PROOF;
	exchange->credentials.scram = exchange->sasl.scram;
	return fault;
}

/* Whom it names comes out later; whoever they want to be has to be them. */
static const char *take_token(struct exchange *exchange)
{
	struct credentials *credentials = &exchange->credentials;
	struct span wanted = secret_reveal(&exchange->sasl.name);
	if (!span_is_empty(wanted) && name_canonical(wanted, credentials->claimed) != STATUS_OK)
		return "not a user name";
	snprintf(credentials->name, sizeof(credentials->name), "%s", credentials->claimed);
	credentials->kind = CREDENTIALS_TOKEN;
	credentials->password = exchange->sasl.password;
	exchange->sasl.password = (struct secret){ 0 };
	return NULL;
}

/* Whom it names comes out later, and it is the name of whom the provider logged in. */
static const char *take_code(struct exchange *exchange)
{
	exchange->credentials.kind = CREDENTIALS_CODE;
	exchange->credentials.password = exchange->sasl.password;
	exchange->sasl.password = (struct secret){ 0 };
	return NULL;
}

static const char *take_certificate(struct exchange *exchange)
{
	struct credentials *credentials = &exchange->credentials;
	if (exchange->holder == NULL)
		return exchange->no_holder;
	if (name_canonical(span_of(exchange->holder), credentials->name) != STATUS_OK)
		return "the client's certificate names nobody";
	credentials->kind = CREDENTIALS_CERTIFICATE;
	return take_authority(exchange, secret_reveal(&exchange->sasl.name));
}

const char *credentials_take(struct exchange *exchange)
{
	switch (exchange->mechanism->evidence) {
	case SASL_PASSWORD:
		return take_password(exchange);
	case SASL_PROOF:
		return take_proof(exchange);
	case SASL_TOKEN:
		return take_token(exchange);
	case SASL_CODE:
		return take_code(exchange);
	case SASL_CERTIFICATE:
		return take_certificate(exchange);
	default:
		return "not a way to log in";
	}
}

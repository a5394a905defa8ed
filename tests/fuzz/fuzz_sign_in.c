/*
 * What a login at an OpenID provider brings, any bytes: what the provider says of itself (first byte 0 of 3), an ID
 * token (1), or the ticket and state that a browser comes back with (2). No browser is sent to what is no address, no
 * token without this login's nonce answers it, and no ticket that wasn't made here is taken.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "admin/tickets.h"
#include "auth/bearer/id_token.h"
#include "auth/bearer/json.h"
#include "auth/bearer/metadata.h"

#define NONCE "n-0S6_WzA2Mj"

static void read_metadata(struct span text)
{
	struct metadata metadata = { 0 };
	const char *reason = NULL;
	json_t *document = bearer_json_read(text);
	enum status status = metadata_read(document, &metadata, &reason);
	assert((status == STATUS_OK) == (reason == NULL));
	if (status == STATUS_OK) {
		assert(metadata_is_url(metadata.authorize_url) && metadata_is_url(metadata.token_url));
		assert(!strpbrk(metadata.authorize_url, "\r\n #"));
	}
	json_decref(document);
}

static void judge_token(struct span text)
{
	static char us[] = "us", required[] = "a.b=c";
	static char *claims[] = { required };
	static const struct config_oidc config = { .client_id = us, .required_claims = { claims, 1 } };
	struct bearer_token token BEARER_TOKEN_AUTO = { 0 };
	if (bearer_token_read(text, &token) != STATUS_OK)
		return;
	const char *nonce = json_string_value(json_object_get(token.claims, "nonce"));
	if (id_token_judge(&token, &config, SPAN(NONCE), 1800000000) == NULL)
		assert(nonce && strcmp(nonce, NONCE) == 0 && json_object_get(token.claims, "iat"));
	assert(id_token_judge(&token, &config, (struct span){ 0 }, 1800000000));
}

/* The state first, then the ticket. Whoever knows no key can't have made it. */
static void take_ticket(struct span text)
{
	static struct tickets tickets;
	struct span state;
	if (tickets.newest == NULL && tickets_init(&tickets) != STATUS_OK)
		assert(false);
	span_cut(&text, '\n', &state);
	assert(tickets_take(&tickets, text, state, 1000) == STATUS_INVALID);
	char made[TICKET_SIZE + 1];
	if (tickets_make(&tickets, 1000, made) == STATUS_OK)
		assert(tickets_take(&tickets, span_of(made), state, 1000) == STATUS_INVALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct span rest = { (const char *)data + 1, size - 1 };
	if (data[0] % 3 == 0)
		read_metadata(rest);
	else if (data[0] % 3 == 1)
		judge_token(rest);
	else
		take_ticket(rest);
	return 0;
}

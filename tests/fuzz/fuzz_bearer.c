/*
 * Tokens of users and keys of their issuers, any bytes: a token (first byte even) or a set of keys (odd). Whatever can
 * be read is judged to the end; nothing is ever signed right, as no key here has signed anything.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "auth/bearer/claims.h"
#include "auth/bearer/json.h"
#include "auth/bearer/keys.h"

/* The key of RFC 7515, A.3, which nobody signs with here. */
#define KEYS                                                                                                  \
	"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"

static void judge_claims(const json_t *claims)
{
	static char issuer[] = "https://login.example", audience[] = "mail", scope[] = "send", empty[] = "";
	static char user[] = "sub", groups[] = "a.groups", senders[] = "aliases";
	static char *audiences[] = { audience }, *scopes[] = { scope };
	static const struct config_bearer section = {
		.name = empty,
		.issuer = issuer,
		.audiences = { audiences, 1 },
		.scopes = { scopes, 1 },
		.user_claim = user,
		.groups_claim = groups,
		.senders_claim = senders,
	};
	struct identity holder IDENTITY_AUTO;
	const char *reason = "";
	uint64_t expires_s = 0;
	identity_init(&holder);
	for (int introspected = 0; introspected < 2; introspected++) {
		if (bearer_claims_read(claims, &section, introspected, 1800000000, &holder, &expires_s, &reason) ==
		    STATUS_OK)
			assert(holder.user[0] && expires_s > 1800000000);
		identity_free(&holder);
	}
}

static void read_token(struct span text)
{
	static struct bearer_keys *keys;
	struct bearer_token token BEARER_TOKEN_AUTO = { 0 };
	if (keys == NULL && bearer_keys_read(SPAN(KEYS), &keys) != STATUS_OK)
		assert(false);
	if (bearer_token_read(text, &token) != STATUS_OK)
		return;
	assert(bearer_token_is_jwt(text));
	assert(bearer_keys_verify(keys, &token) != STATUS_OK);
	judge_claims(token.claims);
}

static void read_json(struct span text)
{
	struct bearer_keys *keys = NULL;
	json_t *value = bearer_json_read(text);
	if (json_is_object(value))
		judge_claims(value);
	json_decref(value);
	if (bearer_keys_read(text, &keys) == STATUS_OK)
		bearer_keys_free(&keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct span rest = { (const char *)data + 1, size - 1 };
	if (data[0] % 2 == 0)
		read_token(rest);
	else
		read_json(rest);
	return 0;
}

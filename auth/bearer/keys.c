/* cjose reads keys and checks signatures; which key may be used for which algorithm is decided here. */
#include "auth/bearer/keys.h"

#include <cjose/jwk.h>
#include <cjose/jws.h>
#include <stdlib.h>
#include <string.h>

#include "auth/bearer/json.h"

/* Bytes of an RSA key's modulus: 2048 to 8192 bits. A larger one costs too much for each token. */
#define MODULUS_MINIMUM 256
#define MODULUS_MAXIMUM 1024
#define NAMELESS_TRIED 4 /* keys that a token without a key id is tried with */

/* RFC 7518, 3.1: what we take. No MACs: their key would be one that can sign as well; and not `none`. */
static const struct algorithm {
	const char *name;
	const char *kind;
	const char *curve;
} algorithms[] = {
	{ "RS256", "RSA", NULL },   { "RS384", "RSA", NULL },   { "RS512", "RSA", NULL },
	{ "PS256", "RSA", NULL },   { "PS384", "RSA", NULL },   { "PS512", "RSA", NULL },
	{ "ES256", "EC", "P-256" }, { "ES384", "EC", "P-384" }, { "ES512", "EC", "P-521" },
};

struct key {
	json_t *json; /* a reference; its texts are used */
	cjose_jwk_t *jwk;
};

struct bearer_keys {
	struct key items[BEARER_KEYS_MAXIMUM];
	size_t count;
};

/* ---- reading */

void bearer_keys_free(struct bearer_keys **keys)
{
	if (*keys == NULL)
		return;
	for (size_t i = 0; i < (*keys)->count; i++) {
		cjose_jwk_release((*keys)->items[i].jwk);
		json_decref((*keys)->items[i].json);
	}
	free(*keys);
	*keys = NULL;
}

static struct span member_text(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	return (struct span){ json_string_value(value), json_string_length(value) };
}

/* Absent, or that. */
static bool may_be(const json_t *object, const char *name, const char *value)
{
	return json_object_get(object, name) == NULL || span_equal(member_text(object, name), span_of(value));
}

static bool has_text(const json_t *list, const char *wanted)
{
	size_t i;
	const json_t *item;
	json_array_foreach(list, i, item)
	{
		if (json_is_string(item) && strcmp(json_string_value(item), wanted) == 0)
			return true;
	}
	return false;
}

static bool is_for_signatures(const json_t *json)
{
	const json_t *operations = json_object_get(json, "key_ops");
	return may_be(json, "use", "sig") && (operations == NULL || has_text(operations, "verify"));
}

static bool is_strong(const json_t *json)
{
	size_t modulus = member_text(json, "n").size * 3 / 4;
	if (span_equal(member_text(json, "kty"), SPAN("EC")))
		return true;
	return span_equal(member_text(json, "kty"), SPAN("RSA")) && modulus >= MODULUS_MINIMUM &&
	       modulus <= MODULUS_MAXIMUM;
}

static bool copy_member(const json_t *from, const char *name, bool is_number, json_t *to)
{
	json_t *value = json_object_get(from, name);
	return json_is_string(value) && (!is_number || bearer_json_is_base64url(member_text(from, name))) &&
	       json_object_set(to, name, value) == 0;
}

/* What cjose may read: the public numbers of RFC 7518, 6.2.1 and 6.3.1, and nothing else of a stranger's. */
static bool copy_public_members(const json_t *from, json_t *to)
{
	if (!copy_member(from, "kty", false, to))
		return false;
	if (span_equal(member_text(from, "kty"), SPAN("RSA")))
		return copy_member(from, "n", true, to) && copy_member(from, "e", true, to);
	return copy_member(from, "crv", false, to) && copy_member(from, "x", true, to) &&
	       copy_member(from, "y", true, to);
}

/* NULL: it is none, or there is no memory. */
static cjose_jwk_t *import_key(const json_t *json)
{
	json_t *public = json_object();
	cjose_jwk_t *jwk = NULL;
	if (public && copy_public_members(json, public))
		jwk = cjose_jwk_import_json((cjose_header_t *)public, NULL);
	json_decref(public);
	return jwk;
}

static void add_key(struct bearer_keys *keys, json_t *json)
{
	if (keys->count == BEARER_KEYS_MAXIMUM || !json_is_object(json) || !is_for_signatures(json) || !is_strong(json))
		return;
	cjose_jwk_t *jwk = import_key(json);
	if (jwk)
		keys->items[keys->count++] = (struct key){ json_incref(json), jwk };
}

enum status bearer_keys_read(struct span json, struct bearer_keys **out_keys)
{
	struct bearer_keys *keys = calloc(1, sizeof(*keys));
	if (keys == NULL)
		return STATUS_NO_MEMORY;
	json_t *set = bearer_json_read(json);
	size_t i;
	json_t *item;
	json_array_foreach(json_object_get(set, "keys"), i, item)
	{
		add_key(keys, item);
	}
	json_decref(set);
	if (keys->count > 0) {
		*out_keys = keys;
		return STATUS_OK;
	}
	bearer_keys_free(&keys);
	return STATUS_INVALID;
}

/* ---- signatures */

static const struct algorithm *find_algorithm(const char *name)
{
	for (size_t i = 0; name && i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (strcmp(algorithms[i].name, name) == 0)
			return &algorithms[i];
	return NULL;
}

static bool key_suits(const struct key *key, const struct algorithm *algorithm, const char *key_id)
{
	return span_equal(member_text(key->json, "kty"), span_of(algorithm->kind)) &&
	       (algorithm->curve == NULL || span_equal(member_text(key->json, "crv"), span_of(algorithm->curve))) &&
	       may_be(key->json, "alg", algorithm->name) &&
	       (key_id == NULL || span_equal(member_text(key->json, "kid"), span_of(key_id)));
}

static bool is_signed_with(const struct bearer_token *token, const struct key *key)
{
	cjose_jws_t *jws = cjose_jws_import(token->text.data, token->text.size, NULL);
	bool verified = jws && cjose_jws_verify(jws, key->jwk, NULL);
	cjose_jws_release(jws);
	return verified;
}

enum status bearer_keys_verify(const struct bearer_keys *keys, const struct bearer_token *token)
{
	const struct algorithm *algorithm = find_algorithm(token->algorithm);
	size_t tried = 0;
	if (algorithm == NULL)
		return STATUS_INVALID;
	for (size_t i = 0; i < keys->count && tried < NAMELESS_TRIED; i++) {
		if (!key_suits(&keys->items[i], algorithm, token->key_id))
			continue;
		tried++;
		if (is_signed_with(token, &keys->items[i]))
			return STATUS_OK;
	}
	return tried > 0 ? STATUS_INVALID : STATUS_NOT_FOUND;
}

/*
 * What a client says within AUTH, any bytes: base64 has one text for each value, a mechanism ends with a name and a
 * password or with neither, names stay printable, and no name can get out of the filter it is put into.
 *
 * The first byte of the input chooses the mechanism; LF separates the responses.
 */
#include <assert.h>

#include "auth/app_password/password.h"
#include "auth/ldap/filter.h"
#include "auth/sasl/mechanism.h"
#include "base/base64.h"
#include "base/name.h"

static void expect_canonical_base64(struct span text)
{
	struct buf bytes BUF_AUTO, again BUF_AUTO;
	buf_init(&bytes, text.size + 1);
	buf_init(&again, text.size + 8);
	if (base64_decode(text, &bytes) != STATUS_OK) {
		assert(buf_size(&bytes) == 0);
		return;
	}
	enum status status = base64_encode(buf_span(&bytes), &again);
	assert(status == STATUS_OK && span_equal(buf_span(&again), text));
}

/* Within "(uid=%u)" only the template's own parentheses are left. */
static void expect_one_assertion(struct span name)
{
	struct buf filter BUF_AUTO;
	buf_init(&filter, LDAP_FILTER_MAXIMUM);
	if (ldap_filter_expand("(uid=%u)", name, SPAN(""), &filter) != STATUS_OK)
		return;
	struct span value = span_slice(buf_span(&filter), 5, buf_size(&filter) - 1);
	for (size_t i = 0; i < value.size; i++)
		assert(value.data[i] >= ' ' && value.data[i] <= '~' && value.data[i] != '(' && value.data[i] != ')' &&
		       value.data[i] != '*');
}

static void expect_name(struct span given)
{
	char name[NAME_SIZE], again[NAME_SIZE];
	expect_one_assertion(given);
	if (name_canonical(given, name) != STATUS_OK)
		return;
	assert(name[0] != '\0');
	for (const char *at = name; *at; at++)
		assert((unsigned char)*at >= ' ' && *at != 0x7f && !(*at >= 'A' && *at <= 'Z'));
	enum status status = name_canonical(span_of(name), again);
	assert(status == STATUS_OK && span_equal(span_of(again), span_of(name)));
}

static void expect_password(struct span typed)
{
	struct secret normal SECRET_AUTO = { 0 };
	struct secret shown SECRET_AUTO = { 0 };
	struct secret again SECRET_AUTO = { 0 };
	if (app_password_normalize(typed, &normal) != STATUS_OK)
		return;
	assert(secret_reveal(&normal).size == APP_PASSWORD_SIZE);
	enum status status = app_password_show(&normal, &shown);
	assert(status == STATUS_OK && app_password_normalize(secret_reveal(&shown), &again) == STATUS_OK);
	assert(span_equal(secret_reveal(&again), secret_reveal(&normal)));
}

static enum sasl_result advance(const struct sasl_mechanism *mechanism, struct sasl_state *state, struct span response)
{
	struct buf challenge BUF_AUTO;
	buf_init(&challenge, SASL_CHALLENGE_MAXIMUM);
	static const unsigned char salt[SCRAM_SALT_SIZE];
	enum sasl_result result = mechanism->advance(state, &response, &challenge);
	assert(result != SASL_OUT_OF_MEMORY);
	if (result != SASL_NAMED)
		return result;
	enum status status = scram_write_first(state->scram, salt, 4096, &challenge);
	assert(status == STATUS_OK);
	return SASL_CHALLENGE;
}

static void exchange(const struct sasl_mechanism *mechanism, struct span responses)
{
	struct sasl_state state = { 0 };
	struct span response;
	enum sasl_result result = SASL_CHALLENGE;
	while (result == SASL_CHALLENGE && span_cut(&responses, '\n', &response))
		result = response.size <= SASL_RESPONSE_MAXIMUM ? advance(mechanism, &state, response) : SASL_MALFORMED;
	if (result == SASL_COMPLETE && mechanism->evidence == SASL_PROOF) {
		const unsigned char nobody[HASH_SHA256_SIZE] = { 0 };
		assert(scram_prove(state.scram, nobody) == STATUS_NOT_FOUND);
	}
	if (result == SASL_COMPLETE) {
		expect_name(secret_reveal(&state.name));
		expect_password(secret_reveal(&state.password));
	}
	sasl_state_wipe(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct span rest = { (const char *)data + 1, size - 1 };
	static const struct sasl_mechanism *const mechanisms[] = {
		&sasl_login,    &sasl_plain,         &sasl_oauthbearer,       &sasl_xoauth2,
		&sasl_external, &sasl_scram_sha_256, &sasl_scram_sha_256_plus
	};
	exchange(mechanisms[data[0] % (sizeof(mechanisms) / sizeof(mechanisms[0]))], rest);
	expect_canonical_base64(rest);
	expect_name(rest);
	expect_password(rest);
	return 0;
}

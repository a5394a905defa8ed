/* The messages of SCRAM: attributes of one letter, separated by commas (RFC 5802, 7). */
#include "auth/sasl/scram.h"

#include <stdlib.h>
#include <string.h>

#include "auth/sasl/saslname.h"
#include "base/base64.h"

#define NONCE_BYTES 18    /* of ours: 24 characters */
#define NONCE_MAXIMUM 320 /* characters of both */
#define AUTH_MESSAGE_MAXIMUM (3 * SCRAM_TEXT_MAXIMUM)

struct scram {
	struct buf message; /* the AuthMessage, as it grows */
	struct buf binding; /* what `c` must be, base64 */
	char nonce[NONCE_MAXIMUM + 1];
	unsigned char salt[SCRAM_SALT_SIZE];
	uint32_t iterations;
	unsigned char proof[HASH_SHA256_SIZE];
};

enum status scram_create(struct scram **out_scram)
{
	struct scram *scram = calloc(1, sizeof(*scram));
	if (scram == NULL)
		return STATUS_NO_MEMORY;
	buf_init_sensitive(&scram->message, AUTH_MESSAGE_MAXIMUM);
	buf_init_sensitive(&scram->binding, SCRAM_TEXT_MAXIMUM);
	*out_scram = scram;
	return STATUS_OK;
}

void scram_free(struct scram **scram)
{
	if (*scram == NULL)
		return;
	buf_free(&(*scram)->message);
	buf_free(&(*scram)->binding);
	explicit_bzero(*scram, sizeof(**scram));
	free(*scram);
	*scram = NULL;
}

/* ---- attributes */

/* The value of the next attribute, which must be this one. */
static enum status take_attribute(struct span *rest, char name, struct span *out_value)
{
	struct span part;
	if (!span_cut(rest, ',', &part) || part.size < 2 || part.data[0] != name || part.data[1] != '=')
		return STATUS_INVALID;
	*out_value = span_slice(part, 2, part.size);
	return STATUS_OK;
}

/* RFC 5802, 7: printable, without a comma. */
static bool is_nonce(struct span nonce)
{
	return nonce.size > 0 && nonce.size <= NONCE_MAXIMUM - 2 * NONCE_BYTES && span_is_printable(nonce) &&
	       !span_contains_byte(nonce, ' ');
}

/* ---- the first message */

static struct span find_binding(const struct scram_bindings *bindings, struct span kind)
{
	if (span_equal(kind, SPAN("tls-exporter")))
		return (struct span){ bindings->exporter, bindings->exporter_size };
	if (span_equal(kind, SPAN("tls-server-end-point")))
		return (struct span){ bindings->end_point, bindings->end_point_size };
	return (struct span){ 0 };
}

/* The flag of the GS2 header; *out_data is what it binds to. */
static enum status judge_flag(struct span flag, const struct scram_bindings *bindings, bool is_plus, bool has_plus,
			      struct span *out_data)
{
	bool binds = span_starts_with(flag, SPAN("p="));
	if (!binds && !span_equal(flag, SPAN("n")) && !span_equal(flag, SPAN("y")))
		return STATUS_INVALID;
	if (binds != is_plus)
		return STATUS_INVALID;
	if (span_equal(flag, SPAN("y")))
		return has_plus ? STATUS_REFUSED : STATUS_OK;
	if (!binds)
		return STATUS_OK;
	*out_data = find_binding(bindings, span_slice(flag, 2, flag.size));
	return span_is_empty(*out_data) ? STATUS_REFUSED : STATUS_OK;
}

/* `header` with its last comma. */
static enum status keep_binding(struct scram *scram, struct span header, struct span data)
{
	struct buf bytes BUF_AUTO;
	buf_init(&bytes, SCRAM_TEXT_MAXIMUM);
	TRY(buf_append(&bytes, header));
	TRY(buf_append(&bytes, data));
	return base64_encode(buf_span(&bytes), &scram->binding);
}

/* What both have said so far: the client's part is `bare`. */
static enum status keep_nonce(struct scram *scram, struct span bare, struct span nonce)
{
	unsigned char random[NONCE_BYTES];
	struct buf text BUF_AUTO;
	buf_init(&text, NONCE_MAXIMUM);
	TRY(hash_random(random, sizeof(random)));
	TRY(buf_append(&text, nonce));
	TRY(base64_encode((struct span){ (const char *)random, sizeof(random) }, &text));
	memcpy(scram->nonce, buf_span(&text).data, buf_size(&text));
	scram->nonce[buf_size(&text)] = '\0';
	TRY(buf_append(&scram->message, bare));
	return buf_append_byte(&scram->message, ',');
}

static enum status read_names(struct span authzid, struct span name, struct secret *out_name,
			      struct secret *out_authzid)
{
	struct secret who SECRET_AUTO = { 0 };
	TRY(saslname_read(name, &who));
	if (!span_is_empty(authzid))
		TRY(saslname_read(span_slice(authzid, 2, authzid.size), out_authzid));
	*out_name = who;
	who = (struct secret){ 0 };
	return STATUS_OK;
}

enum status scram_take_first(struct scram *scram, struct span message, const struct scram_bindings *bindings,
			     bool is_plus, bool has_plus, struct secret *out_name, struct secret *out_authzid)
{
	struct span rest = message, flag, authzid, name, nonce, data = { 0 };
	if (message.size > SCRAM_TEXT_MAXIMUM || span_contains_byte(message, '\0'))
		return STATUS_INVALID;
	if (!span_cut(&rest, ',', &flag) || !span_cut(&rest, ',', &authzid) ||
	    (!span_is_empty(authzid) && !span_starts_with(authzid, SPAN("a="))))
		return STATUS_INVALID;
	TRY(judge_flag(flag, bindings, is_plus, has_plus, &data));
	struct span bare = rest;
	TRY(take_attribute(&rest, 'n', &name)); /* an `m=` before it is an extension that we must not ignore */
	TRY(take_attribute(&rest, 'r', &nonce));
	if (!is_nonce(nonce))
		return STATUS_INVALID;
	TRY(keep_binding(scram, span_slice(message, 0, message.size - bare.size), data));
	TRY(keep_nonce(scram, bare, nonce));
	return read_names(authzid, name, out_name, out_authzid);
}

enum status scram_write_first(struct scram *scram, const unsigned char salt[SCRAM_SALT_SIZE], uint32_t iterations,
			      struct buf *out_message)
{
	memcpy(scram->salt, salt, SCRAM_SALT_SIZE);
	scram->iterations = iterations;
	TRY(buf_printf(out_message, "r=%s,s=", scram->nonce));
	TRY(base64_encode((struct span){ (const char *)salt, SCRAM_SALT_SIZE }, out_message));
	TRY(buf_printf(out_message, ",i=%u", iterations));
	TRY(buf_append(&scram->message, buf_span(out_message)));
	return buf_append_byte(&scram->message, ',');
}

/* ---- the second message */

/* The last attribute; what is before it, without the comma, is *out_rest. */
static enum status cut_proof(struct span message, unsigned char out_proof[HASH_SHA256_SIZE], struct span *out_rest)
{
	struct buf bytes BUF_AUTO;
	size_t at = message.size;
	buf_init_sensitive(&bytes, SCRAM_TEXT_MAXIMUM);
	while (at > 0 && message.data[at - 1] != ',')
		at--;
	struct span value = span_slice(message, at, message.size);
	if (at == 0 || !span_starts_with(value, SPAN("p=")))
		return STATUS_INVALID;
	TRY(base64_decode(span_slice(value, 2, value.size), &bytes));
	if (buf_size(&bytes) != HASH_SHA256_SIZE)
		return STATUS_INVALID;
	memcpy(out_proof, buf_span(&bytes).data, HASH_SHA256_SIZE);
	*out_rest = span_slice(message, 0, at - 1);
	return STATUS_OK;
}

enum status scram_take_final(struct scram *scram, struct span message)
{
	struct span without, rest, binding, nonce;
	if (message.size > SCRAM_TEXT_MAXIMUM || span_contains_byte(message, '\0'))
		return STATUS_INVALID;
	TRY(cut_proof(message, scram->proof, &without));
	rest = without;
	TRY(take_attribute(&rest, 'c', &binding));
	TRY(take_attribute(&rest, 'r', &nonce));
	if (!span_equal(binding, buf_span(&scram->binding)) || !span_equal(nonce, span_of(scram->nonce)))
		return STATUS_REFUSED;
	return buf_append(&scram->message, without);
}

/* ---- proofs */

bool scram_is_about(const struct scram *scram, const unsigned char salt[SCRAM_SALT_SIZE], uint32_t iterations)
{
	return scram->iterations == iterations && memcmp(scram->salt, salt, SCRAM_SALT_SIZE) == 0;
}

static struct span bytes_of(const unsigned char bytes[HASH_SHA256_SIZE])
{
	return (struct span){ (const char *)bytes, HASH_SHA256_SIZE };
}

enum status scram_prove(const struct scram *scram, const unsigned char stored_key[HASH_SHA256_SIZE])
{
	unsigned char key[HASH_SHA256_SIZE], digest[HASH_SHA256_SIZE];
	TRY(hash_hmac_sha256(bytes_of(stored_key), buf_span(&scram->message), key));
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] ^= scram->proof[i];
	enum status status = hash_sha256(bytes_of(key), digest);
	explicit_bzero(key, sizeof(key));
	TRY(status);
	return secret_equal(bytes_of(digest), bytes_of(stored_key)) ? STATUS_OK : STATUS_NOT_FOUND;
}

enum status scram_write_final(const struct scram *scram, const unsigned char server_key[HASH_SHA256_SIZE],
			      struct buf *out_message)
{
	unsigned char signature[HASH_SHA256_SIZE];
	TRY(hash_hmac_sha256(bytes_of(server_key), buf_span(&scram->message), signature));
	TRY(buf_append_text(out_message, "v="));
	return base64_encode(bytes_of(signature), out_message);
}

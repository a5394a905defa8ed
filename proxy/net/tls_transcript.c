/* A reader of handshake messages: bounded, strict on their order, and blind to what no proof needs. */
#include "net/tls_transcript.h"

#include <stdbool.h>
#include <string.h>

#include "net/tls.h"

/* RFC 8446, 4 */
enum message {
	MESSAGE_CLIENT_HELLO = 1,
	MESSAGE_SERVER_HELLO = 2,
	MESSAGE_ENCRYPTED_EXTENSIONS = 8,
	MESSAGE_CERTIFICATE = 11,
	MESSAGE_CERTIFICATE_REQUEST = 13,
	MESSAGE_CERTIFICATE_VERIFY = 15,
	MESSAGE_FINISHED = 20,
};

#define RANDOM_SIZE 32 /* bytes of a hello's random value */

/* That of a HelloRetryRequest: RFC 8446, 4.1.3 */
static const unsigned char retry_random[RANDOM_SIZE] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

/* ---- numbers and vectors */

static enum status take_number(struct span *rest, unsigned size, uint32_t *out_number)
{
	uint32_t number = 0;
	if (rest->size < size)
		return STATUS_INVALID;
	for (unsigned i = 0; i < size; i++)
		number = number << 8 | (unsigned char)rest->data[i];
	*rest = span_slice(*rest, size, rest->size);
	*out_number = number;
	return STATUS_OK;
}

/* A vector whose length takes `prefix` bytes (RFC 8446, 3.4). */
static enum status take_vector(struct span *rest, unsigned prefix, struct span *out_vector)
{
	uint32_t size = 0;
	TRY(take_number(rest, prefix, &size));
	if (rest->size < size)
		return STATUS_INVALID;
	*out_vector = span_slice(*rest, 0, size);
	*rest = span_slice(*rest, size, rest->size);
	return STATUS_OK;
}

/* The body of the next message, which must be of this kind. */
static enum status take_message(struct span *rest, enum message wanted, struct span *out_body)
{
	uint32_t kind = 0;
	TRY(take_number(rest, 1, &kind));
	if (kind != (uint32_t)wanted)
		return STATUS_INVALID;
	return take_vector(rest, 3, out_body);
}

/* ---- hellos */

static enum status read_server_hello(struct span body, uint16_t *out_suite, bool *out_is_retry)
{
	uint32_t version = 0, suite = 0;
	struct span session;
	TRY(take_number(&body, 2, &version));
	if (body.size < RANDOM_SIZE)
		return STATUS_INVALID;
	*out_is_retry = memcmp(body.data, retry_random, RANDOM_SIZE) == 0;
	body = span_slice(body, RANDOM_SIZE, body.size);
	TRY(take_vector(&body, 1, &session));
	TRY(take_number(&body, 2, &suite));
	*out_suite = (uint16_t)suite;
	return STATUS_OK;
}

/* `bytes` is the whole, of which *rest is what follows. */
static enum status take_hellos(struct span *rest, struct span bytes, struct tls_transcript *transcript)
{
	struct span body;
	bool is_retry = false;
	TRY(take_message(rest, MESSAGE_CLIENT_HELLO, &body));
	size_t first_size = bytes.size - rest->size;
	TRY(take_message(rest, MESSAGE_SERVER_HELLO, &body));
	TRY(read_server_hello(body, &transcript->cipher_suite, &is_retry));
	if (!is_retry)
		return STATUS_OK;
	transcript->first_hello = span_slice(bytes, 0, first_size);
	TRY(take_message(rest, MESSAGE_CLIENT_HELLO, &body));
	TRY(take_message(rest, MESSAGE_SERVER_HELLO, &body));
	TRY(read_server_hello(body, &transcript->cipher_suite, &is_retry));
	return is_retry ? STATUS_INVALID : STATUS_OK;
}

/* ---- certificates */

static enum status read_request(struct span body, struct span *out_challenge)
{
	struct span context, extensions, value;
	uint32_t type = 0;
	TRY(take_vector(&body, 1, &context));
	TRY(take_vector(&body, 2, &extensions));
	while (extensions.size > 0) {
		TRY(take_number(&extensions, 2, &type));
		TRY(take_vector(&extensions, 2, &value));
		if (type == TLS_CHALLENGE_TYPE)
			*out_challenge = value;
	}
	return body.size == 0 ? STATUS_OK : STATUS_INVALID;
}

/* Up to `room` of them; one more is a fault unless `may_cut`. */
static enum status read_chain(struct span body, size_t room, bool may_cut, struct span *out_items, size_t *out_count)
{
	struct span context, list, certificate, extensions;
	size_t count = 0;
	TRY(take_vector(&body, 1, &context));
	TRY(take_vector(&body, 3, &list));
	if (body.size > 0)
		return STATUS_INVALID;
	while (list.size > 0) {
		TRY(take_vector(&list, 3, &certificate));
		TRY(take_vector(&list, 2, &extensions));
		if (count < room)
			out_items[count++] = certificate;
		else if (!may_cut)
			return STATUS_INVALID;
	}
	*out_count = count;
	return count > 0 ? STATUS_OK : STATUS_INVALID;
}

static enum status read_verify(struct span body, struct tls_transcript *transcript)
{
	uint32_t algorithm = 0;
	TRY(take_number(&body, 2, &algorithm));
	TRY(take_vector(&body, 2, &transcript->signature));
	transcript->algorithm = (uint16_t)algorithm;
	return body.size == 0 ? STATUS_OK : STATUS_INVALID;
}

/* From EncryptedExtensions to Finished. */
static enum status take_server_flight(struct span *rest, struct tls_transcript *transcript)
{
	struct span body;
	size_t servers = 0;
	TRY(take_message(rest, MESSAGE_ENCRYPTED_EXTENSIONS, &body));
	TRY(take_message(rest, MESSAGE_CERTIFICATE_REQUEST, &body));
	TRY(read_request(body, &transcript->challenge));
	TRY(take_message(rest, MESSAGE_CERTIFICATE, &body));
	TRY(read_chain(body, 1, true, &transcript->server, &servers));
	TRY(take_message(rest, MESSAGE_CERTIFICATE_VERIFY, &body));
	return take_message(rest, MESSAGE_FINISHED, &body);
}

enum status tls_transcript_read(struct span bytes, struct tls_transcript *out_transcript)
{
	struct tls_transcript transcript = { 0 };
	struct span rest = bytes;
	struct span body;
	TRY(take_hellos(&rest, bytes, &transcript));
	TRY(take_server_flight(&rest, &transcript));
	TRY(take_message(&rest, MESSAGE_CERTIFICATE, &body));
	TRY(read_chain(body, TLS_TRANSCRIPT_CHAIN, false, transcript.clients, &transcript.client_count));
	transcript.signed_part = span_slice(bytes, transcript.first_hello.size, bytes.size - rest.size);
	TRY(take_message(&rest, MESSAGE_CERTIFICATE_VERIFY, &body));
	TRY(read_verify(body, &transcript));
	if (rest.size > 0)
		return STATUS_INVALID;
	*out_transcript = transcript;
	return STATUS_OK;
}

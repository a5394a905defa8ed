/*
 * What a gate says of a client's certificate, any bytes: the handshake (0), a certificate's names (1), and the map (2),
 * as the first byte says. Views lie within what was read, and names are texts.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "auth/certificate/map.h"
#include "net/tls_client_names.h"
#include "net/tls_transcript.h"

static void expect_within(struct span part, struct span whole)
{
	assert(span_is_empty(part) || (part.data >= whole.data && part.data + part.size <= whole.data + whole.size));
}

static void read_transcript(struct span bytes)
{
	struct tls_transcript transcript;
	if (tls_transcript_read(bytes, &transcript) != STATUS_OK)
		return;
	assert(transcript.client_count > 0 && transcript.client_count <= TLS_TRANSCRIPT_CHAIN);
	for (size_t i = 0; i < transcript.client_count; i++)
		expect_within(transcript.clients[i], bytes);
	expect_within(transcript.server, bytes);
	expect_within(transcript.challenge, bytes);
	expect_within(transcript.signature, bytes);
	assert(transcript.first_hello.size + transcript.signed_part.size < bytes.size);
}

static void read_names(struct span bytes)
{
	const unsigned char *at = (const unsigned char *)bytes.data;
	struct tls_client_names names TLS_CLIENT_NAMES_AUTO = { 0 };
	X509 *certificate = d2i_X509(NULL, &at, (long)bytes.size);
	if (certificate && tls_client_names_read(certificate, &names) == STATUS_OK) {
		assert(names.subject && !strchr(names.subject, '\n'));
		assert(strlen(names.fingerprint) == sizeof(names.fingerprint) - 1);
	}
	X509_free(certificate);
}

static void read_map(struct span bytes)
{
	struct span found = certificate_map_find(bytes, SPAN("CN=printer"), SPAN("00ff"));
	expect_within(found, bytes);
	for (size_t i = 0; i < found.size; i++)
		assert(found.data[i] != '\n' && found.data[i] != ' ');
	assert(certificate_map_find_fault(bytes) <= bytes.size + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct span bytes = { (const char *)data + 1, size - 1 };
	if (data[0] % 3 == 0)
		read_transcript(bytes);
	else if (data[0] % 3 == 1)
		read_names(bytes);
	else
		read_map(bytes);
	return 0;
}

/*
 * Judging proofs: the signature, the server that it was made for, the challenge, and the authorities. All of what comes
 * in may have been made up by whoever passed it on.
 */
#include "net/tls_witness.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_client_names.h"
#include "net/tls_context.h"
#include "net/tls_pem.h"
#include "net/tls_transcript.h"

#define CLIENT_SECURITY_LEVEL 2 /* of OpenSSL: 112 bits, as servers want it */

struct tls_witness {
	X509_STORE *store;
	STACK_OF(X509) * servers;
};

/* ---- creating */

void tls_witness_free(struct tls_witness **witness)
{
	if (*witness == NULL)
		return;
	X509_STORE_free((*witness)->store);
	sk_X509_pop_free((*witness)->servers, X509_free);
	free(*witness);
	*witness = NULL;
}

static bool fill_store(struct tls_witness *witness, struct span ca_pem, struct span crl_pem)
{
	witness->store = X509_STORE_new();
	witness->servers = sk_X509_new_null();
	return witness->store && witness->servers &&
	       X509_STORE_set_purpose(witness->store, X509_PURPOSE_SSL_CLIENT) == 1 &&
	       X509_STORE_set_depth(witness->store, TLS_TRANSCRIPT_CHAIN - 1) == 1 &&
	       tls_read_certificates(ca_pem, tls_take_authority, witness->store) &&
	       (crl_pem.size == 0 || tls_read_revocations(crl_pem, witness->store));
}

enum status tls_witness_create(struct span ca_pem, struct span crl_pem, struct tls_witness **out_witness,
			       char **out_error)
{
	struct tls_witness *witness = calloc(1, sizeof(*witness));
	if (witness == NULL)
		return STATUS_NO_MEMORY;
	ERR_clear_error();
	if (fill_store(witness, ca_pem, crl_pem)) {
		X509_VERIFY_PARAM_set_auth_level(X509_STORE_get0_param(witness->store), CLIENT_SECURITY_LEVEL);
		*out_witness = witness;
		return STATUS_OK;
	}
	const char *reason = tls_take_reason();
	if (asprintf(out_error, "the authorities of client certificates, or what they revoked, can't be read%s%s",
		     *reason ? ": " : "", reason) < 0)
		*out_error = NULL;
	tls_witness_free(&witness);
	return STATUS_INVALID;
}

/* The first one alone is the server's own. */
static bool take_server(void *context, X509 *certificate)
{
	X509 **found = context;
	if (*found)
		X509_free(certificate);
	else
		*found = certificate;
	return true;
}

enum status tls_witness_add_server(struct tls_witness *witness, struct span certificate_pem)
{
	X509 *found = NULL;
	ERR_clear_error();
	if (tls_read_certificates(certificate_pem, take_server, &found) && sk_X509_push(witness->servers, found) > 0)
		return STATUS_OK;
	X509_free(found);
	return STATUS_INVALID;
}

/* ---- the signature */

/* RFC 8446, 4.2.3 */
struct algorithm {
	uint16_t code;
	int key; /* OpenSSL's number of the kind of key */
	bool is_pss;
	const EVP_MD *(*digest)(void); /* NULL: the kind of key implies it */
};

static const struct algorithm algorithms[] = {
	{ 0x0403, EVP_PKEY_EC, false, EVP_sha256 },     { 0x0503, EVP_PKEY_EC, false, EVP_sha384 },
	{ 0x0603, EVP_PKEY_EC, false, EVP_sha512 },     { 0x0804, EVP_PKEY_RSA, true, EVP_sha256 },
	{ 0x0805, EVP_PKEY_RSA, true, EVP_sha384 },     { 0x0806, EVP_PKEY_RSA, true, EVP_sha512 },
	{ 0x0807, EVP_PKEY_ED25519, false, NULL },      { 0x0808, EVP_PKEY_ED448, false, NULL },
	{ 0x0809, EVP_PKEY_RSA_PSS, true, EVP_sha256 }, { 0x080a, EVP_PKEY_RSA_PSS, true, EVP_sha384 },
	{ 0x080b, EVP_PKEY_RSA_PSS, true, EVP_sha512 },
};

static const struct algorithm *find_algorithm(uint16_t code, const EVP_PKEY *key)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (algorithms[i].code == code && EVP_PKEY_get_base_id(key) == algorithms[i].key)
			return &algorithms[i];
	return NULL;
}

/* The hash that this suite of TLS 1.3 has (RFC 8446, B.4); NULL: no such suite. */
static const EVP_MD *hash_of_suite(uint16_t suite)
{
	switch (suite) {
	case 0x1301:
	case 0x1303:
		return EVP_sha256();
	case 0x1302:
		return EVP_sha384();
	default:
		return NULL;
	}
}

/* A first ClientHello stands in the hash as a message of its own hash: RFC 8446, 4.4.1. */
static bool hash_first_hello(EVP_MD_CTX *context, const EVP_MD *kind, struct span hello)
{
	unsigned char message[4 + EVP_MAX_MD_SIZE] = { 254, 0, 0, (unsigned char)EVP_MD_get_size(kind) };
	if (hello.size == 0)
		return true;
	return EVP_Digest(hello.data, hello.size, message + 4, NULL, kind, NULL) == 1 &&
	       EVP_DigestUpdate(context, message, 4 + (size_t)EVP_MD_get_size(kind)) == 1;
}

static bool hash_transcript(const struct tls_transcript *transcript, const EVP_MD *kind,
			    unsigned char out_digest[EVP_MAX_MD_SIZE])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool hashed = context && EVP_DigestInit_ex(context, kind, NULL) == 1 &&
		      hash_first_hello(context, kind, transcript->first_hello) &&
		      EVP_DigestUpdate(context, transcript->signed_part.data, transcript->signed_part.size) == 1 &&
		      EVP_DigestFinal_ex(context, out_digest, NULL) == 1;
	EVP_MD_CTX_free(context);
	return hashed;
}

#define PADDING_SIZE 64 /* bytes of blanks before what is signed: RFC 8446, 4.4.3 */
static const char signed_context[] = "TLS 1.3, client CertificateVerify"; /* its NUL is signed, too */

static bool verify_bytes(const struct algorithm *algorithm, EVP_PKEY *key, struct span signature,
			 const unsigned char *bytes, size_t size)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *options = NULL;
	const EVP_MD *digest = algorithm->digest ? algorithm->digest() : NULL;
	bool right = context && EVP_DigestVerifyInit(context, &options, digest, NULL, key) == 1 &&
		     (!algorithm->is_pss || (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
					     EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
		     EVP_DigestVerify(context, (const unsigned char *)signature.data, signature.size, bytes, size) == 1;
	EVP_MD_CTX_free(context);
	return right;
}

static bool is_signed_by(const struct tls_transcript *transcript, EVP_PKEY *key)
{
	unsigned char bytes[PADDING_SIZE + sizeof(signed_context) + EVP_MAX_MD_SIZE];
	const EVP_MD *kind = hash_of_suite(transcript->cipher_suite);
	const struct algorithm *algorithm = key ? find_algorithm(transcript->algorithm, key) : NULL;
	if (kind == NULL || algorithm == NULL)
		return false;
	memset(bytes, ' ', PADDING_SIZE);
	memcpy(bytes + PADDING_SIZE, signed_context, sizeof(signed_context));
	return hash_transcript(transcript, kind, bytes + PADDING_SIZE + sizeof(signed_context)) &&
	       verify_bytes(algorithm, key, transcript->signature, bytes,
			    PADDING_SIZE + sizeof(signed_context) + (size_t)EVP_MD_get_size(kind));
}

/* ---- the certificates */

static X509 *read_der(struct span der)
{
	const unsigned char *at = (const unsigned char *)der.data;
	X509 *certificate = d2i_X509(NULL, &at, (long)der.size);
	if (certificate && at != (const unsigned char *)der.data + der.size) {
		X509_free(certificate);
		return NULL;
	}
	return certificate;
}

static STACK_OF(X509) * read_chain(const struct tls_transcript *transcript)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	for (size_t i = 0; chain && i < transcript->client_count; i++) {
		X509 *certificate = read_der(transcript->clients[i]);
		if (certificate && sk_X509_push(chain, certificate) > 0)
			continue;
		X509_free(certificate);
		sk_X509_pop_free(chain, X509_free);
		return NULL;
	}
	return chain;
}

static bool is_trusted(const struct tls_witness *witness, X509 *client, STACK_OF(X509) * chain)
{
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	bool trusted = context && X509_STORE_CTX_init(context, witness->store, client, chain) == 1 &&
		       X509_verify_cert(context) == 1;
	X509_STORE_CTX_free(context);
	return trusted;
}

static bool is_our_server(const struct tls_witness *witness, struct span der)
{
	X509 *server = read_der(der);
	bool found = false;
	for (int i = 0; server && !found && i < sk_X509_num(witness->servers); i++)
		found = X509_cmp(server, sk_X509_value(witness->servers, i)) == 0;
	X509_free(server);
	return found;
}

static bool is_answer_to(struct span given, const struct tls_challenge *challenge)
{
	return challenge->is_set &&
	       span_equal(given, (struct span){ (const char *)challenge->bytes, sizeof(challenge->bytes) });
}

/* ---- judging */

/* Why it proves nothing, or NULL. */
static const char *find_fault(const struct tls_witness *witness, const struct tls_transcript *transcript,
			      STACK_OF(X509) * chain)
{
	if (!is_our_server(witness, transcript->server))
		return "the TLS handshake was with another server's certificate";
	if (chain == NULL)
		return "the client's certificate can't be read";
	X509 *client = sk_X509_value(chain, 0);
	if (!is_signed_by(transcript, X509_get0_pubkey(client)))
		return "the client's signature is wrong";
	return is_trusted(witness, client, chain) ? NULL : "the client's certificate is not valid here";
}

enum status tls_witness_judge(const struct tls_witness *witness, struct span handshake,
			      const struct tls_challenge *challenge, struct tls_client_names *out_names,
			      const char **out_reason)
{
	struct tls_transcript transcript;
	*out_reason = "no client certificate";
	TRY(tls_transcript_read(handshake, &transcript));
	if (!is_answer_to(transcript.challenge, challenge))
		return STATUS_UNAVAILABLE;
	ERR_clear_error();
	STACK_OF(X509) *chain = read_chain(&transcript);
	const char *fault = find_fault(witness, &transcript, chain);
	enum status status = STATUS_INVALID;
	if (fault)
		*out_reason = fault;
	else
		status = tls_client_names_read(sk_X509_value(chain, 0), out_names);
	sk_X509_pop_free(chain, X509_free);
	ERR_clear_error();
	return status;
}

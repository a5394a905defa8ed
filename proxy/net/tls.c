/*
 * TLS contexts. What they negotiate is in tls_policy.c. Owns OpenSSL's contexts; fails at
 * creation only, with a text for the administrator.
 */
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "net/tls_context.h"
#include "net/tls_pem.h"

#define CLIENT_CHAIN_MAXIMUM 4 /* authorities between a client's certificate and one that we know */

const char *tls_take_reason(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	ERR_clear_error();
	return reason ? reason : "";
}

/* ---- creating */

static enum status fail_creating(char **out_error, const char *what)
{
	const char *reason = tls_take_reason();
	if (asprintf(out_error, "%s%s%s", what, *reason ? ": " : "", reason) < 0)
		*out_error = NULL;
	return STATUS_INVALID;
}

static void free_openssl(SSL_CTX **context)
{
	SSL_CTX_free(*context);
}

static enum status wrap_openssl(SSL_CTX **openssl, bool is_server, bool verify, struct tls_context **out_context)
{
	struct tls_context *context = calloc(1, sizeof(*context));
	if (context == NULL)
		return STATUS_NO_MEMORY;
	*context = (struct tls_context){ .openssl = *openssl, .is_server = is_server, .verify = verify };
	*openssl = NULL;
	*out_context = context;
	return STATUS_OK;
}

void tls_context_free(struct tls_context **context)
{
	if (*context == NULL)
		return;
	SSL_CTX_free((*context)->openssl);
	tls_names_free(*context);
	free(*context);
	*context = NULL;
}

static void free_bio(BIO **bio)
{
	BIO_free(*bio);
}

/* ---- servers */

struct certificate_chain {
	SSL_CTX *openssl;
	bool has_leaf;
};

static bool take_chain(void *context, X509 *certificate)
{
	struct certificate_chain *chain = context;
	if (chain->has_leaf)
		return SSL_CTX_add0_chain_cert(chain->openssl, certificate) == 1;
	if (SSL_CTX_use_certificate(chain->openssl, certificate) != 1)
		return false;
	X509_free(certificate);
	chain->has_leaf = true;
	return true;
}

static void free_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static EVP_PKEY *read_key(const struct secret *key)
{
	BIO *bio __attribute__((cleanup(free_bio))) = tls_open_pem(secret_reveal(key));
	return bio ? PEM_read_bio_PrivateKey(bio, NULL, tls_refuse_passphrase, NULL) : NULL;
}

/* ---- clients' certificates */

/* A certificate that can't be verified is as good as none; the channel looks at the verdict. */
static int take_any(int verified, X509_STORE_CTX *context)
{
	(void)verified;
	(void)context;
	return 1;
}

static bool take_client_authority(void *context, X509 *certificate)
{
	SSL_CTX *openssl = context;
	/* The store takes a reference of its own; the names tell clients which certificate to show. */
	if (X509_STORE_add_cert(SSL_CTX_get_cert_store(openssl), certificate) != 1 ||
	    SSL_CTX_add_client_CA(openssl, certificate) != 1)
		return false;
	X509_free(certificate);
	return true;
}

static bool ask_clients(SSL_CTX *openssl, const struct tls_server_options *options)
{
	if (options->client_ca_pem.size == 0)
		return true;
	SSL_CTX_set_verify_depth(openssl, CLIENT_CHAIN_MAXIMUM);
	if (options->requires_client)
		SSL_CTX_set_verify(openssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	else
		SSL_CTX_set_verify(openssl, SSL_VERIFY_PEER, take_any);
	if (!tls_read_certificates(options->client_ca_pem, take_client_authority, openssl))
		return false;
	return options->client_crl_pem.size == 0 ||
	       tls_read_revocations(options->client_crl_pem, SSL_CTX_get_cert_store(openssl));
}

/* By its digest, as the names of listeners can be longer than OpenSSL takes. */
static bool use_session_id(SSL_CTX *openssl, struct span name)
{
	unsigned char digest[HASH_SHA256_SIZE];
	_Static_assert(sizeof(digest) <= SSL_MAX_SID_CTX_LENGTH, "OpenSSL takes a whole digest");
	return hash_sha256(name, digest) == STATUS_OK &&
	       SSL_CTX_set_session_id_context(openssl, digest, sizeof(digest)) == 1;
}

static enum status make_server(const struct tls_server_options *options, SSL_CTX **out_openssl, char **out_error)
{
	ERR_clear_error();
	SSL_CTX *openssl __attribute__((cleanup(free_openssl))) = SSL_CTX_new(TLS_server_method());
	if (openssl == NULL || tls_set_policy(openssl, options->allow_tls13_only) != STATUS_OK)
		return fail_creating(out_error, "OpenSSL can't be set up");
	tls_set_server_policy(openssl);
	if (options->legacy && tls_set_legacy_policy(openssl) != STATUS_OK)
		return fail_creating(out_error, "OpenSSL can't be set up for old devices");
	struct certificate_chain chain = { .openssl = openssl };
	if (!tls_read_certificates(options->certificate_pem, take_chain, &chain))
		return fail_creating(out_error, "the certificate can't be read");
	EVP_PKEY *key __attribute__((cleanup(free_key))) = read_key(options->private_key);
	if (key == NULL)
		return fail_creating(out_error, "the private key can't be read");
	if (SSL_CTX_use_PrivateKey(openssl, key) != 1 || SSL_CTX_check_private_key(openssl) != 1)
		return fail_creating(out_error, "the private key does not belong to the certificate");
	if (!ask_clients(openssl, options))
		return fail_creating(out_error,
				     "the authorities of client certificates, or what they revoked, can't be read");
	/*
	 * No tickets where certificates are asked for: a ticket outlives what they were verified by, as they expire,
	 * and a reload may name another authority.
	 */
	struct tls_tickets *tickets = options->client_ca_pem.size ? NULL : options->tickets;
	if (!tls_use_tickets(openssl, tickets) || !use_session_id(openssl, options->session_id_context) ||
	    (options->challenge && !tls_use_challenge(openssl, options->challenge)))
		return fail_creating(out_error, "OpenSSL can't be set up");
	*out_openssl = openssl;
	openssl = NULL;
	return STATUS_OK;
}

enum status tls_server_create(const struct tls_server_options *options, struct tls_context **out_context,
			      char **out_error)
{
	SSL_CTX *openssl __attribute__((cleanup(free_openssl))) = NULL;
	TRY(make_server(options, &openssl, out_error));
	TRY(wrap_openssl(&openssl, true, false, out_context));
	(*out_context)->records_handshakes = options->challenge != NULL;
	(*out_context)->may_shake = options->may_shake;
	(*out_context)->shake_context = options->shake_context;
	return STATUS_OK;
}

enum status tls_server_add(struct tls_context *context, const struct tls_server_options *options, char **out_error)
{
	SSL_CTX *openssl __attribute__((cleanup(free_openssl))) = NULL;
	TRY(make_server(options, &openssl, out_error));
	TRY(tls_names_add(context, openssl, out_error));
	openssl = NULL;
	return STATUS_OK;
}

/* ---- clients */

/* The bundle is read now, whole; a folder of single files would be read in the middle of a handshake. */
static bool use_system_authorities(SSL_CTX *openssl)
{
	if (SSL_CTX_set_default_verify_file(openssl) != 1)
		return false;
	const STACK_OF(X509_OBJECT) *found = X509_STORE_get0_objects(SSL_CTX_get_cert_store(openssl));
	ERR_clear_error();
	return sk_X509_OBJECT_num(found) > 0 || SSL_CTX_set_default_verify_dir(openssl) == 1;
}

enum status tls_client_create(const struct tls_client_options *options, struct tls_context **out_context,
			      char **out_error)
{
	ERR_clear_error();
	SSL_CTX *openssl __attribute__((cleanup(free_openssl))) = SSL_CTX_new(TLS_client_method());
	if (openssl == NULL || tls_set_policy(openssl, options->tls13_only) != STATUS_OK)
		return fail_creating(out_error, "OpenSSL can't be set up");
	/* No session is kept: one account's connection must not resume another's. */
	SSL_CTX_set_options(openssl, SSL_OP_NO_TICKET);
	SSL_CTX_set_verify(openssl, options->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (options->ca_pem.size) {
		if (!tls_read_certificates(options->ca_pem, tls_take_authority, SSL_CTX_get_cert_store(openssl)))
			return fail_creating(out_error, "the CA file can't be read");
	} else if (options->verify && !use_system_authorities(openssl)) {
		return fail_creating(out_error, "the system's CA store can't be read");
	}
	return wrap_openssl(&openssl, false, options->verify, out_context);
}

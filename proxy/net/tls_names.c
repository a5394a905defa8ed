/*
 * Servers with more than one certificate: which one a client sees, by the name
 * that it asks for (SNI, RFC 6066, 3). A name in a certificate wins over a
 * wildcard that fits as well; for an unknown name, and for none, it is the
 * server's own. Owns OpenSSL's context of each certificate added.
 */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_context.h"

/* Of names, only those in subjectAltName count (RFC 9525, 2); "*" stands for one label, and for all of it. */
#define NAME_FLAGS (X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)

static bool has_name(SSL_CTX *openssl, const char *name, unsigned flags)
{
	return X509_check_host(SSL_CTX_get0_certificate(openssl), name, strlen(name), NAME_FLAGS | flags, NULL) == 1;
}

static SSL_CTX *find_certificate(const struct tls_context *context, const char *name, unsigned flags)
{
	if (has_name(context->openssl, name, flags))
		return context->openssl;
	for (size_t i = 0; i < context->named_count; i++) {
		if (has_name(context->named[i], name, flags))
			return context->named[i];
	}
	return NULL;
}

/* OpenSSL has made sure that the name is text without a NUL, of at most 255 bytes. */
static int choose_certificate(SSL *ssl, int *alert, void *context)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_CTX *found = NULL;
	(void)alert;
	/* To X509_check_host a leading dot means all names below. */
	if (name == NULL || name[0] == '.')
		return SSL_TLSEXT_ERR_NOACK;
	found = find_certificate(context, name, X509_CHECK_FLAG_NO_WILDCARDS);
	if (found == NULL)
		found = find_certificate(context, name, 0);
	if (found == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_SSL_CTX(ssl, found);
	return SSL_TLSEXT_ERR_OK;
}

static bool has_any_name(SSL_CTX *openssl)
{
	bool found = false;
	GENERAL_NAMES *names = X509_get_ext_d2i(SSL_CTX_get0_certificate(openssl), NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++)
		found = sk_GENERAL_NAME_value(names, i)->type == GEN_DNS;
	GENERAL_NAMES_free(names);
	return found;
}

static enum status keep_named(struct tls_context *context, SSL_CTX *openssl)
{
	SSL_CTX **named = reallocarray(context->named, context->named_count + 1, sizeof(SSL_CTX *));
	if (named == NULL)
		return STATUS_NO_MEMORY;
	context->named = named;
	named[context->named_count++] = openssl;
	SSL_CTX_set_tlsext_servername_callback(context->openssl, choose_certificate);
	SSL_CTX_set_tlsext_servername_arg(context->openssl, context);
	return STATUS_OK;
}

enum status tls_names_add(struct tls_context *context, SSL_CTX *openssl, char **out_error)
{
	if (has_any_name(openssl))
		return keep_named(context, openssl);
	if (asprintf(out_error, "the certificate has no DNS name that a client could ask for") < 0)
		*out_error = NULL;
	return STATUS_INVALID;
}

void tls_names_free(struct tls_context *context)
{
	for (size_t i = 0; i < context->named_count; i++)
		SSL_CTX_free(context->named[i]);
	free(context->named);
}

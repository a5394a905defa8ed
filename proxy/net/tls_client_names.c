/* Names of certificates. What could be read in two ways is no name. */
#include "net/tls_client_names.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

char *tls_write_subject(const X509 *certificate)
{
	char *text = NULL, *copy = NULL;
	BIO *memory = BIO_new(BIO_s_mem());
	if (memory && X509_NAME_print_ex(memory, X509_get_subject_name(certificate), 0,
					 XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0) {
		long size = BIO_get_mem_data(memory, &text);
		copy = strndup(text ? text : "", size > 0 ? (size_t)size : 0);
	}
	BIO_free(memory);
	return copy;
}

void tls_client_names_free(struct tls_client_names *names)
{
	free(names->subject);
	free(names->common_name);
	free(names->email);
	*names = (struct tls_client_names){ 0 };
}

/* As UTF-8. *out_text stays NULL for a text that holds a NUL. */
static enum status copy_text(const ASN1_STRING *string, char **out_text)
{
	unsigned char *text = NULL;
	int size = ASN1_STRING_to_UTF8(&text, string);
	if (size < 0)
		return STATUS_OK; /* no text at all */
	*out_text = memchr(text, '\0', (size_t)size) ? NULL : strndup((const char *)text, (size_t)size);
	enum status status = *out_text || memchr(text, '\0', (size_t)size) ? STATUS_OK : STATUS_NO_MEMORY;
	OPENSSL_free(text);
	return status;
}

static enum status read_common_name(const X509 *certificate, char **out_text)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return STATUS_OK;
	return copy_text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), out_text);
}

static enum status read_email(const X509 *certificate, char **out_text)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	const ASN1_STRING *found = NULL;
	unsigned count = 0;
	enum status status = STATUS_OK;
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_EMAIL)
			continue;
		found = name->d.rfc822Name;
		count++;
	}
	if (count == 1)
		status = copy_text(found, out_text);
	GENERAL_NAMES_free(names);
	return status;
}

static enum status read_fingerprint(const X509 *certificate, char out_hex[HASH_SHA256_HEX_SIZE])
{
	unsigned char digest[HASH_SHA256_SIZE];
	unsigned size = sizeof(digest);
	if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1)
		return STATUS_NO_MEMORY;
	hash_to_hex(digest, sizeof(digest), out_hex);
	return STATUS_OK;
}

static enum status fill_names(const X509 *certificate, struct tls_client_names *names)
{
	names->subject = tls_write_subject(certificate);
	if (names->subject == NULL)
		return STATUS_NO_MEMORY;
	TRY(read_common_name(certificate, &names->common_name));
	TRY(read_email(certificate, &names->email));
	return read_fingerprint(certificate, names->fingerprint);
}

enum status tls_client_names_read(const X509 *certificate, struct tls_client_names *out_names)
{
	struct tls_client_names names = { 0 };
	enum status status = fill_names(certificate, &names);
	if (status == STATUS_OK)
		*out_names = names;
	else
		tls_client_names_free(&names);
	return status;
}

/* What names a TLS connection, or its server, to those at its ends. */
#include <openssl/err.h>
#include <openssl/x509.h>

#include "net/tls_context.h"

#define EXPORTER_SIZE 32 /* bytes: RFC 9266, 2 */

/* Before TLS 1.3 it would be unique only with the extended master secret. */
size_t tls_bind_exporter(SSL *ssl, char out_bytes[EVP_MAX_MD_SIZE])
{
	static const char label[] = "EXPORTER-Channel-Binding";
	if (SSL_version(ssl) != TLS1_3_VERSION)
		return 0;
	int made = SSL_export_keying_material(ssl, (unsigned char *)out_bytes, EXPORTER_SIZE, label, sizeof(label) - 1,
					      (const unsigned char *)"", 0, 1);
	ERR_clear_error();
	return made == 1 ? EXPORTER_SIZE : 0;
}

/* The hash of the certificate's signature, but SHA-256 for older ones. NULL: its kind of signature has none. */
static const EVP_MD *end_point_hash(const X509 *certificate)
{
	int hash = NID_undef;
	if (X509_get_signature_info((X509 *)certificate, &hash, NULL, NULL, NULL) != 1 || hash == NID_undef)
		return NULL;
	return hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash);
}

size_t tls_bind_end_point(const SSL *ssl, char out_bytes[EVP_MAX_MD_SIZE])
{
	const X509 *certificate = SSL_get_certificate(ssl);
	const EVP_MD *hash = certificate ? end_point_hash(certificate) : NULL;
	unsigned size = 0;
	if (hash && X509_digest(certificate, hash, (unsigned char *)out_bytes, &size) != 1)
		size = 0;
	ERR_clear_error();
	return size;
}

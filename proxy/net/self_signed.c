/* OpenSSL's X.509, version 3. Owns nothing beyond a call. */
#include "net/self_signed.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"

#define SERIAL_BYTES 16
#define SKEW_SECONDS 3600 /* clients' clocks may be late */
#define NAME_MAXIMUM 253

static bool is_name(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!ascii_is_alphanumeric(*c) && *c != '-' && *c != '.')
			return false;
	return *name && strlen(name) <= NAME_MAXIMUM;
}

static bool add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	bool done = extension && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return done;
}

static bool set_serial(X509 *certificate)
{
	unsigned char bytes[SERIAL_BYTES];
	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	bytes[0] = (bytes[0] & 0x7F) | 0x40; /* positive, and of this length */
	BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	bool done = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
	BN_free(number);
	return done;
}

/* The common name holds 64 characters at most; clients read the alternative name. */
static bool set_names(X509 *certificate, const char *name)
{
	char alternative[NAME_MAXIMUM + 8];
	const unsigned char *common = (const unsigned char *)(strlen(name) <= 64 ? name : "subgate");
	X509_NAME *subject = X509_get_subject_name(certificate);
	snprintf(alternative, sizeof(alternative), "DNS:%s", name);
	return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, common, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(certificate, subject) == 1 &&
	       add_extension(certificate, NID_subject_alt_name, alternative);
}

static bool fill_certificate(X509 *certificate, const char *name, EVP_PKEY *key)
{
	return X509_set_version(certificate, 2) == 1 && set_serial(certificate) &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -SKEW_SECONDS) &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), SELF_SIGNED_DAYS * 86400L) &&
	       X509_set_pubkey(certificate, key) == 1 && set_names(certificate, name) &&
	       add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
}

static enum status take_bytes(BIO *bio, struct secret *out_pem)
{
	char *bytes = NULL;
	long size = BIO_get_mem_data(bio, &bytes);
	if (size <= 0)
		return STATUS_SYSTEM;
	return secret_from_span((struct span){ bytes, (size_t)size }, out_pem);
}

static enum status write_pem(X509 *certificate, EVP_PKEY *key, struct secret *out_pem)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	enum status status = STATUS_SYSTEM;
	if (bio && (certificate ? PEM_write_bio_X509(bio, certificate)
				: PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) == 1)
		status = take_bytes(bio, out_pem);
	BIO_free(bio);
	return status;
}

enum status self_signed_make(const char *name, struct secret *out_certificate, struct secret *out_key)
{
	struct secret pem SECRET_AUTO = { 0 };
	if (!is_name(name))
		return STATUS_INVALID;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	enum status status = STATUS_SYSTEM;
	if (key && certificate && fill_certificate(certificate, name, key))
		status = write_pem(certificate, NULL, &pem);
	if (status == STATUS_OK)
		status = write_pem(NULL, key, out_key);
	if (status == STATUS_OK) {
		*out_certificate = pem;
		pem = (struct secret){ 0 };
	}
	X509_free(certificate);
	EVP_PKEY_free(key);
	return status;
}

/*
 * What is negotiated, with clients and with upstreams, by RFC 9325 (BCP 195):
 * TLS 1.2 with forward secrecy and AEAD, or TLS 1.3. Owns nothing.
 */
#include <openssl/err.h>
#include <string.h>

#include "net/tls_context.h"

/*
 * RFC 9325, 4.2; those with AES-128 first. A handshake makes and stretches a dozen secrets with its suite's hash, and
 * processors have instructions for SHA-256, few for SHA-384.
 */
#define TLS12_CIPHERS "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20"
#define TLS13_CIPHERS "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
/* RFC 9325, 4.4; with a key share of each of two where OpenSSL (3.5) has the hybrid one. */
#define GROUPS "X25519:P-256:P-384"
#define HYBRID_GROUPS "*X25519MLKEM768:*" GROUPS
/* Without SHA-1 and SHA-224 (RFC 9155). */
#define SIGNATURES                                                                            \
	"ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512:ed25519:ed448:" \
	"rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:rsa_pss_pss_sha256:"     \
	"rsa_pss_pss_sha384:rsa_pss_pss_sha512:rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512"
/* After those above: CBC, and without forward secrecy. Neither RC4 nor 3DES. */
#define LEGACY_CIPHERS TLS12_CIPHERS ":ECDHE+AES:RSA+AESGCM:RSA+AES"
#define LEGACY_SIGNATURES ":ECDSA+SHA1:RSA+SHA1"
#define CHAIN_MAXIMUM 65536 /* bytes of an upstream's certificates in a handshake */
/* Bytes that a server sends in one record: replies are short, and OpenSSL makes room for the largest. */
#define RECORD_MAXIMUM 4096
#define CLIENT_CHAIN_MAXIMUM 16384 /* of a client's */
#define CHAIN_DEPTH 10 /* authorities between an upstream's certificate and one that we know: each costs time */
#define SERVER_SECURITY_LEVEL 2 /* of OpenSSL: 112 bits, so no RSA key below 2048 */

static bool set_groups(SSL_CTX *openssl)
{
	if (SSL_CTX_set1_groups_list(openssl, HYBRID_GROUPS) == 1)
		return true;
	ERR_clear_error();
	return SSL_CTX_set1_groups_list(openssl, GROUPS) == 1;
}

enum status tls_set_policy(SSL_CTX *openssl, bool tls13_only)
{
	SSL_CTX_set_mode(openssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Peers often end without close_notify; SMTP marks its own ends, so nothing can be cut off unseen. */
	SSL_CTX_set_options(openssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
					     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_session_cache_mode(openssl, SSL_SESS_CACHE_OFF);
	/*
	 * One read(2) takes what is there, instead of two a record; from OpenSSL 3.2 on only after the handshake. Not
	 * set on each connection: OpenSSL 3.5 crashes there when it had no memory for the connection's records.
	 */
	SSL_CTX_set_read_ahead(openssl, 1);
	SSL_CTX_set_max_early_data(openssl, 0);
	SSL_CTX_set_max_cert_list(openssl, CHAIN_MAXIMUM);
	SSL_CTX_set_verify_depth(openssl, CHAIN_DEPTH);
	if (SSL_CTX_set_min_proto_version(openssl, tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(openssl, TLS12_CIPHERS) != 1 ||
	    SSL_CTX_set_ciphersuites(openssl, TLS13_CIPHERS) != 1 || !set_groups(openssl) ||
	    SSL_CTX_set1_sigalgs_list(openssl, SIGNATURES) != 1)
		return STATUS_SYSTEM;
	return STATUS_OK;
}

/* ---- faults */

enum tls_fault tls_fault_of(unsigned long code)
{
	if (ERR_GET_LIB(code) != ERR_LIB_SSL)
		return TLS_FAULT_OTHER;
	switch (ERR_GET_REASON(code)) {
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_UNKNOWN_PROTOCOL:
		return TLS_FAULT_CLEAR;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_VERSION_TOO_HIGH:
	case SSL_R_INAPPROPRIATE_FALLBACK:
		return TLS_FAULT_VERSION;
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_CIPHERS_SPECIFIED:
	case SSL_R_NO_SHARED_GROUPS:
	case SSL_R_NO_SUITABLE_GROUPS:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
		return TLS_FAULT_CIPHER;
	case SSL_R_NO_APPLICATION_PROTOCOL:
		return TLS_FAULT_PROTOCOL;
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		return TLS_FAULT_CERTIFICATE;
	default:
		return ERR_GET_REASON(code) > SSL_AD_REASON_OFFSET ? TLS_FAULT_ALERT : TLS_FAULT_OTHER;
	}
}

/* ---- servers */

/* No name is registered for SMTP; Exim accepts these, and so may send them. */
static bool is_ours(struct span name)
{
	return span_equal(name, SPAN("smtp")) || span_equal(name, SPAN("esmtp"));
}

/* A browser led here under another server's name must not go on (RFC 7301, 3.2; RFC 9325, 3.8: ALPACA). */
static int choose_protocol(SSL *ssl, const unsigned char **out_name, unsigned char *out_size,
			   const unsigned char *offered, unsigned size, void *context)
{
	(void)ssl;
	(void)context;
	for (unsigned at = 0; at < size && offered[at] < size - at; at += 1U + offered[at]) {
		if (!is_ours((struct span){ (const char *)offered + at + 1, offered[at] }))
			continue;
		*out_name = offered + at + 1;
		*out_size = offered[at];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/*
 * A stranger's few bytes may not become many (RFC 8879, 5), and a proof by the client's certificate holds it as it is
 * (tls_transcript.h). OpenSSL before 3.2 knows no such certificates.
 */
static void refuse_compressed_certificates(SSL_CTX *openssl)
{
#ifdef SSL_OP_NO_RX_CERTIFICATE_COMPRESSION
	SSL_CTX_set_options(openssl, SSL_OP_NO_RX_CERTIFICATE_COMPRESSION);
#else
	(void)openssl;
#endif
}

void tls_set_server_policy(SSL_CTX *openssl)
{
	refuse_compressed_certificates(openssl);
	/*
	 * Clients send passwords: none may stay in a read buffer that is given back. Not set on each connection once it
	 * is secure, for the same reason as above.
	 */
	SSL_CTX_set_options(openssl, SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_security_level(openssl, SERVER_SECURITY_LEVEL);
	SSL_CTX_set_max_cert_list(openssl, CLIENT_CHAIN_MAXIMUM);
	SSL_CTX_set_max_send_fragment(openssl, RECORD_MAXIMUM);
	SSL_CTX_set_alpn_select_cb(openssl, choose_protocol, NULL);
}

enum status tls_set_legacy_policy(SSL_CTX *openssl)
{
	SSL_CTX_set_security_level(openssl, 0); /* of which OpenSSL makes SHA-1 in handshakes a part */
	if (SSL_CTX_set_min_proto_version(openssl, TLS1_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(openssl, LEGACY_CIPHERS) != 1 ||
	    SSL_CTX_set1_sigalgs_list(openssl, SIGNATURES LEGACY_SIGNATURES) != 1)
		return STATUS_SYSTEM;
	return STATUS_OK;
}

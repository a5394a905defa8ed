/* Challenges in requests for a client's certificate. */
#include "net/tls_context.h"

static int add_challenge(SSL *ssl, unsigned type, unsigned context, const unsigned char **out_bytes, size_t *out_size,
			 X509 *certificate, size_t index, int *alert, void *given)
{
	const struct tls_challenge *challenge = given;
	(void)ssl;
	(void)type;
	(void)context;
	(void)certificate;
	(void)index;
	(void)alert;
	if (!challenge->is_set)
		return 0;
	*out_bytes = challenge->bytes;
	*out_size = sizeof(challenge->bytes);
	return 1;
}

bool tls_use_challenge(SSL_CTX *openssl, const struct tls_challenge *challenge)
{
	return SSL_CTX_add_custom_ext(openssl, TLS_CHALLENGE_TYPE, SSL_EXT_TLS1_3_CERTIFICATE_REQUEST, add_challenge,
				      NULL, (void *)challenge, NULL, NULL) == 1;
}

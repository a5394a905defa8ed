/*
 * Session tickets: OpenSSL's own format (name, IV, AES-256-CBC, HMAC-SHA-256, in
 * that order) under our keys. Owns the keys; a ticket that can't be opened leads
 * to a full handshake, never to a failed one.
 */
#include "net/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_context.h"

#define KEYS 2 /* the newest, and the one before */

struct ticket_key {
	unsigned char name[16], mac[32], cipher[32];
};

_Static_assert(sizeof(struct ticket_key) == TLS_TICKET_KEY_SIZE, "a key is its bytes");

struct tls_tickets {
	struct ticket_key keys[KEYS];
	unsigned count;
	uint64_t lifetime_ms;
};

enum status tls_tickets_create(uint64_t lifetime_ms, struct tls_tickets **out_tickets)
{
	struct tls_tickets *tickets = calloc(1, sizeof(*tickets));
	if (tickets == NULL)
		return STATUS_NO_MEMORY;
	tickets->lifetime_ms = lifetime_ms;
	*out_tickets = tickets;
	return STATUS_OK;
}

enum status tls_tickets_add(struct tls_tickets *tickets, struct span key)
{
	if (key.size != TLS_TICKET_KEY_SIZE)
		return STATUS_INVALID;
	tickets->keys[1] = tickets->keys[0];
	memcpy(&tickets->keys[0], key.data, key.size);
	if (tickets->count < KEYS)
		tickets->count++;
	return STATUS_OK;
}

void tls_tickets_free(struct tls_tickets **tickets)
{
	if (*tickets)
		explicit_bzero(*tickets, sizeof(**tickets));
	free(*tickets);
	*tickets = NULL;
}

/* ---- what OpenSSL asks; 0: no ticket, 1: go on, 2: go on, and make a new one */

static bool set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
	char digest[] = "SHA256";
	const OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

static int seal_ticket(struct tls_tickets *tickets, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
		       EVP_MAC_CTX *mac)
{
	struct ticket_key *key = &tickets->keys[0];
	if (tickets->count == 0 || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
		return 0;
	memcpy(name, key->name, sizeof(key->name));
	return EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) == 1 && set_mac(mac, key);
}

static int unseal_ticket(struct tls_tickets *tickets, const unsigned char *name, const unsigned char *iv,
			 EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	for (unsigned i = 0; i < tickets->count; i++) {
		struct ticket_key *key = &tickets->keys[i];
		if (memcmp(name, key->name, sizeof(key->name)) != 0)
			continue;
		if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) != 1 || !set_mac(mac, key))
			return 0;
		return i == 0 ? 1 : 2;
	}
	return 0;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
		     int makes)
{
	struct tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	return makes ? seal_ticket(tickets, name, iv, cipher, mac) : unseal_ticket(tickets, name, iv, cipher, mac);
}

bool tls_use_tickets(SSL_CTX *openssl, struct tls_tickets *tickets)
{
	/* None automatically in TLS 1.3: a stream sends one when told to. */
	if (SSL_CTX_set_num_tickets(openssl, 0) != 1)
		return false;
	if (tickets == NULL) {
		SSL_CTX_set_options(openssl, SSL_OP_NO_TICKET);
		return true;
	}
	SSL_CTX_set_timeout(openssl, (long)(tickets->lifetime_ms / 1000));
	return SSL_CTX_set_app_data(openssl, tickets) == 1 &&
	       SSL_CTX_set_tlsext_ticket_key_evp_cb(openssl, on_ticket) == 1;
}

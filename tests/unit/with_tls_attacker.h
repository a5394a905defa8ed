/* For tests of what peers may cost over TLS: a stream as victim, and an attacker that sends what it likes. */
#ifndef TESTS_WITH_TLS_ATTACKER_H
#define TESTS_WITH_TLS_ATTACKER_H

#include "with_loop.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/hello.h"
#include "net/stream.h"
#include "with_certificate.h"

#define INPUT_MAXIMUM (64 << 10)

static size_t openssl_memory; /* bytes, of all that OpenSSL has in this process, where they are counted */

struct attack_fixture {
	struct loop *loop;
	struct certificate certificate;
	struct tls_context *context;
	struct stream *victim;
	unsigned told[STREAM_FAILED + 1];
	size_t received;
	SSL_CTX *openssl;
	SSL *attacker; /* on memory; what it writes goes to `fd` when it is told to */
	int fd;
	int victim_fd;
	int unread;       /* bytes on the victim's descriptor at the end of the last turn */
	int most_in_turn; /* the most that one turn took off it */
	uint64_t longest_us;
	unsigned turns;
	size_t before;      /* bytes that OpenSSL had before it made anything for the victim, where they are counted */
	bool has_no_memory; /* for one more handshake */
};

static inline void note_event(void *context, struct stream *stream, enum stream_event event)
{
	struct attack_fixture *f = context;
	f->told[event]++;
	f->received += buf_size(stream_input(stream));
	buf_clear(stream_input(stream));
}

static inline int unread_bytes(const struct attack_fixture *f)
{
	int size = 0;
	assert_int_equal(ioctl(f->victim_fd, FIONREAD, &size), 0);
	return size;
}

/* Nothing is sent while the loop runs: what is missing was taken in this turn. */
static inline void note_turn(void *context, uint64_t duration_us)
{
	struct attack_fixture *f = context;
	int left = f->told[STREAM_FAILED] ? f->unread : unread_bytes(f);
	if (f->unread - left > f->most_in_turn)
		f->most_in_turn = f->unread - left;
	if (duration_us > f->longest_us)
		f->longest_us = duration_us;
	f->unread = left;
	f->turns++;
}

static inline bool may_shake(void *context)
{
	return !((struct attack_fixture *)context)->has_no_memory;
}

/* `asks`: clients are asked for certificates. */
static inline struct tls_context *make_server(struct attack_fixture *f, bool asks)
{
	struct tls_context *context = NULL;
	char *error = NULL;
	struct tls_server_options options = { .certificate_pem = f->certificate.certificate,
					      .private_key = &f->certificate.key,
					      .session_id_context = SPAN("submission"),
					      .may_shake = may_shake,
					      .shake_context = f };
	if (asks)
		options.client_ca_pem = f->certificate.certificate;
	assert_int_equal(tls_server_create(&options, &context, &error), STATUS_OK);
	return context;
}

static inline void use_certificate(SSL_CTX *openssl, struct certificate *certificate)
{
	BIO *bio = BIO_new_mem_buf(certificate->certificate.data, (int)certificate->certificate.size);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	struct span pem = secret_reveal(&certificate->key);
	bio = BIO_new_mem_buf(pem.data, (int)pem.size);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_int_equal(SSL_CTX_use_certificate(openssl, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(openssl, key), 1);
	X509_free(x);
	EVP_PKEY_free(key);
}

static inline void make_attacker(struct attack_fixture *f, bool is_server, int version)
{
	f->openssl = SSL_CTX_new(TLS_method());
	SSL_CTX_set_max_proto_version(f->openssl, version);
	SSL_CTX_set_num_tickets(f->openssl, 0);
	if (is_server)
		use_certificate(f->openssl, &f->certificate);
	f->attacker = SSL_new(f->openssl);
	SSL_set_bio(f->attacker, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	if (is_server)
		SSL_set_accept_state(f->attacker);
	else
		SSL_set_connect_state(f->attacker);
}

/* `attacker_is_server`: a relay that attacks its client. */
static inline void begin_with(struct attack_fixture *f, bool attacker_is_server, int version, bool asks)
{
	int fds[2], size = 4 << 20;
	*f = (struct attack_fixture){ 0 };
	assert_int_equal(loop_create(&f->loop), STATUS_OK);
	certificate_make(&f->certificate, "DNS:mail.example.com");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	f->fd = fds[1];
	f->victim_fd = fds[0];
	setsockopt(f->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	struct stream_options options = {
		.input_maximum = INPUT_MAXIMUM, .output_maximum = INPUT_MAXIMUM, .on_event = note_event, .context = f
	};
	assert_int_equal(stream_create(f->loop, fds[0], &options, &f->victim), STATUS_OK);
	make_attacker(f, attacker_is_server, version);
	if (attacker_is_server) {
		struct tls_client_options client = { .ca_pem = f->certificate.certificate };
		char *error = NULL;
		assert_int_equal(tls_client_create(&client, &f->context, &error), STATUS_OK);
		assert_int_equal(stream_secure_client(f->victim, f->context, SPAN("mail.example.com")), STATUS_OK);
	} else {
		f->context = make_server(f, asks);
		f->before = openssl_memory;
		assert_int_equal(stream_secure_server(f->victim, f->context), STATUS_OK);
	}
	loop_on_turn(f->loop, note_turn, f);
}

static inline void begin_attack(struct attack_fixture *f, bool attacker_is_server, int version)
{
	begin_with(f, attacker_is_server, version, false);
}

static inline void end_attack(struct attack_fixture *f)
{
	stream_free(&f->victim);
	tls_context_free(&f->context);
	certificate_free(&f->certificate);
	SSL_free(f->attacker);
	SSL_CTX_free(f->openssl);
	close(f->fd);
	loop_free(f->loop);
}

/* What the attacker has written goes out, all of it. */
static inline size_t send_all(struct attack_fixture *f)
{
	char *bytes = NULL;
	long size = BIO_get_mem_data(SSL_get_wbio(f->attacker), &bytes);
	if (size > 0)
		assert_int_equal(send(f->fd, bytes, (size_t)size, MSG_NOSIGNAL), size);
	assert_int_equal(BIO_reset(SSL_get_wbio(f->attacker)), 1);
	f->unread = unread_bytes(f);
	return size > 0 ? (size_t)size : 0;
}

static inline void take_answers(struct attack_fixture *f)
{
	char piece[4096];
	ssize_t got;
	while ((got = recv(f->fd, piece, sizeof(piece), 0)) > 0)
		assert_int_equal(BIO_write(SSL_get_rbio(f->attacker), piece, (int)got), got);
}

static inline void shake_hands(struct attack_fixture *f)
{
	for (int i = 0; i < 20 && !f->told[STREAM_SECURED]; i++) {
		take_answers(f);
		SSL_do_handshake(f->attacker);
		send_all(f);
		run_for(f->loop, 2);
	}
	take_answers(f);
	assert_int_equal(SSL_do_handshake(f->attacker), 1);
	send_all(f);
	assert_int_equal(f->told[STREAM_SECURED], 1);
}

static inline size_t count_written(const struct attack_fixture *f)
{
	return BIO_ctrl_pending(SSL_get_wbio(f->attacker));
}

static inline bool is_taken(void *context)
{
	struct attack_fixture *f = context;
	return f->told[STREAM_FAILED] || unread_bytes(f) == 0;
}

static inline void send_and_run(struct attack_fixture *f)
{
	send_all(f);
	run_until(f->loop, is_taken, f);
}

static inline void flood_with_turn(struct attack_fixture *f)
{
	f->most_in_turn = 0;
	f->longest_us = 0;
	send_and_run(f);
	print_message("the most in a turn: %d bytes, %llu us\n", f->most_in_turn, (unsigned long long)f->longest_us);
}

/* A ClientHello of `size` bytes, in records of `piece` bytes each. */
static inline size_t write_hello(char *out, size_t size, size_t piece)
{
	unsigned char message[HELLO_MAXIMUM + 4 + 1] = {
		1, (unsigned char)(size >> 16), (unsigned char)(size >> 8), (unsigned char)size, 3, 3
	};
	size_t used = 0;
	for (size_t at = 0; at < size + 4; at += piece) {
		size_t now = size + 4 - at < piece ? size + 4 - at : piece;
		const unsigned char header[5] = { 22, 3, 1, (unsigned char)(now >> 8), (unsigned char)now };
		memcpy(out + used, header, sizeof(header));
		memcpy(out + used + sizeof(header), message + at, now);
		used += sizeof(header) + now;
	}
	return used;
}

static inline void send_hello(struct attack_fixture *f, size_t size, size_t piece, size_t sent)
{
	static char wire[6 * (HELLO_MAXIMUM + 5)];
	size_t wire_size = write_hello(wire, size, piece);
	if (sent && sent < wire_size)
		wire_size = sent;
	BIO_write(SSL_get_wbio(f->attacker), wire, (int)wire_size);
}

#endif

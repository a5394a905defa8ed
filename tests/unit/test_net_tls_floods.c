/*
 * Peers that send what costs a role time or memory and says nothing: the work of a turn is
 * bounded whatever comes, and what no honest peer does ends the connection.
 */
#include "with_loop.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/hello.h"
#include "net/stream.h"
#include "with_certificate.h"

#define FLOOD (160U << 10)   /* bytes: more than two turns may take, and less than the socket holds */
#define TURN_MAXIMUM 100000U /* bytes that a turn may take off the descriptor: what is allowed, and one record's rest */
#define INPUT_MAXIMUM (64 << 10)

/* ---- what OpenSSL takes in truth */

static size_t taken; /* bytes, of all that OpenSSL has in this process */

static void *take(size_t size, const char *file, int line)
{
	void *memory = malloc(size);
	(void)file;
	(void)line;
	taken += malloc_usable_size(memory);
	return memory;
}

static void give(void *memory, const char *file, int line)
{
	(void)file;
	(void)line;
	taken -= malloc_usable_size(memory);
	free(memory);
}

static void *retake(void *memory, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	taken -= malloc_usable_size(memory);
	memory = realloc(memory, size);
	taken += malloc_usable_size(memory);
	return memory;
}

/* ---- a victim and an attacker */

struct fixture {
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
	size_t before;      /* bytes that OpenSSL had before it made anything for the victim */
	bool has_no_memory; /* for one more handshake */
};

static void note(void *context, struct stream *stream, enum stream_event event)
{
	struct fixture *f = context;
	f->told[event]++;
	f->received += buf_size(stream_input(stream));
	buf_clear(stream_input(stream));
}

static int unread_bytes(const struct fixture *f)
{
	int size = 0;
	assert_int_equal(ioctl(f->victim_fd, FIONREAD, &size), 0);
	return size;
}

/* Nothing is sent while the loop runs: what is missing was taken in this turn. */
static void note_turn(void *context, uint64_t duration_us)
{
	struct fixture *f = context;
	int left = f->told[STREAM_FAILED] ? f->unread : unread_bytes(f);
	if (f->unread - left > f->most_in_turn)
		f->most_in_turn = f->unread - left;
	if (duration_us > f->longest_us)
		f->longest_us = duration_us;
	f->unread = left;
	f->turns++;
}

static bool may_shake(void *context)
{
	return !((struct fixture *)context)->has_no_memory;
}

/* `asks`: clients are asked for certificates. */
static struct tls_context *make_server(struct fixture *f, bool asks)
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

static void use_certificate(SSL_CTX *openssl, struct certificate *certificate)
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

static void make_attacker(struct fixture *f, bool is_server, int version)
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
static void begin_with(struct fixture *f, bool attacker_is_server, int version, bool asks)
{
	int fds[2], size = 4 << 20;
	*f = (struct fixture){ 0 };
	assert_int_equal(loop_create(&f->loop), STATUS_OK);
	certificate_make(&f->certificate, "DNS:mail.example.com");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	f->fd = fds[1];
	f->victim_fd = fds[0];
	setsockopt(f->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	struct stream_options options = {
		.input_maximum = INPUT_MAXIMUM, .output_maximum = INPUT_MAXIMUM, .on_event = note, .context = f
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
		f->before = taken;
		assert_int_equal(stream_secure_server(f->victim, f->context), STATUS_OK);
	}
	loop_on_turn(f->loop, note_turn, f);
}

static void begin(struct fixture *f, bool attacker_is_server, int version)
{
	begin_with(f, attacker_is_server, version, false);
}

static void end(struct fixture *f)
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
static size_t send_all(struct fixture *f)
{
	char *bytes = NULL;
	long size = BIO_get_mem_data(SSL_get_wbio(f->attacker), &bytes);
	if (size > 0)
		assert_int_equal(send(f->fd, bytes, (size_t)size, MSG_NOSIGNAL), size);
	assert_int_equal(BIO_reset(SSL_get_wbio(f->attacker)), 1);
	f->unread = unread_bytes(f);
	return size > 0 ? (size_t)size : 0;
}

static void take_answers(struct fixture *f)
{
	char piece[4096];
	ssize_t got;
	while ((got = recv(f->fd, piece, sizeof(piece), 0)) > 0)
		assert_int_equal(BIO_write(SSL_get_rbio(f->attacker), piece, (int)got), got);
}

static void shake_hands(struct fixture *f)
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

static size_t written(const struct fixture *f)
{
	return BIO_ctrl_pending(SSL_get_wbio(f->attacker));
}

static bool is_taken(void *context)
{
	struct fixture *f = context;
	return f->told[STREAM_FAILED] || unread_bytes(f) == 0;
}

static void send_and_run(struct fixture *f)
{
	send_all(f);
	run_until(f->loop, is_taken, f);
}

static void flood(struct fixture *f)
{
	f->most_in_turn = 0;
	f->longest_us = 0;
	send_and_run(f);
	print_message("the most in a turn: %d bytes, %llu us\n", f->most_in_turn, (unsigned long long)f->longest_us);
}

/* ---- floods that must end the connection */

static void update_key(SSL *attacker)
{
	assert_int_equal(SSL_key_update(attacker, SSL_KEY_UPDATE_REQUESTED), 1);
	assert_int_equal(SSL_do_handshake(attacker), 1);
}

static void send_ticket(SSL *attacker)
{
	assert_int_equal(SSL_new_session_ticket(attacker), 1);
	assert_int_equal(SSL_do_handshake(attacker), 1);
}

static void assert_ended_by(void (*attack)(SSL *attacker), bool attacker_is_server)
{
	struct fixture f;
	begin(&f, attacker_is_server, TLS1_3_VERSION);
	shake_hands(&f);
	while (written(&f) < FLOOD)
		attack(f.attacker);
	flood(&f);
	assert_int_equal(f.told[STREAM_FAILED], 1);
	assert_string_equal(stream_error(f.victim), "TLS: too many messages after the handshake");
	assert_true(f.most_in_turn < (int)TURN_MAXIMUM);
	end(&f);
}

static void key_updates_without_end_end_the_connection(void **state)
{
	(void)state;
	assert_ended_by(update_key, false);
	assert_ended_by(update_key, true);
}

static void tickets_without_end_end_the_connection(void **state)
{
	(void)state;
	assert_ended_by(send_ticket, true);
}

static void a_few_key_updates_and_tickets_are_taken(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, true, TLS1_3_VERSION);
	shake_hands(&f);
	for (int i = 0; i < 8; i++) {
		update_key(f.attacker);
		send_ticket(f.attacker);
	}
	assert_int_equal(SSL_write(f.attacker, "220 hello\r\n", 11), 11);
	flood(&f);
	assert_int_equal(f.told[STREAM_FAILED], 0);
	assert_int_equal(f.received, 11);
	end(&f);
}

static void who_sends_much_may_renew_keys_again_and_again(void **state)
{
	static const char bulk[128 << 10];
	struct fixture f;
	(void)state;
	begin(&f, true, TLS1_3_VERSION);
	shake_hands(&f);
	for (int i = 0; i < 40 * 8; i++) {
		if (i % 8 == 0)
			update_key(f.attacker);
		assert_int_equal(SSL_write(f.attacker, bulk, sizeof(bulk)), sizeof(bulk));
		send_and_run(&f);
	}
	assert_int_equal(f.told[STREAM_FAILED], 0);
	assert_int_equal(f.received, 40 * 8 * sizeof(bulk));
	end(&f);
}

static void a_client_that_renegotiates_is_cut_off(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, false, TLS1_2_VERSION);
	shake_hands(&f);
	assert_int_equal(SSL_renegotiate(f.attacker), 1);
	SSL_do_handshake(f.attacker);
	flood(&f);
	assert_int_equal(f.told[STREAM_FAILED], 1);
	assert_string_equal(stream_error(f.victim), "TLS: renegotiation");
	end(&f);
}

/* ---- answers that find no room */

static bool goes_on(void *context)
{
	struct fixture *f = context;
	char piece[4096];
	while (recv(f->fd, piece, sizeof(piece), 0) > 0)
		;
	return f->told[STREAM_FAILED] || f->received > 0;
}

/* Who reads nothing and wants an answer of TLS itself: no turn waits for room, and the loop does not go round and round. */
static void a_key_update_that_finds_no_room_for_its_answer_waits(void **state)
{
	static const char bulk[4096];
	struct fixture f;
	(void)state;
	begin(&f, false, TLS1_3_VERSION);
	shake_hands(&f);
	for (size_t size = sizeof(bulk); size; size /= 2)
		while (send(f.victim_fd, bulk, size, MSG_NOSIGNAL) > 0)
			;
	update_key(f.attacker);
	update_key(f.attacker);
	assert_int_equal(SSL_write(f.attacker, "QUIT\r\n", 6), 6);
	send_all(&f);
	f.turns = 0;
	run_for(f.loop, 100);
	assert_int_equal(f.received, 0);
	assert_true(f.turns < 300);
	run_until(f.loop, goes_on, &f);
	assert_int_equal(f.told[STREAM_FAILED], 0);
	assert_int_equal(f.received, 6);
	end(&f);
}

/* ---- floods that go on, in bounded turns */

static void records_of_one_byte_leave_the_turn_to_others(void **state)
{
	(void)state;
	for (int is_server = 0; is_server < 2; is_server++) {
		struct fixture f;
		size_t sent = 0;
		begin(&f, is_server, TLS1_3_VERSION);
		shake_hands(&f);
		for (; written(&f) < FLOOD; sent++)
			assert_int_equal(SSL_write(f.attacker, "x", 1), 1);
		flood(&f);
		assert_int_equal(f.told[STREAM_FAILED], 0);
		assert_int_equal(f.received, sent);
		/* Each costs as much time as many bytes: a turn takes one read of them. */
		assert_true(f.most_in_turn < 20000);
		end(&f);
	}
}

/* A ClientHello of `size` bytes, in records of `piece` bytes each. */
static size_t write_hello(char *out, size_t size, size_t piece)
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

static void send_hello(struct fixture *f, size_t size, size_t piece, size_t sent)
{
	static char wire[6 * (HELLO_MAXIMUM + 5)];
	size_t wire_size = write_hello(wire, size, piece);
	if (sent && sent < wire_size)
		wire_size = sent;
	BIO_write(SSL_get_wbio(f->attacker), wire, (int)wire_size);
}

static void a_hello_in_pieces_of_one_byte_leaves_the_turn_to_others(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, false, TLS1_3_VERSION);
	send_hello(&f, HELLO_MAXIMUM, 1, 6 * HELLO_MAXIMUM);
	flood(&f);
	assert_int_equal(f.told[STREAM_FAILED], 0);
	assert_true(f.most_in_turn < 500);
	end(&f);
}

/* ---- sizes */

static void a_hello_that_is_too_large_is_refused_by_its_first_bytes(void **state)
{
	static const size_t pieces[] = { 1, 2, 3, 4, 5, 1000 };
	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct fixture f;
		begin(&f, false, TLS1_3_VERSION);
		send_hello(&f, HELLO_MAXIMUM + 1, pieces[i], 30);
		flood(&f);
		run_for(f.loop, 5);
		assert_int_equal(f.told[STREAM_FAILED], 1);
		assert_string_equal(stream_error(f.victim), "TLS: handshake message too large");
		end(&f);
	}
}

/* ---- memory */

#define SHAKING_MEMORY (64U << 10) /* bytes: what an unfinished handshake may take, and is counted as */
#define IDLE_MEMORY (20U << 10)    /* of an idle connection */

/* What OpenSSL has for the victim in truth, at most as much as it is said to have. */
static void assert_counted(const struct fixture *f, const char *what)
{
	size_t truth = taken - f->before;
	print_message("%s: %zu bytes, counted as %zu\n", what, truth, IDLE_MEMORY + tls_memory());
	assert_true(truth <= IDLE_MEMORY + tls_memory());
}

static void a_hello_that_is_never_whole_takes_no_more_than_is_counted(void **state)
{
	static const size_t pieces[] = { 1, 100, 16384 };
	static char wire[6 * (HELLO_MAXIMUM + 5)];
	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct fixture f;
		begin(&f, false, TLS1_3_VERSION);
		run_for(f.loop, 2);
		assert_int_equal(tls_memory(), 0);
		assert_counted(&f, "before the hello");
		size_t size = write_hello(wire, HELLO_MAXIMUM, pieces[i]) - 1;
		assert_int_equal(send(f.fd, wire, size, MSG_NOSIGNAL), size);
		run_until(f.loop, is_taken, &f);
		assert_int_equal(tls_memory(), SHAKING_MEMORY - IDLE_MEMORY);
		assert_counted(&f, "most of a hello");
		end(&f);
		assert_int_equal(tls_memory(), 0);
	}
}

static int add_padding(SSL *ssl, unsigned type, unsigned context, const unsigned char **out, size_t *out_size, X509 *x,
		       size_t index, int *alert, void *argument)
{
	static const unsigned char padding[HELLO_MAXIMUM - 2200];
	(void)ssl, (void)type, (void)context, (void)x, (void)index, (void)alert, (void)argument;
	*out = padding;
	*out_size = sizeof(padding);
	return 1;
}

static void a_large_hello_that_nothing_follows_takes_no_more_than_is_counted(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct fixture f;
		begin_with(&f, false, versions[i % 2], i >= 2);
		assert_int_equal(SSL_CTX_add_custom_ext(f.openssl, 60000, SSL_EXT_CLIENT_HELLO, add_padding, NULL, NULL,
							NULL, NULL),
				 1);
		SSL *small = f.attacker;
		f.attacker = SSL_new(f.openssl);
		SSL_set_bio(f.attacker, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
		SSL_set_connect_state(f.attacker);
		SSL_free(small);
		SSL_do_handshake(f.attacker);
		assert_true(written(&f) > HELLO_MAXIMUM - 2200);
		send_all(&f);
		size_t before = taken;
		run_until(f.loop, is_taken, &f);
		run_for(f.loop, 2);
		assert_int_equal(f.told[STREAM_FAILED], 0);
		f.before = before - IDLE_MEMORY / 2; /* the object itself was made before */
		assert_counted(&f, i >= 2 ? "a large hello, and a certificate is asked for" : "a large hello");
		end(&f);
	}
}

static void what_a_connection_takes_after_its_handshake_is_counted(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, false, TLS1_3_VERSION);
	shake_hands(&f);
	run_for(f.loop, 2);
	assert_int_equal(tls_memory(), 0);
	assert_int_equal(SSL_write(f.attacker, "220 hello\r\n", 11), 11);
	char *bytes = NULL;
	long size = BIO_get_mem_data(SSL_get_wbio(f.attacker), &bytes);
	assert_int_equal(send(f.fd, bytes, (size_t)size - 1, MSG_NOSIGNAL), size - 1);
	run_until(f.loop, is_taken, &f);
	assert_true(tls_memory() > 16384);
	assert_int_equal(send(f.fd, bytes + size - 1, 1, MSG_NOSIGNAL), 1);
	run_until(f.loop, is_taken, &f);
	assert_int_equal(f.received, 11);
	assert_int_equal(tls_memory(), 0);
	end(&f);
}

static void without_memory_a_handshake_does_not_begin(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, false, TLS1_3_VERSION);
	f.has_no_memory = true;
	send_hello(&f, 1000, 1000, 0);
	flood(&f);
	assert_int_equal(f.told[STREAM_FAILED], 1);
	assert_string_equal(stream_error(f.victim), "TLS: no memory for one more handshake");
	end(&f);
	assert_int_equal(tls_memory(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_updates_without_end_end_the_connection),
		cmocka_unit_test(tickets_without_end_end_the_connection),
		cmocka_unit_test(a_few_key_updates_and_tickets_are_taken),
		cmocka_unit_test(who_sends_much_may_renew_keys_again_and_again),
		cmocka_unit_test(a_client_that_renegotiates_is_cut_off),
		cmocka_unit_test(a_key_update_that_finds_no_room_for_its_answer_waits),
		cmocka_unit_test(records_of_one_byte_leave_the_turn_to_others),
		cmocka_unit_test(a_hello_in_pieces_of_one_byte_leaves_the_turn_to_others),
		cmocka_unit_test(a_hello_that_is_too_large_is_refused_by_its_first_bytes),
		cmocka_unit_test(a_hello_that_is_never_whole_takes_no_more_than_is_counted),
		cmocka_unit_test(a_large_hello_that_nothing_follows_takes_no_more_than_is_counted),
		cmocka_unit_test(what_a_connection_takes_after_its_handshake_is_counted),
		cmocka_unit_test(without_memory_a_handshake_does_not_begin),
	};
	if (CRYPTO_set_mem_functions(take, retake, give) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

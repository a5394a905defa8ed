/* What a peer may make TLS hold: handshakes are bounded, counted as what they take, and refused without memory. */
#include "with_tls_attacker.h"

#include <malloc.h>
#include <openssl/crypto.h>

/* ---- what OpenSSL takes in truth */

static void *take_memory(size_t size, const char *file, int line)
{
	void *memory = malloc(size);
	(void)file;
	(void)line;
	openssl_memory += malloc_usable_size(memory);
	return memory;
}

static void give_memory(void *memory, const char *file, int line)
{
	(void)file;
	(void)line;
	openssl_memory -= malloc_usable_size(memory);
	free(memory);
}

static void *retake_memory(void *memory, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	openssl_memory -= malloc_usable_size(memory);
	memory = realloc(memory, size);
	openssl_memory += malloc_usable_size(memory);
	return memory;
}

/* ---- sizes */

static void a_hello_that_is_too_large_is_refused_by_its_first_bytes(void **state)
{
	static const size_t pieces[] = { 1, 2, 3, 4, 5, 1000 };
	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct attack_fixture f;
		begin_attack(&f, false, TLS1_3_VERSION);
		send_hello(&f, HELLO_MAXIMUM + 1, pieces[i], 30);
		flood_with_turn(&f);
		run_for(f.loop, 5);
		assert_int_equal(f.told[STREAM_FAILED], 1);
		assert_string_equal(stream_error(f.victim), "TLS: handshake message too large");
		end_attack(&f);
	}
}

/* ---- memory */

#define SHAKING_MEMORY (64U << 10) /* bytes: what an unfinished handshake may take, and is counted as */
#define IDLE_MEMORY (20U << 10)    /* of an idle connection */

/* What OpenSSL has for the victim in truth, at most as much as it is said to have. */
static void assert_counted(const struct attack_fixture *f, const char *what)
{
	size_t truth = openssl_memory - f->before;
	print_message("%s: %zu bytes, counted as %zu\n", what, truth, IDLE_MEMORY + tls_memory());
	assert_true(truth <= IDLE_MEMORY + tls_memory());
}

static void a_hello_that_is_never_whole_takes_no_more_than_is_counted(void **state)
{
	static const size_t pieces[] = { 1, 100, 16384 };
	static char wire[6 * (HELLO_MAXIMUM + 5)];
	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct attack_fixture f;
		begin_attack(&f, false, TLS1_3_VERSION);
		run_for(f.loop, 2);
		assert_int_equal(tls_memory(), 0);
		assert_counted(&f, "before the hello");
		size_t size = write_hello(wire, HELLO_MAXIMUM, pieces[i]) - 1;
		assert_int_equal(send(f.fd, wire, size, MSG_NOSIGNAL), size);
		run_until(f.loop, is_taken, &f);
		assert_int_equal(tls_memory(), SHAKING_MEMORY - IDLE_MEMORY);
		assert_counted(&f, "most of a hello");
		end_attack(&f);
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
	for (unsigned i = 0; i < 8; i++) {
		bool is_measured = i >= 4; /* the first of each kind brings what OpenSSL keeps for all connections */
		bool with_certificate = i % 4 >= 2;
		struct attack_fixture f;
		begin_with(&f, false, versions[i % 2], with_certificate);
		assert_int_equal(SSL_CTX_add_custom_ext(f.openssl, 60000, SSL_EXT_CLIENT_HELLO, add_padding, NULL, NULL,
							NULL, NULL),
				 1);
		SSL *small = f.attacker;
		f.attacker = SSL_new(f.openssl);
		SSL_set_bio(f.attacker, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
		SSL_set_connect_state(f.attacker);
		SSL_free(small);
		SSL_do_handshake(f.attacker);
		assert_true(count_written(&f) > HELLO_MAXIMUM - 2200);
		send_all(&f);
		size_t before = openssl_memory;
		run_until(f.loop, is_taken, &f);
		run_for(f.loop, 2);
		assert_int_equal(f.told[STREAM_FAILED], 0);
		f.before = before - IDLE_MEMORY / 2; /* the object itself was made before */
		if (is_measured)
			assert_counted(&f, with_certificate ? "a large hello, and a certificate is asked for"
							    : "a large hello");
		end_attack(&f);
	}
}

static void what_a_connection_takes_after_its_handshake_is_counted(void **state)
{
	struct attack_fixture f;
	(void)state;
	begin_attack(&f, false, TLS1_3_VERSION);
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
	end_attack(&f);
}

static void without_memory_a_handshake_does_not_begin(void **state)
{
	struct attack_fixture f;
	(void)state;
	begin_attack(&f, false, TLS1_3_VERSION);
	f.has_no_memory = true;
	send_hello(&f, 1000, 1000, 0);
	flood_with_turn(&f);
	assert_int_equal(f.told[STREAM_FAILED], 1);
	assert_string_equal(stream_error(f.victim), "TLS: no memory for one more handshake");
	end_attack(&f);
	assert_int_equal(tls_memory(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_that_is_too_large_is_refused_by_its_first_bytes),
		cmocka_unit_test(a_hello_that_is_never_whole_takes_no_more_than_is_counted),
		cmocka_unit_test(a_large_hello_that_nothing_follows_takes_no_more_than_is_counted),
		cmocka_unit_test(what_a_connection_takes_after_its_handshake_is_counted),
		cmocka_unit_test(without_memory_a_handshake_does_not_begin),
	};
	if (CRYPTO_set_mem_functions(take_memory, retake_memory, give_memory) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

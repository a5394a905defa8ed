/* OpenSSL's large blocks in places of their own: what they leave behind, and that every block is whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/crypto.h>

#include "net/tls_places.h"

#define CLIENTS 200
#define LARGE 20000 /* bytes: a buffer of a handshake */
#define FLIGHT 4096
#define LASTING 600

static size_t resident_bytes(void)
{
	unsigned long whole, resident;
	FILE *file = fopen("/proc/self/statm", "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &whole, &resident), 2);
	fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static char *make_block(size_t size)
{
	char *block = OPENSSL_malloc(size);
	assert_non_null(block);
	memset(block, 'x', size);
	return block;
}

/* Many come at once, and stay: only what they keep is held. */
static void a_crowd_leaves_no_holes(void **state)
{
	static char *large[CLIENTS], *flight[CLIENTS], *lasting[CLIENTS];
	(void)state;
	size_t before = resident_bytes();
	for (size_t i = 0; i < CLIENTS; i++) {
		large[i] = make_block(LARGE);
		flight[i] = make_block(FLIGHT);
		lasting[i] = make_block(LASTING);
	}
	assert_true(resident_bytes() > before + (size_t)CLIENTS * LARGE);
	for (size_t i = 0; i < CLIENTS; i++) {
		OPENSSL_free(large[i]);
		OPENSSL_free(flight[i]);
	}
	assert_true(resident_bytes() < before + (size_t)CLIENTS * LARGE / 4);
	for (size_t i = 0; i < CLIENTS; i++)
		OPENSSL_free(lasting[i]);
}

/* A few places keep their pages for those who come next; whoever expects nobody has them given back. */
static void at_rest_no_place_holds_a_page(void **state)
{
	enum { FEW = 8 };
	char *blocks[FEW];
	(void)state;
	for (int i = 0; i < FEW; i++)
		blocks[i] = make_block(LARGE);
	for (int i = 0; i < FEW; i++)
		OPENSSL_free(blocks[i]);
	size_t warm = resident_bytes();
	tls_rest_places();
	assert_true(resident_bytes() <= warm - FEW * 16384);
	for (int i = 0; i < 2 * FEW; i++) {
		char *block = make_block(LARGE);
		OPENSSL_free(block);
	}
}

static void more_than_there_are_places_for_are_served_too(void **state)
{
	enum { MANY = 1200 };
	static char *blocks[MANY];
	(void)state;
	for (int i = 0; i < MANY; i++) {
		blocks[i] = make_block(LARGE);
		memset(blocks[i], i, LARGE);
	}
	for (int i = 0; i < MANY; i++) {
		for (size_t at = 0; at < LARGE; at += 999)
			assert_int_equal(blocks[i][at], (char)i);
		OPENSSL_free(blocks[i]);
	}
}

static void a_block_keeps_its_bytes_as_its_size_changes(void **state)
{
	static const size_t sizes[] = { 100, 4096, 8192, 5000, 24576, 24577, 100000, 20000, 4200, 30 };
	size_t least = 10;
	(void)state;
	char *block = make_block(least);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		block = OPENSSL_realloc(block, sizes[i]);
		assert_non_null(block);
		for (size_t at = 0; at < least; at++)
			assert_int_equal(block[at], 'x');
		memset(block, 'x', sizes[i]);
		least = i + 1 < sizeof(sizes) / sizeof(*sizes) && sizes[i + 1] < sizes[i] ? sizes[i + 1] : sizes[i];
	}
	OPENSSL_free(block);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crowd_leaves_no_holes),
		cmocka_unit_test(at_rest_no_place_holds_a_page),
		cmocka_unit_test(more_than_there_are_places_for_are_served_too),
		cmocka_unit_test(a_block_keeps_its_bytes_as_its_size_changes),
	};
	tls_use_places();
	return cmocka_run_group_tests_name("net: places for TLS", tests, NULL, NULL);
}

/* Arenas, what they keep of a client, and secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include <stdalign.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/client_facts.h"
#include "base/secret.h"

/* ---- arenas */

static void an_arena_gives_zeroed_aligned_memory(void **state)
{
	struct arena arena ARENA_AUTO;
	(void)state;
	arena_init(&arena, 100000);
	for (size_t size = 0; size < 300; size++) {
		char *at = arena_alloc(&arena, size);
		assert_non_null(at);
		assert_int_equal((uintptr_t)at % alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(at[i], 0);
		memset(at, 0xff, size);
	}
}

/* As a client's facts are many, and short. */
static void texts_in_an_arena_follow_each_other(void **state)
{
	struct arena arena ARENA_AUTO;
	struct span one, other;
	(void)state;
	arena_init_blocks(&arena, 10000, 32);
	assert_int_equal(arena_copy(&arena, SPAN("one"), &one), STATUS_OK);
	assert_int_equal(arena_copy(&arena, SPAN("other"), &other), STATUS_OK);
	assert_ptr_equal(other.data, one.data + one.size);
	uint64_t *number = arena_alloc(&arena, sizeof(*number)); /* aligned again */
	assert_int_equal((uintptr_t)number % _Alignof(max_align_t), 0);
	*number = UINT64_MAX;
	assert_int_equal(arena_copy(&arena, SPAN("12345678"), &other), STATUS_OK);
	assert_int_equal(arena.used, 32); /* to its last byte */
	assert_true(span_equal(one, SPAN("one")));
	assert_int_equal(*number, UINT64_MAX);
	assert_int_equal(arena_copy(&arena, SPAN("more"), &other), STATUS_OK);
	assert_int_equal(arena.used, 64);
}

static void an_arena_stops_at_its_maximum(void **state)
{
	struct arena arena ARENA_AUTO;
	size_t count = 0;
	(void)state;
	arena_init(&arena, 10000);
	while (count < 1000 && arena_alloc(&arena, 100))
		count++;
	assert_in_range(count, 80, 100);
	assert_true(arena.used <= 10000);
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 5));
	arena_reset(&arena);
	assert_int_equal(arena.used, 0);
	assert_null(arena.newest);
	assert_non_null(arena_alloc(&arena, 9000));
}

static void a_copy_does_not_change_with_its_original(void **state)
{
	struct arena arena ARENA_AUTO;
	char original[] = "alice@example.com";
	struct span copy = SPAN("untouched");
	(void)state;
	arena_init(&arena, 1024);
	assert_int_equal(arena_copy(&arena, span_of(original), &copy), STATUS_OK);
	memset(original, 'x', sizeof(original) - 1);
	assert_true(span_equal(copy, SPAN("alice@example.com")));
	assert_int_equal(arena_copy(&arena, (struct span){ original, 4096 }, &copy), STATUS_NO_MEMORY);
	assert_true(span_equal(copy, SPAN("alice@example.com")));
}

/* ---- secrets */

static int file_of(const char *text)
{
	int fd = memfd_create("secret", MFD_CLOEXEC);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void a_password_file_loses_one_line_end(void **state)
{
	static const struct {
		const char *file, *password;
	} cases[] = {
		{ "pass word\n", "pass word" },
		{ "password\r\n", "password" },
		{ "password", "password" },
		{ "password\n\n", "password\n" },
		{ "\n", "" },
		{ "", "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct secret secret SECRET_AUTO = { 0 };
		int fd = file_of(cases[i].file);
		assert_int_equal(secret_from_line_fd(fd, &secret), STATUS_OK);
		assert_true(span_equal(secret_reveal(&secret), span_of(cases[i].password)));
		assert_int_equal(secret_is_empty(&secret), cases[i].password[0] == '\0');
		close(fd);
	}
}

static void a_file_is_read_from_its_beginning_again_and_again(void **state)
{
	int fd = file_of("-----BEGIN");
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct secret secret SECRET_AUTO = { 0 };
		assert_int_equal(secret_from_fd(fd, &secret), STATUS_OK);
		assert_true(span_equal(secret_reveal(&secret), SPAN("-----BEGIN")));
	}
	close(fd);
}

static void too_large_a_secret_is_refused(void **state)
{
	static const char much[SECRET_MAXIMUM + 1];
	struct secret secret SECRET_AUTO = { 0 };
	int fd = memfd_create("secret", MFD_CLOEXEC);
	(void)state;
	assert_int_equal(secret_from_span((struct span){ much, sizeof(much) }, &secret), STATUS_TOO_LARGE);
	assert_int_equal(ftruncate(fd, SECRET_MAXIMUM + 1), 0);
	assert_int_equal(secret_from_fd(fd, &secret), STATUS_TOO_LARGE);
	assert_int_equal(ftruncate(fd, SECRET_MAXIMUM), 0);
	assert_int_equal(secret_from_fd(fd, &secret), STATUS_OK);
	assert_int_equal(secret.size, SECRET_MAXIMUM);
	close(fd);
	secret_wipe(&secret);
	assert_int_equal(secret_from_fd(-1, &secret), STATUS_SYSTEM);
}

static void a_wiped_secret_is_empty(void **state)
{
	struct secret secret = { 0 };
	(void)state;
	assert_int_equal(secret_from_span(SPAN("hunter2"), &secret), STATUS_OK);
	secret_wipe(&secret);
	assert_true(secret_is_empty(&secret));
	assert_null(secret.bytes);
	secret_wipe(&secret);
}

static void secrets_compare_by_all_their_bytes(void **state)
{
	(void)state;
	assert_true(secret_equal(SPAN("hunter2"), SPAN("hunter2")));
	assert_true(secret_equal(SPAN(""), SPAN("")));
	assert_false(secret_equal(SPAN("hunter2"), SPAN("hunter3")));
	assert_false(secret_equal(SPAN("xunter2"), SPAN("hunter2")));
	assert_false(secret_equal(SPAN("hunter2"), SPAN("hunter")));
}

static void random_secrets_are_hexadecimal_and_differ(void **state)
{
	struct secret a SECRET_AUTO = { 0 }, b SECRET_AUTO = { 0 }, c SECRET_AUTO = { 0 };
	(void)state;
	assert_int_equal(secret_random_hex(16, &a), STATUS_OK);
	assert_int_equal(secret_random_hex(16, &b), STATUS_OK);
	assert_int_equal(a.size, 32);
	assert_int_equal(strspn(a.bytes, "0123456789abcdef"), 32);
	assert_false(secret_equal(secret_reveal(&a), secret_reveal(&b)));
	assert_int_equal(secret_random_hex(65, &c), STATUS_TOO_LARGE);
}

/* ---- clients */

static void all_texts_about_a_client_are_kept_and_cut(void **state)
{
	struct arena arena ARENA_AUTO;
	char texts[] = "addresslistenerversionciphersubjecthelo";
	struct client_facts given = { .address = { texts, 7 },
				      .port = 4711,
				      .listener = { texts + 7, 8 },
				      .tls_version = { texts + 15, 7 },
				      .tls_cipher = { texts + 22, 6 },
				      .tls_client_subject = { texts + 28, 7 },
				      .helo = { texts + 35, 4 } };
	struct client_facts kept;
	(void)state;
	arena_init(&arena, 10000);
	assert_int_equal(client_facts_copy(&arena, &given, &kept), STATUS_OK);
	struct client_facts cut = client_facts_cut(&kept, 3);
	memset(texts, '-', sizeof(texts));
	assert_true(span_equal(kept.address, SPAN("address")));
	assert_int_equal(kept.port, 4711);
	assert_true(span_equal(kept.listener, SPAN("listener")));
	assert_true(span_equal(kept.tls_version, SPAN("version")));
	assert_true(span_equal(kept.tls_cipher, SPAN("cipher")));
	assert_true(span_equal(kept.tls_client_subject, SPAN("subject")));
	assert_true(span_equal(kept.helo, SPAN("helo")));
	assert_true(span_equal(cut.address, SPAN("add")));
	assert_int_equal(cut.port, 4711);
	assert_true(span_equal(cut.listener, SPAN("lis")));
	assert_true(span_equal(cut.tls_version, SPAN("ver")));
	assert_true(span_equal(cut.tls_cipher, SPAN("cip")));
	assert_true(span_equal(cut.tls_client_subject, SPAN("sub")));
	assert_true(span_equal(cut.helo, SPAN("hel")));
}

static void what_finds_no_room_leaves_what_was_known(void **state)
{
	struct arena arena ARENA_AUTO;
	struct client_facts given = { .address = SPAN("192.0.2.1"), .helo = SPAN("a long name") }, kept = { .port = 1 };
	(void)state;
	arena_init(&arena, 16);
	assert_int_equal(client_facts_copy(&arena, &given, &kept), STATUS_NO_MEMORY);
	assert_int_equal(kept.port, 1);
	assert_true(span_is_empty(kept.address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_arena_gives_zeroed_aligned_memory),
		cmocka_unit_test(texts_in_an_arena_follow_each_other),
		cmocka_unit_test(an_arena_stops_at_its_maximum),
		cmocka_unit_test(a_copy_does_not_change_with_its_original),
		cmocka_unit_test(a_password_file_loses_one_line_end),
		cmocka_unit_test(a_file_is_read_from_its_beginning_again_and_again),
		cmocka_unit_test(too_large_a_secret_is_refused),
		cmocka_unit_test(a_wiped_secret_is_empty),
		cmocka_unit_test(secrets_compare_by_all_their_bytes),
		cmocka_unit_test(all_texts_about_a_client_are_kept_and_cut),
		cmocka_unit_test(what_finds_no_room_leaves_what_was_known),
		cmocka_unit_test(random_secrets_are_hexadecimal_and_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

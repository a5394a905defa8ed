/* The byte queue: order, bounds, and memory that comes and goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/buf.h"

#define ROUNDS 5000

static bool holds_invariants(const struct buf *b)
{
	return b->start <= b->end && b->end <= b->capacity && b->capacity <= b->maximum &&
	       (b->data == NULL) == (b->capacity == 0);
}

static void bytes_come_out_in_the_order_they_went_in(void **state)
{
	struct buf b BUF_AUTO;
	unsigned char in = 0, out = 0;
	(void)state;
	buf_init(&b, 300);
	/* Of every fill level, through growth and through moves to the front. */
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t add = (round * 7) % 41, drop = (round * 11) % 43;
		for (size_t i = 0; i < add; i++) {
			if (buf_append_byte(&b, (char)in) == STATUS_OK)
				in++;
		}
		assert_true(holds_invariants(&b));
		for (size_t i = 0; i < drop && buf_size(&b); i++) {
			assert_int_equal((unsigned char)buf_span(&b).data[0], out++);
			buf_consume(&b, 1);
		}
		assert_true(holds_invariants(&b));
		assert_int_equal(buf_size(&b) % 256, (unsigned char)(in - out));
	}
}

static void past_the_maximum_nothing_is_appended(void **state)
{
	struct buf b BUF_AUTO;
	(void)state;
	buf_init(&b, 8);
	assert_int_equal(buf_append(&b, SPAN("12345")), STATUS_OK);
	assert_int_equal(buf_append(&b, SPAN("6789")), STATUS_TOO_LARGE);
	assert_int_equal(buf_printf(&b, "%d", 6789), STATUS_TOO_LARGE);
	assert_int_equal(buf_room(&b), 3);
	assert_true(span_equal(buf_span(&b), SPAN("12345")));
	assert_int_equal(buf_append(&b, SPAN("678")), STATUS_OK);
	assert_int_equal(buf_append_byte(&b, '9'), STATUS_TOO_LARGE);
	/* What is consumed at the front is room again. */
	buf_consume(&b, 4);
	assert_int_equal(buf_append(&b, SPAN("9abc")), STATUS_OK);
	assert_true(span_equal(buf_span(&b), SPAN("56789abc")));
}

static void an_empty_buffer_holds_no_memory(void **state)
{
	struct buf b BUF_AUTO;
	(void)state;
	buf_init(&b, 100);
	assert_null(b.data);
	assert_int_equal(buf_append(&b, SPAN("")), STATUS_OK);
	assert_null(b.data);
	assert_int_equal(buf_append(&b, SPAN("abc")), STATUS_OK);
	buf_consume(&b, 3);
	assert_null(b.data);
	assert_int_equal(buf_append(&b, SPAN("abc")), STATUS_OK);
	buf_clear(&b);
	assert_null(b.data);
	assert_int_equal(buf_append(&b, SPAN("usable again")), STATUS_OK);
}

static void reserved_room_counts_only_once_committed(void **state)
{
	struct buf b BUF_AUTO;
	char *at;
	(void)state;
	buf_init(&b, 64);
	assert_int_equal(buf_reserve(&b, 64, &at), STATUS_OK);
	memcpy(at, "abc", 3);
	assert_int_equal(buf_size(&b), 0);
	buf_commit(&b, 3);
	assert_true(span_equal(buf_span(&b), SPAN("abc")));
	assert_int_equal(buf_reserve(&b, 62, &at), STATUS_TOO_LARGE);
	assert_int_equal(buf_reserve(&b, 61, &at), STATUS_OK);
}

static void printf_writes_no_terminator(void **state)
{
	struct buf b BUF_AUTO;
	(void)state;
	buf_init(&b, 10);
	assert_int_equal(buf_printf(&b, "%s %03d", "250", 7), STATUS_OK);
	assert_true(span_equal(buf_span(&b), SPAN("250 007")));
	assert_int_equal(buf_append_text(&b, "xyz"), STATUS_OK);
	assert_true(span_equal(buf_span(&b), SPAN("250 007xyz")));
}

static void printf_writes_texts_of_any_size(void **state)
{
	char text[2000];
	(void)state;
	for (size_t size = 0; size < sizeof(text); size++) {
		struct buf b BUF_AUTO;
		buf_init(&b, sizeof(text));
		memset(text, 'a' + (int)(size % 26), size);
		text[size] = '\0';
		assert_int_equal(buf_printf(&b, "%s!", text), STATUS_OK);
		assert_int_equal(buf_size(&b), size + 1);
		assert_memory_equal(buf_span(&b).data, text, size);
		assert_int_equal(buf_span(&b).data[size], '!');
	}
}

/* What moves to the front leaves no copy of itself behind. */
static void a_sensitive_buffer_wipes_what_moved(void **state)
{
	struct buf b BUF_AUTO;
	char *at;
	(void)state;
	buf_init_sensitive(&b, 16);
	assert_int_equal(buf_append(&b, SPAN("0123456789secret")), STATUS_OK);
	buf_consume(&b, 10);
	assert_int_equal(buf_reserve(&b, 10, &at), STATUS_OK);
	assert_true(span_equal(buf_span(&b), SPAN("secret")));
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(at[i], '\0');
}

static void once_no_secrets_are_expected_the_former_ones_are_gone(void **state)
{
	struct buf b BUF_AUTO;
	(void)state;
	buf_init_sensitive(&b, 64);
	assert_int_equal(buf_append(&b, SPAN("secret, and more")), STATUS_OK);
	buf_consume(&b, 6);
	buf_expect_no_secrets(&b);
	assert_memory_equal(b.data, "\0\0\0\0\0\0", 6);
	assert_true(span_equal(buf_span(&b), SPAN(", and more")));
	const char *memory = b.data;
	buf_truncate(&b, 5);
	assert_memory_equal(memory + 11, " more", 5); /* not wiped any more */
	buf_clear(&b);
	buf_expect_no_secrets(&b);
}

static void what_is_dropped_from_the_back_is_gone_and_the_memory_stays(void **state)
{
	struct buf b BUF_AUTO;
	(void)state;
	buf_init_sensitive(&b, 300);
	assert_int_equal(buf_append(&b, SPAN("0123456789secret")), STATUS_OK);
	const char *memory = b.data;
	buf_consume(&b, 5);
	buf_truncate(&b, 5);
	assert_true(span_equal(buf_span(&b), SPAN("56789")));
	assert_memory_equal(memory + 10, "\0\0\0\0\0\0", 6); /* wiped */
	buf_truncate(&b, 0);
	assert_int_equal(buf_size(&b), 0);
	assert_ptr_equal(b.data, memory);
	assert_int_equal(buf_append(&b, SPAN("new")), STATUS_OK);
	assert_true(span_equal(buf_span(&b), SPAN("new")));
}

static void what_is_kept_stays_and_nothing_else(void **state)
{
	struct buf b;
	char large[200] = { 'x' };
	size_t before = buf_memory();
	(void)state;
	assert_int_equal(buf_init_keeping(&b, 1000, 64), STATUS_OK);
	const char *kept = b.data;
	assert_int_equal(buf_append_text(&b, "hello"), STATUS_OK);
	buf_consume(&b, 5);
	assert_ptr_equal(b.data, kept);
	assert_int_equal(b.capacity, 64);
	assert_memory_equal(b.data, "\0\0\0\0\0", 5); /* wiped */
	assert_int_equal(buf_append(&b, (struct span){ large, sizeof(large) }), STATUS_OK);
	assert_true(b.capacity >= sizeof(large));
	buf_clear(&b);
	assert_int_equal(b.capacity, 64);
	assert_int_equal(buf_append(&b, (struct span){ large, sizeof(large) }), STATUS_OK);
	assert_true(buf_memory() >= before + sizeof(large));
	buf_free(&b);
	assert_int_equal(buf_memory(), before);
	assert_null(b.data);
	assert_int_equal(b.capacity, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_come_out_in_the_order_they_went_in),
		cmocka_unit_test(past_the_maximum_nothing_is_appended),
		cmocka_unit_test(an_empty_buffer_holds_no_memory),
		cmocka_unit_test(reserved_room_counts_only_once_committed),
		cmocka_unit_test(printf_writes_no_terminator),
		cmocka_unit_test(printf_writes_texts_of_any_size),
		cmocka_unit_test(a_sensitive_buffer_wipes_what_moved),
		cmocka_unit_test(once_no_secrets_are_expected_the_former_ones_are_gone),
		cmocka_unit_test(what_is_dropped_from_the_back_is_gone_and_the_memory_stays),
		cmocka_unit_test(what_is_kept_stays_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

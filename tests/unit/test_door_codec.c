/* The codec: every message comes back as it was, and whatever is cut or has leftovers is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "door/codec.h"

#define ROOM 4096 /* bytes */

static struct client_facts sample_client(void)
{
	return (struct client_facts){ .address = SPAN("192.0.2.1"),
				      .port = 4711,
				      .listener = SPAN("submissions"),
				      .tls_version = SPAN("TLSv1.3"),
				      .tls_cipher = SPAN("TLS_AES_128_GCM_SHA256"),
				      .tls_client_subject = SPAN("CN=device"),
				      .helo = SPAN("[127.0.0.1]") };
}

static void write_sample(struct buf *b)
{
	struct buf list BUF_AUTO;
	buf_init(&list, ROOM);
	assert_int_equal(codec_list_add(&list, SPAN("a@example.com")), STATUS_OK);
	assert_int_equal(codec_list_add(&list, SPAN("")), STATUS_OK);
	assert_int_equal(codec_list_add(&list, SPAN("@example.org")), STATUS_OK);
	assert_int_equal(codec_write_u8(b, 0xfe), STATUS_OK);
	assert_int_equal(codec_write_u16(b, 0xfedc), STATUS_OK);
	assert_int_equal(codec_write_u32(b, 0xfedcba98), STATUS_OK);
	assert_int_equal(codec_write_u64(b, 0xfedcba9876543210), STATUS_OK);
	assert_int_equal(codec_write_span(b, SPAN("text with \0 NUL")), STATUS_OK);
	assert_int_equal(codec_write_list(b, codec_list_of(&list)), STATUS_OK);
	assert_int_equal(codec_write_client_facts(b, sample_client()), STATUS_OK);
	assert_int_equal(codec_write_span(b, SPAN("")), STATUS_OK);
}

struct sample {
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	struct span text;
	struct codec_list list;
	struct client_facts client;
	struct span empty;
};

static enum status read_sample(struct span payload, struct sample *out)
{
	struct codec_reader reader = { .rest = payload };
	codec_read_u8(&reader, &out->u8);
	codec_read_u16(&reader, &out->u16);
	codec_read_u32(&reader, &out->u32);
	codec_read_u64(&reader, &out->u64);
	codec_read_span(&reader, &out->text);
	codec_read_list(&reader, &out->list);
	codec_read_client_facts(&reader, &out->client);
	codec_read_span(&reader, &out->empty);
	return codec_reader_finish(&reader);
}

static void what_is_written_is_read(void **state)
{
	struct buf b BUF_AUTO;
	struct sample sample = { 0 };
	struct span item;
	(void)state;
	buf_init(&b, ROOM);
	write_sample(&b);
	assert_int_equal(read_sample(buf_span(&b), &sample), STATUS_OK);
	assert_int_equal(sample.u8, 0xfe);
	assert_int_equal(sample.u16, 0xfedc);
	assert_int_equal(sample.u32, 0xfedcba98);
	assert_true(sample.u64 == 0xfedcba9876543210);
	assert_true(span_equal(sample.text, SPAN("text with \0 NUL")));
	assert_int_equal(codec_list_count(sample.list), 3);
	assert_true(codec_list_next(&sample.list, &item));
	assert_true(span_equal(item, SPAN("a@example.com")));
	assert_true(codec_list_next(&sample.list, &item));
	assert_true(span_is_empty(item));
	assert_true(codec_list_next(&sample.list, &item));
	assert_true(span_equal(item, SPAN("@example.org")));
	assert_false(codec_list_next(&sample.list, &item));
	assert_true(span_equal(sample.client.address, SPAN("192.0.2.1")));
	assert_int_equal(sample.client.port, 4711);
	assert_true(span_equal(sample.client.listener, SPAN("submissions")));
	assert_true(span_equal(sample.client.tls_version, SPAN("TLSv1.3")));
	assert_true(span_equal(sample.client.tls_cipher, SPAN("TLS_AES_128_GCM_SHA256")));
	assert_true(span_equal(sample.client.tls_client_subject, SPAN("CN=device")));
	assert_true(span_equal(sample.client.helo, SPAN("[127.0.0.1]")));
	assert_true(span_is_empty(sample.empty));
}

static void a_tail_is_what_is_left(void **state)
{
	static const struct span tails[] = { { "", 0 }, { "rest", 4 } };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct buf b BUF_AUTO;
		struct span first = { 0 }, tail = { 0 };
		buf_init(&b, ROOM);
		assert_int_equal(codec_write_span(&b, SPAN("first")), STATUS_OK);
		assert_int_equal(codec_write_tail(&b, tails[i]), STATUS_OK);
		assert_int_equal(buf_size(&b), 4 + 5 + tails[i].size);
		struct codec_reader reader = { .rest = buf_span(&b) };
		codec_read_span(&reader, &first);
		codec_read_tail(&reader, &tail);
		assert_int_equal(codec_reader_finish(&reader), STATUS_OK);
		assert_true(span_equal(first, SPAN("first")));
		assert_true(span_equal(tail, tails[i]));
	}
}

static void no_tail_follows_what_is_cut(void **state)
{
	struct codec_reader reader = { .rest = { "\5\0\0\0abcd", 8 } };
	struct span first = { 0 }, tail = { 0 };
	(void)state;
	codec_read_span(&reader, &first);
	codec_read_tail(&reader, &tail);
	assert_int_equal(codec_reader_finish(&reader), STATUS_INVALID);
	assert_int_equal(tail.size, 0);
}

static void every_shorter_payload_is_refused(void **state)
{
	struct buf b BUF_AUTO;
	(void)state;
	buf_init(&b, ROOM);
	write_sample(&b);
	for (size_t size = 0; size < buf_size(&b); size++) {
		struct sample sample = { 0 };
		assert_int_equal(read_sample(span_slice(buf_span(&b), 0, size), &sample), STATUS_INVALID);
	}
}

static void leftovers_are_refused(void **state)
{
	struct buf b BUF_AUTO;
	struct sample sample = { 0 };
	(void)state;
	buf_init(&b, ROOM);
	write_sample(&b);
	assert_int_equal(buf_append_byte(&b, '\0'), STATUS_OK);
	assert_int_equal(read_sample(buf_span(&b), &sample), STATUS_INVALID);
}

static void a_span_longer_than_the_payload_is_refused(void **state)
{
	struct span value = SPAN("untouched");
	(void)state;
	static const uint32_t sizes[] = { 5, 0x7fffffff, 0xffffffff };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct buf b BUF_AUTO;
		buf_init(&b, ROOM);
		assert_int_equal(codec_write_u32(&b, sizes[i]), STATUS_OK);
		assert_int_equal(buf_append(&b, SPAN("four")), STATUS_OK);
		struct codec_reader reader = { .rest = buf_span(&b) };
		codec_read_span(&reader, &value);
		assert_int_equal(codec_reader_finish(&reader), STATUS_INVALID);
		assert_true(span_equal(value, SPAN("untouched")));
	}
}

static void after_a_fault_everything_reads_as_nothing(void **state)
{
	struct codec_reader reader = { .rest = SPAN("\1") };
	uint16_t wide = 7;
	uint8_t narrow = 7;
	(void)state;
	codec_read_u16(&reader, &wide);
	codec_read_u8(&reader, &narrow);
	assert_int_equal(wide, 7);
	assert_int_equal(narrow, 7);
	assert_int_equal(codec_reader_finish(&reader), STATUS_INVALID);
}

static void a_list_is_checked_to_its_last_item(void **state)
{
	struct buf list BUF_AUTO, whole BUF_AUTO;
	(void)state;
	buf_init(&list, ROOM);
	buf_init(&whole, ROOM);
	assert_int_equal(codec_list_add(&list, SPAN("good")), STATUS_OK);
	assert_int_equal(codec_write_u32(&list, 100), STATUS_OK);
	assert_int_equal(codec_write_list(&whole, codec_list_of(&list)), STATUS_OK);
	struct codec_reader reader = { .rest = buf_span(&whole) };
	struct codec_list read = { SPAN("untouched") };
	codec_read_list(&reader, &read);
	assert_int_equal(codec_reader_finish(&reader), STATUS_INVALID);
	assert_true(span_equal(read.encoded, SPAN("untouched")));
}

static void a_list_that_is_full_takes_no_part_of_an_item(void **state)
{
	struct buf list BUF_AUTO;
	(void)state;
	buf_init(&list, 10);
	assert_int_equal(codec_list_add(&list, SPAN("1")), STATUS_OK);
	assert_int_equal(codec_list_add(&list, SPAN("23")), STATUS_TOO_LARGE);
	assert_int_equal(codec_list_add(&list, SPAN("2")), STATUS_OK);
	assert_int_equal(codec_list_count(codec_list_of(&list)), 2);
}

static void an_empty_list_has_no_item(void **state)
{
	struct codec_list list = { { NULL, 0 } };
	struct span item;
	(void)state;
	assert_int_equal(codec_list_count(list), 0);
	assert_false(codec_list_next(&list, &item));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_tail_is_what_is_left),
		cmocka_unit_test(no_tail_follows_what_is_cut),
		cmocka_unit_test(every_shorter_payload_is_refused),
		cmocka_unit_test(leftovers_are_refused),
		cmocka_unit_test(a_span_longer_than_the_payload_is_refused),
		cmocka_unit_test(after_a_fault_everything_reads_as_nothing),
		cmocka_unit_test(a_list_is_checked_to_its_last_item),
		cmocka_unit_test(a_list_that_is_full_takes_no_part_of_an_item),
		cmocka_unit_test(an_empty_list_has_no_item),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

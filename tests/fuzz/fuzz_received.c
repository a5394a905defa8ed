/*
 * The fields that we add, with anything a client may call itself: each is one whole field, in wire form, that ends
 * where we end it; with received = "private" nothing of the client is in it.
 *
 * LF separates helo, client, TLS version, cipher, recipient, host and id.
 */
#include <assert.h>

#include "smtp/header.h"
#include "smtp/received.h"
#include "tests/fuzz/utf8.h"

#define FIELD_MAXIMUM (64U << 10)

/*
 * One field: a line that begins with its name, and lines that begin with a blank. Only an address of the user's own
 * may be UTF-8.
 */
static void expect_one_field(struct span text, struct span name, bool utf8)
{
	assert(span_starts_with(text, name) && is_utf8(text));
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		assert(c == '\r' || c == '\n' || c == '\t' || (c >= ' ' && c <= '~') ||
		       (utf8 && (unsigned char)c >= 0x80));
		assert(c != '\r' || (i + 1 < text.size && text.data[i + 1] == '\n'));
		assert(c != '\n' || (i > 0 && text.data[i - 1] == '\r'));
		if (c == '\n' && i + 1 < text.size)
			assert(text.data[i + 1] == ' ' || text.data[i + 1] == '\t');
	}
	assert(text.size > 2 && text.data[text.size - 1] == '\n');
}

static void write_received(struct received received)
{
	struct buf text BUF_AUTO, other BUF_AUTO;
	buf_init(&text, FIELD_MAXIMUM);
	buf_init(&other, FIELD_MAXIMUM);
	if (received_write(&text, &received) != STATUS_OK) {
		assert(buf_size(&text) == 0);
		return;
	}
	expect_one_field(buf_span(&text), SPAN("Received:"), false);
	if (received.full)
		return;
	received.helo = received.client = received.tls_version = received.tls_cipher = received.recipient =
		(struct span){ 0 };
	assert(received_write(&other, &received) == STATUS_OK);
	assert(span_equal(buf_span(&other), buf_span(&text)));
}

static void write_others(const struct received *received)
{
	struct buf text BUF_AUTO;
	buf_init(&text, FIELD_MAXIMUM);
	if (received_write_message_id(&text, received->id, received->by) == STATUS_OK)
		expect_one_field(buf_span(&text), SPAN("Message-ID:"), false);
	buf_clear(&text);
	if (received_write_from(&text, received->recipient) == STATUS_OK)
		expect_one_field(buf_span(&text), SPAN("From:"), true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = { (const char *)data, size };
	struct received received = { .wall_us = 1795392000000000 };
	struct span *parts[] = { &received.helo,      &received.client, &received.tls_version, &received.tls_cipher,
				 &received.recipient, &received.by,     &received.id };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		(void)!span_cut(&rest, '\n', parts[i]);
	write_received(received);
	received.full = true;
	write_received(received);
	write_others(&received);
	return 0;
}

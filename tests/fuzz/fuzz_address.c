/*
 * Mailboxes and the sender check. The input is ADDRESS LF PATTERN: what is taken has no byte that could
 * break out of a path, and what matches a pattern is in its domain.
 */
#include <assert.h>

#include "smtp/address.h"

static void expect_sound(struct span text, bool utf8, const struct mailbox *mailbox)
{
	assert(mailbox->whole.size <= ADDRESS_MAXIMUM && mailbox->local.size > 0);
	for (size_t i = 0; i < mailbox->whole.size; i++) {
		unsigned char c = (unsigned char)mailbox->whole.data[i];
		assert(c >= ' ' && c != 0x7F && (utf8 || c < 0x80));
	}
	assert(!span_contains_byte(mailbox->domain, '@') && !span_contains_byte(mailbox->domain, ' '));
	if (mailbox->local.data[0] != '"')
		assert(!span_contains_byte(mailbox->local, '@') && !span_contains_byte(mailbox->local, '>'));
	assert(address_equal(mailbox->whole, mailbox->whole));
	assert(address_matches(mailbox->whole, mailbox->whole, SPAN("+")));
	assert(text.size >= mailbox->whole.size);
}

static void read_both(struct span text, bool utf8)
{
	struct mailbox mailbox, again;
	struct span rest;
	if (address_read(text, utf8, &mailbox) == STATUS_OK) {
		assert(span_equal(mailbox.whole, text));
		expect_sound(text, utf8, &mailbox);
	}
	if (address_read_path(text, utf8, &mailbox, &rest) == STATUS_OK && mailbox.whole.size) {
		expect_sound(text, utf8, &mailbox);
		enum status status = address_read(mailbox.whole, utf8, &again);
		assert(status == STATUS_OK && span_equal(again.local, mailbox.local));
		assert(rest.size < text.size);
	}
}

static void match(struct span address, struct span pattern)
{
	struct mailbox mailbox;
	assert(address_equal(address, pattern) == address_equal(pattern, address));
	if (!address_matches(address, pattern, SPAN("+")) || span_equal(pattern, SPAN("*")))
		return;
	assert(address.size > 0 && pattern.size > 0);
	if (!span_contains_byte(pattern, '@'))
		return;
	enum status status = address_read(address, true, &mailbox);
	assert(status == STATUS_OK && span_ends_with_nocase(pattern, mailbox.domain));
	size_t at = pattern.size - mailbox.domain.size;
	assert(at > 0 && pattern.data[at - 1] == '@');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span pattern = { (const char *)data, size }, address = { (const char *)data, 0 };
	size_t cut = span_find_byte(pattern, '\n');
	address = span_slice(pattern, 0, cut);
	pattern = span_slice(pattern, cut + 1, pattern.size);
	read_both(address, false);
	read_both(address, true);
	match(address, pattern);
	return 0;
}

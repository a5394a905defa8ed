/*
 * Headers of any bytes. The end is found once and for all; each address given is one that address_read
 * takes, or a bare name; what is refused gives none; facts are told either way.
 */
#include <assert.h>

#include "smtp/address.h"
#include "smtp/body.h"
#include "smtp/header.h"

static void expect_stable_end(struct span bytes, size_t end)
{
	size_t found;
	for (size_t size = 0; size < bytes.size && size < 64; size++) {
		if (header_find_end(span_slice(bytes, 0, size), false, &found) == STATUS_OK)
			assert(found == end);
	}
}

/* What is taken off in front of a header is whole lines, found once and for all, and leaves none to be taken off. */
static void expect_stable_start(struct span bytes)
{
	size_t start, again, found;
	if (header_measure_mbox(bytes, false, &start) != STATUS_OK)
		return;
	assert(start <= bytes.size && (start == 0 || bytes.data[start - 1] == '\n'));
	enum status status = header_measure_mbox(span_slice(bytes, start, bytes.size), false, &again);
	assert(status == STATUS_OK && (start == 0 || again == 0));
	for (size_t size = 0; size < bytes.size && size < 64; size++) {
		if (header_measure_mbox(span_slice(bytes, 0, size), false, &found) == STATUS_OK)
			assert(found == start);
	}
}

static void expect_addresses(struct span list)
{
	struct mailbox mailbox;
	struct span address;
	while (span_cut(&list, '\n', &address)) {
		assert(address.size > 0 && address.size <= ADDRESS_MAXIMUM);
		if (span_contains_byte(address, '@')) {
			enum status status = address_read(address, true, &mailbox);
			assert(status == STATUS_OK && mailbox.domain.size > 0);
		}
	}
}

static void read_header(struct span header)
{
	struct header_facts facts = { 0 };
	struct buf addresses;
	buf_init(&addresses, HEADER_MAXIMUM);
	enum status status = header_read(header, &facts, &addresses);
	assert(status == STATUS_OK || buf_size(&addresses) == 0);
	if (status == STATUS_OK)
		assert((facts.from_count > 0) == (buf_size(&addresses) > 0));
	expect_addresses(buf_span(&addresses));
	assert(facts.message_id.size == 0 || facts.has_message_id);
	buf_free(&addresses);
}

static void expect_no_change(struct span header, struct span account)
{
	struct buf again;
	buf_init(&again, 2 * HEADER_MAXIMUM);
	enum status status = header_rewrite_sender(header, account, &again);
	assert(status == STATUS_OK && span_equal(header, buf_span(&again)));
	buf_free(&again);
}

/*
 * In wire form, as messages in the spool are, the account is an author then, and rewriting once more changes nothing.
 * Others are those that the author's own name showed.
 */
static void rewrite_header(struct span header)
{
	const struct span account = SPAN("relay@example.com");
	struct header_facts facts;
	struct buf once, addresses;
	struct body_check check = { 0 };
	size_t end;
	if (body_check_feed(&check, header) != STATUS_OK || body_check_finish(&check) != STATUS_OK)
		return;
	buf_init(&once, 2 * HEADER_MAXIMUM);
	buf_init(&addresses, HEADER_MAXIMUM);
	if (header_rewrite_sender(header, account, &once) == STATUS_OK &&
	    header_read(header, &facts, &addresses) != STATUS_NO_MEMORY && buf_size(&once) < HEADER_MAXIMUM) {
		enum status status = header_find_end(buf_span(&once), true, &end);
		assert(status == STATUS_OK && end == buf_size(&once));
		buf_clear(&addresses);
		status = header_read(buf_span(&once), &facts, &addresses);
		assert(facts.from_count == 1);
		struct span others = buf_span(&addresses), first;
		if (status == STATUS_OK) {
			assert(span_cut(&others, '\n', &first) && address_equal(first, account));
			if (span_is_empty(others))
				expect_no_change(buf_span(&once), account);
		}
	}
	buf_free(&once);
	buf_free(&addresses);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span bytes = { (const char *)data, size };
	size_t end = 0, complete_end = 0;
	expect_stable_start(bytes);
	enum status status = header_find_end(bytes, false, &end);
	enum status complete = header_find_end(bytes, true, &complete_end);
	assert(complete == STATUS_OK || complete == STATUS_TOO_LARGE);
	if (status == STATUS_OK) {
		assert(complete == STATUS_OK && end == complete_end && end <= size);
		expect_stable_end(bytes, end);
	}
	read_header(span_slice(bytes, 0, complete == STATUS_OK ? complete_end : 0));
	read_header(bytes);
	rewrite_header(span_slice(bytes, 0, complete == STATUS_OK ? complete_end : 0));
	return 0;
}

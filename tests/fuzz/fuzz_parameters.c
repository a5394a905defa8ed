/*
 * Parameters of MAIL and RCPT, any bytes: what is taken goes on as text that fits, is printable, and is read as the
 * same again; nothing is taken as a parameter that was not a word of its own.
 */
#include <assert.h>

#include "smtp/parameters.h"

static void expect_text(struct span text, size_t maximum)
{
	assert(text.size <= maximum);
	for (size_t i = 0; i < text.size; i++)
		assert(text.data[i] >= ' ' && text.data[i] <= '~');
}

static void expect_word(struct span value, struct span text)
{
	for (size_t i = 0; i < value.size; i++)
		assert(value.data[i] > ' ' && value.data[i] <= '~');
	assert(value.size == 0 || (value.data > text.data && value.data + value.size <= text.data + text.size));
}

static void read_mail(struct span text)
{
	struct mail_parameters first, again;
	if (parameters_read_mail(text, &first) != STATUS_OK)
		return;
	expect_word(first.ret, text);
	expect_word(first.envid, text);
	assert((first.has_size || first.size == 0) && (first.has_body || !first.eight_bit));
	assert(first.envid.size <= PARAMETERS_ENVID_MAXIMUM);
	struct buf written BUF_AUTO;
	buf_init(&written, PARAMETERS_MAIL_TEXT_MAXIMUM);
	enum status status = parameters_write_mail(&written, &first);
	assert(status == STATUS_OK);
	expect_text(buf_span(&written), PARAMETERS_MAIL_TEXT_MAXIMUM);
	status = parameters_read_mail(buf_span(&written), &again);
	assert(status == STATUS_OK && !again.has_auth);
	assert(again.size == first.size && again.eight_bit == first.eight_bit && again.smtputf8 == first.smtputf8);
	assert(span_equal(again.ret, first.ret) && span_equal(again.envid, first.envid));
}

static void read_rcpt(struct span text)
{
	struct rcpt_parameters first, again;
	if (parameters_read_rcpt(text, &first) != STATUS_OK)
		return;
	expect_word(first.notify, text);
	expect_word(first.orcpt, text);
	assert(first.orcpt.size <= PARAMETERS_ORCPT_MAXIMUM);
	struct buf written BUF_AUTO;
	buf_init(&written, PARAMETERS_RCPT_TEXT_MAXIMUM);
	enum status status = parameters_write_rcpt(&written, &first);
	assert(status == STATUS_OK);
	expect_text(buf_span(&written), PARAMETERS_RCPT_TEXT_MAXIMUM);
	status = parameters_read_rcpt(buf_span(&written), &again);
	assert(status == STATUS_OK);
	assert(span_equal(again.notify, first.notify) && span_equal(again.orcpt, first.orcpt));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size };
	read_mail(text);
	read_rcpt(text);
	return 0;
}

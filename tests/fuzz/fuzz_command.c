/* Command lines of any bytes: views stay within the line, and what is taken could be sent on without harm. */
#include <assert.h>

#include "smtp/command.h"
#include "smtp/parameters.h"
#include "tests/fuzz/utf8.h"

static void expect_within(struct span part, struct span whole)
{
	assert(part.size == 0 || (part.data >= whole.data && part.data + part.size <= whole.data + whole.size));
}

static void expect_printable(struct span text)
{
	for (size_t i = 0; i < text.size; i++)
		assert(text.data[i] >= ' ' && text.data[i] <= '~');
}

static void expect_harmless(struct span address)
{
	assert(is_utf8(address));
	for (size_t i = 0; i < address.size; i++)
		assert((unsigned char)address.data[i] >= ' ' && address.data[i] != 0x7f);
	assert(address.size <= ADDRESS_MAXIMUM);
}

static const struct mail_parameters parameters_of_none;
static const struct rcpt_parameters rcpt_of_none;

/* What was read goes to the relay as text, which fits, holds only printable bytes, and is read as the same again. */
static void expect_written_again(const struct mail_parameters *mail, const struct rcpt_parameters *rcpt)
{
	struct mail_parameters mail_again;
	struct rcpt_parameters rcpt_again;
	struct buf text BUF_AUTO;
	buf_init(&text, PARAMETERS_MAIL_TEXT_MAXIMUM);
	assert(parameters_write_mail(&text, mail) == STATUS_OK);
	assert(parameters_read_mail(buf_span(&text), &mail_again) == STATUS_OK);
	assert(mail_again.size == mail->size && mail_again.eight_bit == mail->eight_bit);
	assert(span_equal(mail_again.ret, mail->ret) && span_equal(mail_again.envid, mail->envid));
	expect_printable(buf_span(&text));
	buf_free(&text);
	buf_init(&text, PARAMETERS_RCPT_TEXT_MAXIMUM);
	assert(parameters_write_rcpt(&text, rcpt) == STATUS_OK);
	assert(parameters_read_rcpt(buf_span(&text), &rcpt_again) == STATUS_OK);
	assert(span_equal(rcpt_again.notify, rcpt->notify) && span_equal(rcpt_again.orcpt, rcpt->orcpt));
	expect_printable(buf_span(&text));
}

static void read_arguments(struct span argument)
{
	struct mailbox mailbox;
	struct span text;
	struct mail_parameters parameters;
	if (command_read_sender(argument, &mailbox, &text) == STATUS_OK) {
		expect_within(mailbox.whole, argument);
		expect_within(text, argument);
		expect_harmless(mailbox.whole);
		if (parameters_read_mail(text, &parameters) == STATUS_OK) {
			assert(parameters.has_size || parameters.size == 0);
			expect_written_again(&parameters, &rcpt_of_none);
		}
	}
	struct rcpt_parameters rcpt;
	if (command_read_recipient(argument, &mailbox, &text) == STATUS_OK) {
		expect_within(mailbox.whole, argument);
		expect_within(text, argument);
		expect_harmless(mailbox.whole);
		assert(mailbox.whole.size > 0);
		if (parameters_read_rcpt(text, &rcpt) == STATUS_OK)
			expect_written_again(&parameters_of_none, &rcpt);
	}
}

/* A line is found at the same place however much of what follows is there. */
static void expect_same_line(struct span bytes, struct span line, size_t used)
{
	struct span again;
	size_t again_used;
	enum status status = command_take_line(span_slice(bytes, 0, used), COMMAND_LINE_MAXIMUM, &again, &again_used);
	assert(status == STATUS_OK && again_used == used && span_equal(again, line));
	status = command_take_line(span_slice(bytes, 0, used - 1), COMMAND_LINE_MAXIMUM, &again, &again_used);
	assert(status == STATUS_AGAIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span bytes = { (const char *)data, size };
	struct span line;
	size_t used = 0;
	while (bytes.size) {
		enum status status = command_take_line(bytes, COMMAND_LINE_MAXIMUM, &line, &used);
		if (status != STATUS_OK && status != STATUS_INVALID)
			break;
		assert(used > 0 && used <= bytes.size && used <= COMMAND_LINE_MAXIMUM);
		if (status == STATUS_OK) {
			expect_same_line(bytes, line, used);
			struct smtp_command command = command_read(line);
			assert(command.verb < VERB_COUNT);
			expect_within(command.name, line);
			expect_within(command.argument, line);
			read_arguments(command.argument);
		}
		bytes = span_slice(bytes, used, bytes.size);
	}
	read_arguments(bytes);
	return 0;
}

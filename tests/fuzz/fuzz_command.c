/* Command lines of any bytes: views stay within the line, and what is taken could be sent on without harm. */
#include <assert.h>

#include "smtp/command.h"

static void expect_within(struct span part, struct span whole)
{
	assert(part.size == 0 || (part.data >= whole.data && part.data + part.size <= whole.data + whole.size));
}

static void expect_harmless(struct span address)
{
	for (size_t i = 0; i < address.size; i++)
		assert(address.data[i] >= ' ' && address.data[i] <= '~');
	assert(address.size <= ADDRESS_MAXIMUM);
}

static void read_arguments(struct span argument)
{
	struct mailbox mailbox;
	struct mail_parameters parameters;
	if (command_read_mail(argument, &mailbox, &parameters) == STATUS_OK) {
		expect_within(mailbox.whole, argument);
		expect_harmless(mailbox.whole);
		assert(parameters.has_size || parameters.size == 0);
	}
	if (command_read_rcpt(argument, &mailbox) == STATUS_OK) {
		expect_within(mailbox.whole, argument);
		expect_harmless(mailbox.whole);
		assert(mailbox.whole.size > 0);
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
			struct command command = command_read(line);
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

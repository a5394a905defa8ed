/*
 * Command lines: where one ends, its verb, and the paths of MAIL and RCPT. Pure. What a client must have meant is taken
 * (spaces, case, missing brackets); what could be read in two ways is STATUS_INVALID.
 */
#include "smtp/command.h"

#include <string.h>

static const struct span verb_names[VERB_COUNT] = {
	[VERB_EHLO] = SPAN("EHLO"), [VERB_HELO] = SPAN("HELO"), [VERB_STARTTLS] = SPAN("STARTTLS"),
	[VERB_AUTH] = SPAN("AUTH"), [VERB_MAIL] = SPAN("MAIL"), [VERB_RCPT] = SPAN("RCPT"),
	[VERB_DATA] = SPAN("DATA"), [VERB_BDAT] = SPAN("BDAT"), [VERB_RSET] = SPAN("RSET"),
	[VERB_NOOP] = SPAN("NOOP"), [VERB_VRFY] = SPAN("VRFY"), [VERB_HELP] = SPAN("HELP"),
	[VERB_QUIT] = SPAN("QUIT"),
};

enum status command_take_line(struct span bytes, size_t maximum, struct span *out_line, size_t *out_used)
{
	size_t size = span_find_byte(span_slice(bytes, 0, maximum), '\n');
	if (size == bytes.size)
		return size < maximum ? STATUS_AGAIN : STATUS_TOO_LARGE;
	if (size == maximum)
		return STATUS_TOO_LARGE;
	struct span line = span_slice(bytes, 0, size);
	if (line.size && line.data[line.size - 1] == '\r')
		line.size--;
	*out_used = size + 1;
	if (span_contains_byte(line, '\r') || span_contains_byte(line, '\0'))
		return STATUS_INVALID;
	*out_line = line;
	return STATUS_OK;
}

struct smtp_command command_read(struct span line)
{
	struct smtp_command command = { .verb = VERB_UNKNOWN, .name = span_first_word(line) };
	command.argument = span_trim(span_slice(line, command.name.size, line.size));
	for (enum verb verb = VERB_UNKNOWN + 1; verb < VERB_COUNT; verb++) {
		if (span_equal_nocase(command.name, verb_names[verb]))
			command.verb = verb;
	}
	return command;
}

/* "FROM:" or "TO:", spaces after it, and the path; *out_rest are the parameters. */
static enum status read_path(struct span argument, struct span prefix, struct mailbox *out_mailbox,
			     struct span *out_rest)
{
	struct mailbox mailbox;
	struct span rest;
	if (!span_starts_with_nocase(argument, prefix))
		return STATUS_NOT_FOUND;
	argument = span_trim(span_slice(argument, prefix.size, argument.size));
	TRY(address_read_path(argument, true, &mailbox, &rest));
	if (rest.size && rest.data[0] != ' ' && rest.data[0] != '\t')
		return STATUS_INVALID;
	*out_mailbox = mailbox;
	*out_rest = rest;
	return STATUS_OK;
}

enum status command_read_sender(struct span argument, struct mailbox *out_sender, struct span *out_parameters)
{
	struct mailbox sender;
	struct span rest;
	TRY(read_path(argument, SPAN("FROM:"), &sender, &rest));
	if (sender.whole.size && sender.domain.size == 0)
		return STATUS_INVALID;
	*out_sender = sender;
	*out_parameters = rest;
	return STATUS_OK;
}

enum status command_read_recipient(struct span argument, struct mailbox *out_recipient, struct span *out_parameters)
{
	struct mailbox recipient;
	struct span rest;
	TRY(read_path(argument, SPAN("TO:"), &recipient, &rest));
	if (recipient.whole.size == 0)
		return STATUS_INVALID;
	*out_recipient = recipient;
	*out_parameters = rest;
	return STATUS_OK;
}

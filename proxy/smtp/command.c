/*
 * Command lines: where one ends, its verb, and what MAIL and RCPT carry. Pure.
 * What a client may have meant is taken (spaces, case, missing brackets); what
 * could be read in two ways is STATUS_INVALID.
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

/* The part before the first space or tab. */
static struct span first_word(struct span text)
{
	struct span word = span_slice(text, 0, span_find_byte(text, ' '));
	return span_slice(word, 0, span_find_byte(word, '\t'));
}

struct command command_read(struct span line)
{
	struct command command = { .verb = VERB_UNKNOWN, .name = first_word(line) };
	command.argument = span_trim(span_slice(line, command.name.size, line.size));
	for (enum verb verb = VERB_UNKNOWN + 1; verb < VERB_COUNT; verb++) {
		if (span_equal_nocase(command.name, verb_names[verb]))
			command.verb = verb;
	}
	return command;
}

/* ---- parameters (RFC 5321, 4.1.2: esmtp-param) */

struct parameter {
	struct span keyword;
	bool has_value;
	struct span value;
};

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_keyword(struct span text)
{
	if (text.size == 0 || !is_alnum(text.data[0]))
		return false;
	for (size_t i = 1; i < text.size; i++) {
		if (!is_alnum(text.data[i]) && text.data[i] != '-')
			return false;
	}
	return true;
}

/* Printable ASCII but space; '=' is taken too, as in base64 tails that clients send. */
static bool is_value(struct span text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] <= ' ' || text.data[i] > '~')
			return false;
	}
	return text.size > 0;
}

/* Takes one parameter off the front. STATUS_END: no more. */
static enum status take_parameter(struct span *rest, struct parameter *out_parameter)
{
	*rest = span_trim(*rest);
	if (rest->size == 0)
		return STATUS_END;
	struct span word = first_word(*rest);
	size_t equals = span_find_byte(word, '=');
	struct parameter parameter = {
		.keyword = span_slice(word, 0, equals),
		.has_value = equals < word.size,
		.value = span_slice(word, equals + 1, word.size),
	};
	if (!is_keyword(parameter.keyword) || (parameter.has_value && !is_value(parameter.value)))
		return STATUS_INVALID;
	*rest = span_slice(*rest, word.size, rest->size);
	*out_parameter = parameter;
	return STATUS_OK;
}

static enum status read_size(const struct parameter *parameter, struct mail_parameters *parameters)
{
	uint64_t size =
		UINT64_MAX; /* up to 20 digits are allowed (RFC 1870, 3): those that don't fit are too large anyway */
	if (parameters->has_size || !parameter->has_value || parameter->value.size > 20)
		return STATUS_INVALID;
	for (size_t i = 0; i < parameter->value.size; i++) {
		if (parameter->value.data[i] < '0' || parameter->value.data[i] > '9')
			return STATUS_INVALID;
	}
	if (span_to_u64(parameter->value, &size) != STATUS_OK)
		size = UINT64_MAX;
	parameters->has_size = true;
	parameters->size = size;
	return STATUS_OK;
}

static enum status read_body(const struct parameter *parameter, struct mail_parameters *parameters)
{
	bool eight_bit = span_equal_nocase(parameter->value, SPAN("8BITMIME"));
	if (parameters->has_body || (!eight_bit && !span_equal_nocase(parameter->value, SPAN("7BIT"))))
		return STATUS_INVALID;
	parameters->has_body = true;
	parameters->eight_bit = eight_bit;
	return STATUS_OK;
}

static enum status read_auth(const struct parameter *parameter, struct mail_parameters *parameters)
{
	if (parameters->has_auth || !parameter->has_value)
		return STATUS_INVALID;
	parameters->has_auth = true;
	return STATUS_OK;
}

static enum status read_parameter(const struct parameter *parameter, struct mail_parameters *parameters)
{
	if (span_equal_nocase(parameter->keyword, SPAN("SIZE")))
		return read_size(parameter, parameters);
	if (span_equal_nocase(parameter->keyword, SPAN("BODY")))
		return read_body(parameter, parameters);
	if (span_equal_nocase(parameter->keyword, SPAN("AUTH")))
		return read_auth(parameter, parameters);
	return STATUS_NOT_FOUND;
}

/* All of them are looked at: one that is malformed counts more than one that is unknown. NULL: none is known. */
static enum status read_parameters(struct span rest, struct mail_parameters *parameters)
{
	struct parameter parameter;
	enum status result = STATUS_OK;
	for (;;) {
		enum status status = take_parameter(&rest, &parameter);
		if (status == STATUS_END)
			return result;
		if (status == STATUS_OK)
			status = parameters ? read_parameter(&parameter, parameters) : STATUS_NOT_FOUND;
		if (status == STATUS_INVALID)
			return status;
		if (status != STATUS_OK)
			result = status;
	}
}

/* "FROM:" or "TO:", spaces behind it, and the path; *out_rest are the parameters. */
static enum status read_path(struct span argument, struct span prefix, struct mailbox *out_mailbox,
			     struct span *out_rest)
{
	struct mailbox mailbox;
	struct span rest;
	if (!span_starts_with_nocase(argument, prefix))
		return STATUS_INVALID;
	argument = span_trim(span_slice(argument, prefix.size, argument.size));
	TRY(address_read_path(argument, false, &mailbox, &rest));
	if (rest.size && rest.data[0] != ' ' && rest.data[0] != '\t')
		return STATUS_INVALID;
	*out_mailbox = mailbox;
	*out_rest = rest;
	return STATUS_OK;
}

enum status command_read_mail(struct span argument, struct mailbox *out_sender, struct mail_parameters *out_parameters)
{
	struct mailbox sender;
	struct span rest;
	struct mail_parameters parameters = { 0 };
	TRY(read_path(argument, SPAN("FROM:"), &sender, &rest));
	if (sender.whole.size && sender.domain.size == 0)
		return STATUS_INVALID;
	TRY(read_parameters(rest, &parameters));
	*out_sender = sender;
	*out_parameters = parameters;
	return STATUS_OK;
}

enum status command_read_rcpt(struct span argument, struct mailbox *out_recipient)
{
	struct mailbox recipient;
	struct span rest;
	TRY(read_path(argument, SPAN("TO:"), &recipient, &rest));
	if (recipient.whole.size == 0)
		return STATUS_INVALID;
	TRY(read_parameters(rest, NULL));
	*out_recipient = recipient;
	return STATUS_OK;
}

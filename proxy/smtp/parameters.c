/*
 * Parameters of MAIL and RCPT. Pure. Strict: what is malformed is STATUS_INVALID, and what is taken can stand in a
 * command line for an upstream as it is.
 */
#include "smtp/parameters.h"

#include <inttypes.h>

#include "base/ascii.h"
#include "base/utf8.h"

struct parameter {
	struct span keyword;
	bool has_value;
	struct span value;
};

static bool is_keyword(struct span text)
{
	if (text.size == 0 || !ascii_is_alphanumeric(text.data[0]))
		return false;
	for (size_t i = 1; i < text.size; i++) {
		if (!ascii_is_alphanumeric(text.data[i]) && text.data[i] != '-')
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
	struct span word = span_first_word(*rest);
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

/* ---- values */

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
	if (parameters->has_body || !parameter->has_value)
		return STATUS_INVALID;
	parameters->has_body = true;
	parameters->eight_bit = eight_bit;
	return eight_bit || span_equal_nocase(parameter->value, SPAN("7BIT")) ? STATUS_OK : STATUS_NOT_FOUND;
}

static enum status read_auth(const struct parameter *parameter, struct mail_parameters *parameters)
{
	if (parameters->has_auth || !parameter->has_value)
		return STATUS_INVALID;
	parameters->has_auth = true;
	return STATUS_OK;
}

/* RFC 6531, 3.4: without a value. */
static enum status read_smtputf8(const struct parameter *parameter, struct mail_parameters *parameters)
{
	if (parameters->smtputf8 || parameter->has_value)
		return STATUS_INVALID;
	parameters->smtputf8 = true;
	return STATUS_OK;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/*
 * Takes one byte off the front of an xtext (RFC 3461, 4): printable ASCII but '+' and '=', which are written as
 * +2B and +3D; so may be any other. False: malformed.
 */
static bool take_xtext_byte(struct span *rest, char *out_byte)
{
	char c = rest->data[0];
	size_t size = c == '+' ? 3 : 1;
	int high = c == '+' && rest->size >= size ? hex_digit(rest->data[1]) : 0;
	int low = c == '+' && rest->size >= size ? hex_digit(rest->data[2]) : 0;
	if (c == '=' || rest->size < size || high < 0 || low < 0)
		return false;
	if (c == '+')
		c = (char)(high << 4 | low);
	*out_byte = c;
	*rest = span_slice(*rest, size, rest->size);
	return true;
}

/* An xtext that stands for text without control characters: in ASCII, or in UTF-8 too. */
static bool is_xtext(struct span text, bool utf8)
{
	char bytes[PARAMETERS_ORCPT_MAXIMUM];
	size_t size = 0;
	if (span_is_empty(text) || text.size > sizeof(bytes))
		return false;
	while (text.size) {
		if (!take_xtext_byte(&text, &bytes[size++]))
			return false;
	}
	struct span decoded = { bytes, size };
	return utf8_is_text(decoded) && (utf8 || utf8_is_ascii(decoded));
}

static bool is_ret(struct span text)
{
	return span_equal_nocase(text, SPAN("FULL")) || span_equal_nocase(text, SPAN("HDRS"));
}

static bool is_envid(struct span text)
{
	return text.size <= PARAMETERS_ENVID_MAXIMUM && is_xtext(text, false);
}

/* NEVER stands alone, and the others come once each. */
static bool is_notify(struct span text)
{
	static const struct span events[] = { SPAN("SUCCESS"), SPAN("FAILURE"), SPAN("DELAY") };
	struct span event;
	unsigned seen = 0;
	if (span_equal_nocase(text, SPAN("NEVER")))
		return true;
	if (text.size == 0 || text.data[text.size - 1] == ',')
		return false;
	while (span_cut(&text, ',', &event)) {
		unsigned bit = 0;
		for (unsigned i = 0; i < 3; i++)
			bit |= span_equal_nocase(event, events[i]) ? 1U << i : 0;
		if (bit == 0 || (seen & bit))
			return false;
		seen |= bit;
	}
	return true;
}

/*
 * Postfix writes addresses in UTF-8 as "rfc822;b+C3+B6b@example.net", others as "utf-8;b\x{F6}b@example.net" (RFC 6533,
 * 3).
 */
static bool is_orcpt(struct span text)
{
	size_t type = span_find_byte(text, ';');
	return text.size <= PARAMETERS_ORCPT_MAXIMUM && is_keyword(span_slice(text, 0, type)) &&
	       is_xtext(span_slice(text, type + 1, text.size), true);
}

/* ---- one parameter */

/* A text, once, that `fits`. */
static enum status read_text(const struct parameter *parameter, bool (*fits)(struct span), struct span *text)
{
	if (!span_is_empty(*text) || !fits(parameter->value))
		return STATUS_INVALID;
	*text = parameter->value;
	return STATUS_OK;
}

static enum status read_of_mail(const struct parameter *parameter, void *target)
{
	struct mail_parameters *parameters = target;
	if (span_equal_nocase(parameter->keyword, SPAN("SIZE")))
		return read_size(parameter, parameters);
	if (span_equal_nocase(parameter->keyword, SPAN("BODY")))
		return read_body(parameter, parameters);
	if (span_equal_nocase(parameter->keyword, SPAN("AUTH")))
		return read_auth(parameter, parameters);
	if (span_equal_nocase(parameter->keyword, SPAN("SMTPUTF8")))
		return read_smtputf8(parameter, parameters);
	if (span_equal_nocase(parameter->keyword, SPAN("RET")))
		return read_text(parameter, is_ret, &parameters->ret);
	if (span_equal_nocase(parameter->keyword, SPAN("ENVID")))
		return read_text(parameter, is_envid, &parameters->envid);
	return STATUS_NOT_FOUND;
}

static enum status read_of_rcpt(const struct parameter *parameter, void *target)
{
	struct rcpt_parameters *parameters = target;
	if (span_equal_nocase(parameter->keyword, SPAN("NOTIFY")))
		return read_text(parameter, is_notify, &parameters->notify);
	if (span_equal_nocase(parameter->keyword, SPAN("ORCPT")))
		return read_text(parameter, is_orcpt, &parameters->orcpt);
	return STATUS_NOT_FOUND;
}

/* ---- all of them */

/* All are looked at: one that is malformed counts more than one that is unknown. */
static enum status read_all(struct span rest, enum status (*read)(const struct parameter *, void *), void *target)
{
	struct parameter parameter;
	enum status result = STATUS_OK;
	for (;;) {
		enum status status = take_parameter(&rest, &parameter);
		if (status == STATUS_END)
			return result;
		if (status == STATUS_OK)
			status = read(&parameter, target);
		if (status == STATUS_INVALID)
			return status;
		if (status != STATUS_OK)
			result = status;
	}
}

enum status parameters_read_mail(struct span text, struct mail_parameters *out_parameters)
{
	struct mail_parameters parameters = { 0 };
	TRY(read_all(text, read_of_mail, &parameters));
	*out_parameters = parameters;
	return STATUS_OK;
}

enum status parameters_read_rcpt(struct span text, struct rcpt_parameters *out_parameters)
{
	struct rcpt_parameters parameters = { 0 };
	TRY(read_all(text, read_of_rcpt, &parameters));
	*out_parameters = parameters;
	return STATUS_OK;
}

/* ---- writing */

/* Nothing where `value` is empty. */
static enum status write_one(struct buf *out, size_t begin, const char *keyword, struct span value)
{
	if (span_is_empty(value))
		return STATUS_OK;
	if (buf_size(out) > begin)
		TRY(buf_append_byte(out, ' '));
	TRY(buf_append_text(out, keyword));
	TRY(buf_append_byte(out, '='));
	return buf_append(out, value);
}

enum status parameters_write_mail(struct buf *out, const struct mail_parameters *parameters)
{
	size_t begin = buf_size(out);
	struct buf size BUF_AUTO;
	buf_init(&size, 32);
	if (parameters->has_size)
		TRY(buf_printf(&size, "%" PRIu64, parameters->size));
	if (parameters->has_body)
		TRY(write_one(out, begin, "BODY", parameters->eight_bit ? SPAN("8BITMIME") : SPAN("7BIT")));
	TRY(write_one(out, begin, "SIZE", buf_span(&size)));
	TRY(write_one(out, begin, "RET", parameters->ret));
	TRY(write_one(out, begin, "ENVID", parameters->envid));
	if (!parameters->smtputf8)
		return STATUS_OK;
	return buf_append_text(out, buf_size(out) > begin ? " SMTPUTF8" : "SMTPUTF8");
}

enum status parameters_write_rcpt(struct buf *out, const struct rcpt_parameters *parameters)
{
	size_t begin = buf_size(out);
	TRY(write_one(out, begin, "NOTIFY", parameters->notify));
	return write_one(out, begin, "ORCPT", parameters->orcpt);
}

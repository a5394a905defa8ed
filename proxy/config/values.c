/* Readers and writers of single values. Pure; allocates nothing. */
#include "config/values.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"

#define NAME_BYTES 64
#define HOST_BYTES 255 /* RFC 1035, 2.3.4 */
#define URL_BYTES 1024

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first: that is how a value is written. */
static const struct unit size_units[] = {
	{ "T", UINT64_C(1) << 40 },
	{ "G", UINT64_C(1) << 30 },
	{ "M", UINT64_C(1) << 20 },
	{ "K", UINT64_C(1) << 10 },
	{ "", 1 },
};

static const struct unit duration_units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};

#define UNITS(table) (table), sizeof(table) / sizeof((table)[0])

enum status value_parse_flag(struct span text, bool *out_flag)
{
	bool yes = span_equal(text, SPAN("true"));
	if (!yes && !span_equal(text, SPAN("false")))
		return STATUS_INVALID;
	*out_flag = yes;
	return STATUS_OK;
}

static size_t count_digits(struct span text)
{
	size_t n = 0;
	while (n < text.size && text.data[n] >= '0' && text.data[n] <= '9')
		n++;
	return n;
}

static enum status parse_unit(struct span text, const struct unit *units, size_t count, uint64_t *out_value)
{
	size_t digits = count_digits(text);
	struct span name = span_slice(text, digits, text.size);
	uint64_t number;
	TRY(span_to_u64(span_slice(text, 0, digits), &number));
	for (size_t i = 0; i < count; i++) {
		if (!span_equal(name, span_of(units[i].name)))
			continue;
		if (number > UINT64_MAX / units[i].factor)
			return STATUS_INVALID;
		*out_value = number * units[i].factor;
		return STATUS_OK;
	}
	return STATUS_INVALID;
}

enum status value_parse_size(struct span text, uint64_t *out_bytes)
{
	return parse_unit(text, UNITS(size_units), out_bytes);
}

enum status value_parse_duration(struct span text, uint64_t *out_ms)
{
	if (span_equal(text, SPAN("0"))) {
		*out_ms = 0;
		return STATUS_OK;
	}
	return parse_unit(text, UNITS(duration_units), out_ms);
}

enum status value_parse_choice(struct span text, const char *choices, unsigned *out_index)
{
	struct span rest = span_of(choices);
	struct span name;
	for (unsigned i = 0; span_cut(&rest, '|', &name); i++) {
		if (span_equal(name, text)) {
			*out_index = i;
			return STATUS_OK;
		}
	}
	return STATUS_INVALID;
}

static void format_unit(uint64_t value, const struct unit *units, size_t count, char out_text[VALUE_TEXT_SIZE])
{
	size_t i = 0;
	while (i + 1 < count && (value == 0 || value % units[i].factor != 0))
		i++;
	snprintf(out_text, VALUE_TEXT_SIZE, "%" PRIu64 "%s", value / units[i].factor, value ? units[i].name : "");
}

void value_format_size(uint64_t bytes, char out_text[VALUE_TEXT_SIZE])
{
	format_unit(bytes, UNITS(size_units), out_text);
}

void value_format_duration(uint64_t ms, char out_text[VALUE_TEXT_SIZE])
{
	format_unit(ms, UNITS(duration_units), out_text);
}

struct span value_choice_name(const char *choices, unsigned index)
{
	struct span rest = span_of(choices);
	struct span name = { 0 };
	for (unsigned i = 0; span_cut(&rest, '|', &name); i++) {
		if (i == index)
			return name;
	}
	return (struct span){ 0 };
}

static bool consists_of(struct span text, const char *others, size_t maximum)
{
	for (size_t i = 0; i < text.size; i++) {
		if (!ascii_is_alphanumeric(text.data[i]) && (text.data[i] == '\0' || !strchr(others, text.data[i])))
			return false;
	}
	return text.size > 0 && text.size <= maximum;
}

bool value_is_name(struct span text)
{
	return consists_of(text, "-_.", NAME_BYTES);
}

bool value_is_host(struct span text)
{
	return consists_of(text, "-_.:", HOST_BYTES);
}

bool value_is_https_url(struct span text)
{
	const struct span scheme = SPAN("https://");
	if (!span_starts_with(text, scheme) || text.size > URL_BYTES)
		return false;
	struct span rest = span_slice(text, scheme.size, text.size);
	for (size_t i = 0; i < rest.size; i++) {
		if (rest.data[i] <= ' ' || rest.data[i] >= 0x7f || strchr("@#\"<>\\^`{|}", rest.data[i]))
			return false;
	}
	return rest.size > 0 && rest.data[0] != '/' && rest.data[0] != '?' && rest.data[0] != ':';
}

/* An address as bytes. The family is AF_INET or AF_INET6, or 0 if it is not an address. */
static int parse_address(struct span text, unsigned char out_bytes[16])
{
	char copy[INET6_ADDRSTRLEN];
	if (text.size >= sizeof(copy) || span_contains_byte(text, '\0'))
		return 0;
	snprintf(copy, sizeof(copy), "%.*s", SPAN_ARGS(text));
	if (inet_pton(AF_INET, copy, out_bytes) == 1)
		return AF_INET;
	return inet_pton(AF_INET6, copy, out_bytes) == 1 ? AF_INET6 : 0;
}

/* Splits "1.2.3.4:25" and "[::1]:25". */
static bool split_endpoint(struct span text, struct span *out_address, bool *out_brackets, struct span *out_port)
{
	bool brackets = span_starts_with(text, SPAN("["));
	size_t end = span_find_byte(text, brackets ? ']' : ':');
	size_t colon = brackets ? end + 1 : end;
	if (colon >= text.size || text.data[colon] != ':')
		return false;
	*out_address = span_slice(text, brackets ? 1 : 0, end);
	*out_brackets = brackets;
	*out_port = span_slice(text, colon + 1, text.size);
	return true;
}

bool value_is_endpoint(struct span text)
{
	struct span address, port;
	bool brackets;
	uint64_t number;
	unsigned char bytes[16];
	if (!split_endpoint(text, &address, &brackets, &port))
		return false;
	if (span_to_u64(port, &number) != STATUS_OK || number < 1 || number > 65535)
		return false;
	return parse_address(address, bytes) == (brackets ? AF_INET6 : AF_INET);
}

bool value_is_loopback_host(struct span text)
{
	unsigned char bytes[16];
	int family = parse_address(text, bytes);
	if (family == AF_INET)
		return bytes[0] == 127;
	if (family == AF_INET6)
		return memcmp(bytes, &in6addr_loopback, sizeof(in6addr_loopback)) == 0;
	return span_equal_nocase(text, SPAN("localhost"));
}

bool value_is_loopback_endpoint(struct span text)
{
	struct span address, port;
	bool brackets;
	return value_is_endpoint(text) && split_endpoint(text, &address, &brackets, &port) &&
	       value_is_loopback_host(address);
}

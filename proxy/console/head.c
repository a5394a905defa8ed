/* Owns nothing. */
#include "console/head.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "net/endpoint.h"

/* RFC 6265, 4.1.1: cookie-octet. */
static bool is_cookie_value(struct span text)
{
	for (size_t i = 0; i < text.size; i++) {
		unsigned char c = (unsigned char)text.data[i];
		if (c <= 0x20 || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\')
			return false;
	}
	return true;
}

struct span head_find_cookie(struct span field, struct span name)
{
	struct span found = { 0 }, pair, key;
	unsigned count = 0;
	while (field.size > 0 && span_cut(&field, ';', &pair)) {
		pair = span_trim(pair);
		if (!span_contains_byte(pair, '=') || !span_cut(&pair, '=', &key) || !span_equal(key, name))
			continue;
		found = pair;
		count++;
	}
	return count == 1 && is_cookie_value(found) ? found : (struct span){ 0 };
}

struct span head_find_bearer(struct span field)
{
	const struct span scheme = SPAN("Bearer ");
	field = span_trim(field);
	return span_starts_with_nocase(field, scheme) ? span_trim(span_slice(field, scheme.size, field.size))
						      : (struct span){ 0 };
}

bool head_is_json(struct span field)
{
	struct span type = span_trim(span_slice(field, 0, span_find_byte(field, ';')));
	return span_equal_nocase(type, SPAN("application/json"));
}

static struct span last_item(struct span list)
{
	size_t at = list.size;
	while (at > 0 && list.data[at - 1] != ',')
		at--;
	return span_trim(span_slice(list, at, list.size));
}

bool head_find_forwarded(struct span field, char out_address[HEAD_ADDRESS_SIZE])
{
	char text[HEAD_ADDRESS_SIZE];
	struct in6_addr address;
	struct span item = last_item(field);
	if (item.size == 0 || item.size >= sizeof(text) || span_contains_byte(item, '\0'))
		return false;
	snprintf(text, sizeof(text), "%.*s", SPAN_ARGS(item));
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(family, text, &address) != 1)
		return false;
	const struct endpoint endpoint = endpoint_make(family, &address, 0);
	endpoint_format(&endpoint, text);
	snprintf(out_address, HEAD_ADDRESS_SIZE, "%s", text);
	return true;
}

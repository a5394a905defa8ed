/*
 * Whether an address is one that somebody may use. Local parts are compared by
 * content, so that quotes neither hide an address nor make a new one. Pure.
 */
#include <string.h>

#include "base/ascii.h"
#include "base/domain.h"
#include "smtp/address.h"

/* The bytes of a local part, quotes and backslashes taken off, as they are read one by one. */
struct content {
	struct span rest;
	bool quoted;
};

static struct content content_of(struct span local)
{
	bool quoted = local.size >= 2 && local.data[0] == '"' && local.data[local.size - 1] == '"';
	return (struct content){ quoted ? span_slice(local, 1, local.size - 1) : local, quoted };
}

static bool take_content_byte(struct content *content, char *out_byte)
{
	if (content->quoted && content->rest.size >= 2 && content->rest.data[0] == '\\')
		content->rest = span_slice(content->rest, 1, content->rest.size);
	if (content->rest.size == 0)
		return false;
	char c = content->rest.data[0];
	*out_byte = ascii_lower(c);
	content->rest = span_slice(content->rest, 1, content->rest.size);
	return true;
}

/* `whole` is `own`, or begins with it and goes on with a byte of `delimiter`. */
static bool is_own_local(struct span whole, struct span own, struct span delimiter)
{
	struct content a = content_of(whole);
	struct content b = content_of(own);
	char got, wanted;
	if (b.rest.size == 0)
		return false;
	while (take_content_byte(&b, &wanted)) {
		if (!take_content_byte(&a, &got) || got != wanted)
			return false;
	}
	return !take_content_byte(&a, &got) || span_contains_byte(delimiter, got);
}

/* At the last @, which is never within a domain. False without one. */
static bool split_address(struct span text, struct span *out_local, struct span *out_domain)
{
	const char *at = text.size ? memrchr(text.data, '@', text.size) : NULL;
	if (at == NULL)
		return false;
	size_t size = (size_t)(at - text.data);
	*out_local = span_slice(text, 0, size);
	*out_domain = span_slice(text, size + 1, text.size);
	return true;
}

/* Both have an @, and it is the same address, or `whole` has a delimiter and more after `own`. */
static bool is_own(struct span whole, struct span own, struct span delimiter)
{
	struct span local_a, local_b, domain_a, domain_b;
	return split_address(whole, &local_a, &domain_a) && split_address(own, &local_b, &domain_b) &&
	       domain_equal(domain_a, domain_b) && is_own_local(local_a, local_b, delimiter);
}

bool address_equal(struct span a, struct span b)
{
	if (span_contains_byte(a, '@') || span_contains_byte(b, '@'))
		return is_own(a, b, (struct span){ NULL, 0 });
	return a.size && span_equal_nocase(a, b);
}

bool address_shares_domain(struct span address, struct span account)
{
	struct mailbox mailbox, own;
	return address_read(address, false, &mailbox) == STATUS_OK && mailbox.local.data[0] != '"' &&
	       address_read(account, false, &own) == STATUS_OK && span_equal_nocase(mailbox.domain, own.domain);
}

bool address_matches(struct span address, struct span pattern, struct span delimiter)
{
	struct mailbox mailbox;
	if (span_equal(pattern, SPAN("*")))
		return true;
	if (!span_contains_byte(pattern, '@'))
		return pattern.size && span_equal_nocase(address, pattern);
	if (address_read(address, true, &mailbox) != STATUS_OK || mailbox.domain.size == 0)
		return false;
	if (pattern.data[0] == '@')
		return domain_equal(mailbox.domain, span_slice(pattern, 1, pattern.size));
	return is_own(address, pattern, delimiter);
}

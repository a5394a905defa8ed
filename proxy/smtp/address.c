/*
 * Mailboxes and paths as commands carry them. Pure: views into what it is
 * given. What RFC 5321 does not allow is STATUS_INVALID, with two exceptions
 * that mail in use needs: dots anywhere in a local part, and underscores in a domain.
 */
#include "smtp/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/ascii.h"
#include "base/utf8.h"

/* RFC 5322, 3.2.3, and the dot. */
static bool is_atom_byte(char c)
{
	return c != '\0' && (ascii_is_alphanumeric(c) || strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

/* How far a dot-string goes at the front of `s` (RFC 5321, 4.1.2; RFC 6531, 3.3). */
static size_t measure_atoms(struct span s, bool utf8)
{
	size_t at = 0;
	while (at < s.size) {
		struct span rest = span_slice(s, at, s.size);
		size_t length = is_atom_byte(*rest.data) ? 1 : 0;
		if (utf8 && (unsigned char)*rest.data >= 0x80)
			length = utf8_text_length(rest);
		if (length == 0)
			break;
		at += length;
	}
	return at;
}

/* The size of the quoted string at the front of `s`, quotes included; 0 when it is malformed or empty. */
static size_t measure_quoted(struct span s, bool utf8)
{
	size_t at = 1;
	while (at < s.size && s.data[at] != '"') {
		struct span rest = span_slice(s, at, s.size);
		if (*rest.data == '\\') {
			if (rest.size < 2 || !ascii_is_printable(rest.data[1]))
				return 0;
			at += 2;
			continue;
		}
		size_t length = ascii_is_printable(*rest.data) ? 1 : 0;
		if (utf8 && (unsigned char)*rest.data >= 0x80)
			length = utf8_text_length(rest);
		if (length == 0)
			return 0;
		at += length;
	}
	return at < s.size && at > 1 ? at + 1 : 0;
}

/* [192.0.2.1], [IPv6:2001:db8::1]; RFC 5321, 4.1.3, which knows no others. */
static bool is_literal(struct span domain)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr binary; /* large enough for both */
	if (domain.size < 3 || domain.data[domain.size - 1] != ']')
		return false;
	struct span text = span_slice(domain, 1, domain.size - 1);
	bool is_v6 = span_starts_with_nocase(text, SPAN("IPv6:"));
	if (is_v6)
		text = span_slice(text, 5, text.size);
	if (text.size >= sizeof(address) || span_contains_byte(text, '\0'))
		return false;
	memcpy(address, text.data, text.size);
	address[text.size] = '\0';
	return inet_pton(is_v6 ? AF_INET6 : AF_INET, address, &binary) == 1;
}

static bool is_label(struct span label, bool utf8)
{
	size_t at = 0;
	if (label.size == 0 || label.size > 63) /* RFC 1035, 2.3.4 */
		return false;
	while (at < label.size) {
		char c = label.data[at];
		size_t length = ascii_is_alphanumeric(c) || c == '-' || c == '_' ? 1 : 0;
		if (utf8 && (unsigned char)c >= 0x80)
			length = utf8_text_length(span_slice(label, at, label.size));
		if (length == 0)
			return false;
		at += length;
	}
	return true;
}

static bool is_domain(struct span domain, bool utf8)
{
	struct span label;
	if (domain.size == 0 || domain.size > ADDRESS_DOMAIN_MAXIMUM)
		return false;
	if (domain.data[0] == '[')
		return is_literal(domain);
	while (span_cut(&domain, '.', &label)) {
		if (!is_label(label, utf8))
			return false;
	}
	return true;
}

enum status address_read(struct span text, bool utf8, struct mailbox *out_mailbox)
{
	if (text.size == 0 || text.size > ADDRESS_MAXIMUM)
		return STATUS_INVALID;
	size_t size = text.data[0] == '"' ? measure_quoted(text, utf8) : measure_atoms(text, utf8);
	if (size == 0)
		return STATUS_INVALID;
	struct mailbox mailbox = { .whole = text, .local = span_slice(text, 0, size) };
	if (size == text.size) {
		if (!span_equal_nocase(text, SPAN("postmaster")))
			return STATUS_INVALID;
	} else {
		mailbox.domain = span_slice(text, size + 1, text.size);
		if (text.data[size] != '@' || !is_domain(mailbox.domain, utf8))
			return STATUS_INVALID;
	}
	*out_mailbox = mailbox;
	return STATUS_OK;
}

bool address_is_valid(struct span text, bool utf8)
{
	struct mailbox mailbox;
	return address_read(text, utf8, &mailbox) == STATUS_OK;
}

/* Where the path at the front of `text` ends: at the first of `stops` outside a quoted string. */
static size_t find_outside_quotes(struct span text, const char *stops)
{
	bool quoted = false;
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && c != '\0' && strchr(stops, c) != NULL)
			return i;
	}
	return text.size;
}

/* "@one,@two:" (RFC 5321, 4.1.1.3 and appendix C: to be accepted and ignored). */
static enum status drop_route(struct span *path, bool utf8)
{
	if (path->size == 0 || path->data[0] != '@')
		return STATUS_OK;
	size_t colon = span_find_byte(*path, ':');
	struct span route = span_slice(*path, 0, colon);
	struct span hop;
	if (colon == path->size)
		return STATUS_INVALID;
	while (span_cut(&route, ',', &hop)) {
		if (hop.size == 0 || hop.data[0] != '@' || !is_domain(span_slice(hop, 1, hop.size), utf8))
			return STATUS_INVALID;
	}
	*path = span_slice(*path, colon + 1, path->size);
	return path->size ? STATUS_OK : STATUS_INVALID;
}

enum status address_read_path(struct span text, bool utf8, struct mailbox *out_mailbox, struct span *out_rest)
{
	bool bracketed = text.size && text.data[0] == '<';
	struct span path = span_slice(text, bracketed, text.size);
	size_t end = find_outside_quotes(path, bracketed ? ">" : " \t");
	if (bracketed && end == path.size)
		return STATUS_INVALID;
	struct span rest = span_slice(path, end + bracketed, path.size);
	path = span_slice(path, 0, end);
	struct mailbox mailbox = { .whole = path, .local = path, .domain = path };
	if (bracketed)
		TRY(drop_route(&path, utf8));
	if (path.size || !bracketed)
		TRY(address_read(path, utf8, &mailbox));
	*out_mailbox = mailbox;
	*out_rest = rest;
	return STATUS_OK;
}

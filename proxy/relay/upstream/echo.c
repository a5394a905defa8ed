/*
 * A refusal without what it echoes. Servers quote the addresses of a
 * transaction in their replies, and whoever chose an address must not choose
 * the words, or the code, that the reply is judged by. Pure.
 *
 * An address is taken out whole and by halves, as it was sent and with its
 * quoting undone. A half that is one plain word stays, as the upstream may have
 * said that word by itself. UPSTREAM_ECHO takes the place of what is taken out.
 */
#include <string.h>

#include "base/ascii.h"
#include "relay/upstream/class.h"
#include "smtp/address.h"

static bool is_plain_word(struct span s)
{
	for (size_t i = 0; i < s.size; i++) {
		if (!ascii_is_letter(s.data[i]))
			return false;
	}
	return true;
}

/* True if neither end of [at, end) is within a word. */
static bool stands_alone(struct span text, size_t at, size_t end)
{
	bool joins_before = at > 0 && ascii_is_alphanumeric(text.data[at - 1]) && ascii_is_alphanumeric(text.data[at]);
	bool joins_after =
		end < text.size && ascii_is_alphanumeric(text.data[end - 1]) && ascii_is_alphanumeric(text.data[end]);
	return !joins_before && !joins_after;
}

static void take_out(struct upstream_plain *plain, struct span form)
{
	for (size_t i = 0; form.size && i + form.size <= plain->size; i++) {
		struct span text = { plain->bytes, plain->size };
		size_t end = i + form.size;
		if (((unsigned char)(text.data[i] ^ form.data[0]) & ~0x20U) != 0)
			continue; /* most of them: there may be a thousand addresses */
		if (!span_starts_with_nocase(span_slice(text, i, text.size), form) || !stands_alone(text, i, end))
			continue;
		plain->bytes[i] = UPSTREAM_ECHO;
		memmove(plain->bytes + i + 1, plain->bytes + end, plain->size - end);
		plain->size -= form.size - 1;
	}
}

static void take_out_half(struct upstream_plain *plain, struct span half)
{
	if (!is_plain_word(half))
		take_out(plain, half);
}

/* Without quotes and backslashes, as servers keep it (RFC 5321, 4.1.2). */
static struct span unquote_local_part(struct span local_part, char *out_bytes)
{
	size_t size = 0;
	bool is_quoted = local_part.size > 1 && local_part.data[0] == '"';
	for (size_t i = is_quoted; i < local_part.size - is_quoted; i++) {
		if (is_quoted && local_part.data[i] == '\\' && i + 1 < local_part.size - is_quoted)
			i++;
		out_bytes[size++] = local_part.data[i];
	}
	return (struct span){ out_bytes, size };
}

void upstream_plain_take_out(struct upstream_plain *plain, struct span address)
{
	char unquoted[ADDRESS_MAXIMUM + 1];
	size_t at = address.size;
	if (address.size > ADDRESS_MAXIMUM)
		return;
	while (at > 0 && address.data[at - 1] != '@')
		at--;
	struct span local_part = span_slice(address, 0, at ? at - 1 : address.size);
	struct span domain = span_slice(address, at ? at : address.size, address.size);
	take_out(plain, address);
	struct span name = unquote_local_part(local_part, unquoted);
	size_t rest = address.size - local_part.size; /* the @ and the domain */
	memcpy(unquoted + name.size, address.data + local_part.size, rest);
	take_out(plain, (struct span){ unquoted, name.size + rest });
	take_out_half(plain, local_part);
	take_out_half(plain, name);
	take_out_half(plain, domain);
}

/* "5.1.1 text": one line, cut to PLAIN_SIZE. */
void upstream_plain_begin(struct upstream_plain *plain, const struct reply *reply)
{
	struct span parts[] = { reply->enhanced, span_is_empty(reply->enhanced) ? SPAN("") : SPAN(" "), reply->text };
	plain->size = 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		for (size_t j = 0; j < parts[i].size && plain->size < sizeof(plain->bytes); j++) {
			char c = parts[i].data[j];
			plain->bytes[plain->size++] = (unsigned char)c < ' ' ? ' ' : c;
		}
	}
}

struct reply upstream_plain_reply(const struct upstream_plain *plain, unsigned code)
{
	struct reply reply = { .code = code };
	struct span text = { plain->bytes, plain->size };
	reply.enhanced = reply_find_enhanced(text, code);
	reply.text = span_trim(span_slice(text, reply.enhanced.size, text.size));
	return reply;
}

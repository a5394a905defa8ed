/* Reads the end of a record. Pure but for OpenSSL. */
#include "audit/audit_link.h"

#include <string.h>

#define END_MAXIMUM 160 /* bytes: the longest such end */

static const struct span opening = { ",\"chain\":{\"id\":\"", 16 };

/* Takes these bytes off the beginning. */
static bool skip_bytes(struct span *rest, struct span bytes)
{
	if (!span_starts_with(*rest, bytes))
		return false;
	*rest = span_slice(*rest, bytes.size, rest->size);
	return true;
}

/* The last one in the line: a text can't hold it, as quotes in it are escaped. */
static enum status find_end(struct span line, struct span *out_end)
{
	struct span tail = span_slice(line, line.size > END_MAXIMUM ? line.size - END_MAXIMUM : 0, line.size);
	const char *at = tail.size ? memmem(tail.data, tail.size, opening.data, opening.size) : NULL;
	if (at == NULL)
		return STATUS_INVALID;
	*out_end = span_slice(tail, (size_t)(at - tail.data) + opening.size, tail.size);
	return STATUS_OK;
}

static enum status take_hex(struct span *rest, char *out_hex, size_t size)
{
	unsigned char bytes[HASH_SHA256_SIZE];
	struct span digits = span_slice(*rest, 0, size - 1);
	TRY(audit_read_hex(digits, bytes, (size - 1) / 2));
	memcpy(out_hex, digits.data, digits.size);
	out_hex[size - 1] = '\0';
	*rest = span_slice(*rest, digits.size, rest->size);
	return STATUS_OK;
}

static enum status take_seq(struct span *rest, uint64_t *out_seq)
{
	size_t size = 0;
	while (size < rest->size && rest->data[size] >= '0' && rest->data[size] <= '9')
		size++;
	TRY(span_to_u64(span_slice(*rest, 0, size), out_seq));
	*rest = span_slice(*rest, size, rest->size);
	return *out_seq && *out_seq < UINT64_MAX ? STATUS_OK : STATUS_INVALID;
}

enum status audit_link_read(struct span line, struct audit_link *out_link)
{
	struct audit_link link = { .kind = AUDIT_LINK_NUMBER };
	char mac[HASH_SHA256_HEX_SIZE];
	struct span rest = { 0 };
	TRY(find_end(line, &rest));
	TRY(take_hex(&rest, link.chain, sizeof(link.chain)));
	if (!skip_bytes(&rest, SPAN("\",\"seq\":")))
		return STATUS_INVALID;
	TRY(take_seq(&rest, &link.seq));
	if (skip_bytes(&rest, SPAN(",\"prev\":\""))) {
		link.kind = AUDIT_LINK_HASH;
		TRY(take_hex(&rest, link.prev, sizeof(link.prev)));
	} else if (skip_bytes(&rest, SPAN(",\"mac\":\""))) {
		link.kind = AUDIT_LINK_MAC;
		TRY(take_hex(&rest, mac, sizeof(mac)));
	}
	if (!span_equal(rest, link.kind == AUDIT_LINK_NUMBER ? SPAN("}}") : SPAN("\"}}")))
		return STATUS_INVALID;
	*out_link = link;
	return STATUS_OK;
}

enum status audit_link_hash(struct span line, char out_hex[HASH_SHA256_HEX_SIZE])
{
	unsigned char digest[HASH_SHA256_SIZE];
	TRY(hash_sha256(line, digest));
	hash_to_hex(digest, sizeof(digest), out_hex);
	return STATUS_OK;
}

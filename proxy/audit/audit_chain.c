/*
 * The chain: every record ends with ,"chain":{"id":…,"seq":…,"mac":…}. The mac
 * is HMAC-SHA256, under the node's audit key, of the mac before (32 bytes; zeros
 * for the first) and the line up to and including the seq. A record changed,
 * taken out, put in or moved breaks every mac after it.
 */
#include <string.h>

#include "audit/audit_private.h"

enum status audit_chain_begin(struct audit_chain *chain, const struct secret *key)
{
	unsigned char random[(AUDIT_CHAIN_ID_SIZE - 1) / 2];
	TRY(hash_random(random, sizeof(random)));
	*chain = (struct audit_chain){ .key = key, .next = 1 };
	hash_to_hex(random, sizeof(random), chain->id);
	return STATUS_OK;
}

static enum status compute_mac(const struct audit_chain *chain, struct span line,
			       unsigned char out_mac[HASH_SHA256_SIZE])
{
	struct buf input BUF_AUTO;
	buf_init(&input, HASH_SHA256_SIZE + line.size);
	TRY(buf_append(&input, (struct span){ (const char *)chain->mac, HASH_SHA256_SIZE }));
	TRY(buf_append(&input, line));
	return hash_hmac_sha256(secret_reveal(chain->key), buf_span(&input), out_mac);
}

enum status audit_chain_link(struct audit_chain *chain, struct span record, struct buf *out)
{
	struct buf line BUF_AUTO;
	unsigned char mac[HASH_SHA256_SIZE];
	char hex[HASH_SHA256_HEX_SIZE];
	buf_init(&line, record.size + 512);
	TRY(buf_append(&line, record));
	TRY(buf_printf(&line, ",\"chain\":{\"id\":\"%s\",\"seq\":%llu", chain->id, (unsigned long long)chain->next));
	if (chain->key) {
		TRY(compute_mac(chain, buf_span(&line), mac));
		hash_to_hex(mac, sizeof(mac), hex);
		TRY(buf_printf(&line, ",\"mac\":\"%s\"", hex));
	}
	TRY(buf_append(&line, SPAN("}}\n")));
	TRY(buf_append(out, buf_span(&line)));
	if (chain->key)
		memcpy(chain->mac, mac, sizeof(mac));
	chain->next++;
	return STATUS_OK;
}

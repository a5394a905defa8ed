/*
 * The chain: every record ends with ,"chain":{"id":…,"seq":…,"prev":…}, where prev is the SHA-256 of the chain's line
 * before. The chain's own records stand among the others: the first one names the chains before it, checkpoints sign
 * the last hash, and at the seam of two files each names the other. conf/audit.md is their description.
 */
#include <string.h>

#include "audit/audit_private.h"
#include "base/number.h"

static const char no_hash[HASH_SHA256_HEX_SIZE] = "0000000000000000000000000000000000000000000000000000000000000000";

enum status audit_chain_begin(struct audit_chain *chain, const char *node, struct audit_keys *keys)
{
	unsigned char random[(AUDIT_CHAIN_ID_SIZE - 1) / 2];
	TRY(hash_random(random, sizeof(random)));
	*chain = (struct audit_chain){ .node = node, .keys = keys, .end.next = 1 };
	hash_to_hex(random, sizeof(random), chain->id);
	memcpy(chain->end.head, no_hash, sizeof(chain->end.head));
	return STATUS_OK;
}

void audit_chain_drop(struct audit_chain *chain)
{
	digest_free(&chain->digest);
}

enum status audit_chain_continue(struct audit_chain *chain, int fd)
{
	return chain->keys ? audit_tail_read(fd, chain->former, &chain->former_count) : STATUS_OK;
}

/* ---- a line */

static enum status append_link(const struct audit_chain *chain, struct buf *out)
{
	TRY(buf_append(out, SPAN(",\"chain\":{\"id\":\"")));
	TRY(buf_append_text(out, chain->id));
	TRY(buf_append(out, SPAN("\",\"seq\":")));
	TRY(number_append(out, chain->end.next));
	if (chain->keys) {
		TRY(buf_append(out, SPAN(",\"prev\":\"")));
		TRY(buf_append_text(out, chain->end.head));
		TRY(buf_append_byte(out, '"'));
	}
	return buf_append(out, SPAN("}}"));
}

static enum status hash_line(struct audit_chain *chain, struct span line, char out_hash[HASH_SHA256_HEX_SIZE])
{
	TRY(digest_begin(&chain->digest));
	TRY(digest_add(&chain->digest, line));
	return digest_end(&chain->digest, out_hash);
}

static enum status append_line(struct audit_chain *chain, struct span record, struct buf *out)
{
	char head[HASH_SHA256_HEX_SIZE];
	size_t before = buf_size(out);
	TRY(buf_append(out, record));
	TRY(append_link(chain, out));
	if (chain->keys)
		TRY(hash_line(chain, span_slice(buf_span(out), before, buf_size(out)), head));
	TRY(buf_append_byte(out, '\n'));
	if (chain->keys)
		memcpy(chain->end.head, head, sizeof(head));
	chain->end.next++;
	return STATUS_OK;
}

/* A record of the chain about itself. */
static enum status append_own(struct audit_chain *chain, enum audit_type type, const struct audit_chain_facts *facts,
			      struct buf *out)
{
	struct buf record BUF_AUTO;
	const struct audit_event event = { .type = type, .chain = facts };
	buf_init(&record, AUDIT_RECORD_MAXIMUM);
	TRY(audit_record_write(&record, &event, chain->node));
	return append_line(chain, buf_span(&record), out);
}

/* The last statement, if its record may be missing: another process signed it, or we did and could not write it. */
static const struct audit_statement *to_be_repeated(const struct audit_chain *chain,
						    const struct audit_keys_state *state)
{
	return state->last.number && state->last.number != chain->end.held_number ? &state->last : NULL;
}

static enum status append_begin(struct audit_chain *chain, struct buf *out)
{
	struct audit_keys_state state;
	TRY(audit_keys_read(chain->keys, &state));
	const struct audit_chain_facts facts = {
		.before = to_be_repeated(chain, &state),
		.former = chain->former,
		.former_count = chain->former_count,
	};
	TRY(append_own(chain, AUDIT_BEGIN, &facts, out));
	chain->end.held_number = state.last.number;
	return STATUS_OK;
}

/* The first record of all is audit.begin. */
static enum status begin_if_new(struct audit_chain *chain, struct buf *out)
{
	return chain->keys && chain->end.next == 1 ? append_begin(chain, out) : STATUS_OK;
}

enum status audit_chain_link(struct audit_chain *chain, struct span record, struct buf *out)
{
	const struct audit_chain_end before = chain->end;
	enum status status = begin_if_new(chain, out);
	if (status == STATUS_OK)
		status = append_line(chain, record, out);
	if (status != STATUS_OK)
		chain->end = before;
	return status;
}

/* ---- what is signed */

/* Before ours is made, the last one must be in a file: only one is ever kept elsewhere. */
static enum status append_what_is_missing(struct audit_chain *chain, struct buf *out)
{
	struct audit_keys_state state;
	TRY(begin_if_new(chain, out));
	TRY(audit_keys_read(chain->keys, &state));
	const struct audit_chain_facts facts = { .before = to_be_repeated(chain, &state) };
	if (facts.before == NULL)
		return STATUS_OK;
	TRY(append_own(chain, AUDIT_CHECKPOINT, &facts, out));
	chain->end.held_number = state.last.number;
	return STATUS_OK;
}

enum status audit_chain_prepare(struct audit_chain *chain, struct buf *out)
{
	if (chain->keys == NULL)
		return STATUS_OK;
	TRY(audit_keys_lock(chain->keys));
	const struct audit_chain_end before = chain->end;
	enum status status = append_what_is_missing(chain, out);
	if (status != STATUS_OK) {
		audit_keys_unlock(chain->keys);
		chain->end = before;
	}
	return status;
}

static enum status sign_and_append(struct audit_chain *chain, enum audit_type type, const char *next_file,
				   struct buf *out)
{
	struct audit_statement statement;
	TRY(audit_keys_sign(chain->keys, chain->id, chain->end.next - 1, chain->end.head, &statement));
	const struct audit_chain_facts facts = {
		.statement = &statement,
		.next_file = span_of(next_file ? next_file : ""),
	};
	TRY(append_own(chain, type, &facts, out));
	chain->end.held_number = statement.number;
	chain->statement = statement;
	return STATUS_OK;
}

static enum status append_signed(struct audit_chain *chain, enum audit_type type, const char *next_file,
				 struct buf *out)
{
	if (chain->keys == NULL)
		return STATUS_OK;
	const struct audit_chain_end before = chain->end;
	enum status status = sign_and_append(chain, type, next_file, out);
	if (status != STATUS_OK) {
		audit_keys_unlock(chain->keys);
		chain->end = before;
	}
	return status;
}

enum status audit_chain_checkpoint(struct audit_chain *chain, struct buf *out)
{
	return append_signed(chain, AUDIT_CHECKPOINT, NULL, out);
}

enum status audit_chain_end(struct audit_chain *chain, struct buf *out)
{
	return append_signed(chain, AUDIT_END, NULL, out);
}

enum status audit_chain_end_file(struct audit_chain *chain, const char *next_name, struct buf *out)
{
	return append_signed(chain, AUDIT_FILE_END, next_name, out);
}

enum status audit_chain_begin_file(struct audit_chain *chain, const char *previous_name, struct buf *out)
{
	struct audit_keys_state state;
	if (chain->keys == NULL || chain->end.next == 1)
		return STATUS_OK; /* audit.begin will be its first record */
	TRY(audit_keys_read(chain->keys, &state));
	const struct audit_chain_facts facts = {
		.before = state.last.number ? &state.last : NULL,
		.previous_file = span_of(previous_name ? previous_name : ""),
	};
	const struct audit_chain_end before = chain->end;
	enum status status = append_own(chain, AUDIT_FILE_BEGIN, &facts, out);
	if (status != STATUS_OK)
		chain->end = before;
	else
		chain->end.held_number = state.last.number;
	return status;
}

void audit_chain_release(struct audit_chain *chain)
{
	if (chain->keys)
		audit_keys_unlock(chain->keys);
}

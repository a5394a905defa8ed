/* Chains: each record holds the hash of the one before. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/reader/record.h"
#include "audit/reader/verify_private.h"

#define STATEMENTS_WITHOUT 3 /* of its node, in which a living process comes to sign as well */

static const char no_hash[] = "0000000000000000000000000000000000000000000000000000000000000000";

struct verify_chain *verify_find_chain(struct verify *verify, const char *id)
{
	uint64_t hash = map_hash_text(&verify->chains, span_of(id));
	for (struct map_link *link = map_first(&verify->chains, hash); link; link = map_next(link)) {
		struct verify_chain *chain = MAP_OWNER(link, struct verify_chain, link);
		if (strcmp(chain->id, id) == 0)
			return chain;
	}
	return NULL;
}

static enum status add_chain(struct verify *verify, const struct verify_record *record, struct verify_chain **out_chain)
{
	struct verify_chain *chain = calloc(1, sizeof(*chain));
	if (chain == NULL)
		return STATUS_NO_MEMORY;
	memcpy(chain->id, record->link.chain, sizeof(chain->id));
	chain->row = record->row;
	chain->ended_file = VERIFY_NOWHERE;
	enum status status = map_add(&verify->chains, &chain->link, map_hash_text(&verify->chains, span_of(chain->id)));
	if (status != STATUS_OK) {
		free(chain);
		return status;
	}
	*out_chain = chain;
	return STATUS_OK;
}

/* ---- a record's link */

/* A chain may be in its midst only where what is older is not at hand. */
static void compare_first(struct verify *verify, const struct verify_record *record)
{
	const struct audit_link *link = &record->link;
	bool is_begin = span_equal(record->type, SPAN("audit.begin"));
	if (link->seq > 1 && record->row->first_file != verify->place.file)
		verify_blame(verify, "records 1 to %" PRIu64 " of chain %s are missing", link->seq - 1, link->chain);
	else if (link->seq > 1)
		verify_note(verify, "chain %s begins with record %" PRIu64 " here: what came before is not at hand",
			    link->chain, link->seq);
	else if (!is_begin || strcmp(link->prev, no_hash) != 0)
		verify_blame(verify, "chain %s does not begin with audit.begin", link->chain);
}

/* False: the record is out of its place, and the chain goes on as if it was not there. */
static bool compare_next(struct verify *verify, const struct verify_record *record, const struct verify_chain *chain)
{
	const struct audit_link *link = &record->link;
	if (link->seq <= chain->seq) {
		verify_blame(verify, "record %" PRIu64 " of chain %s is here again, or out of its place", link->seq,
			     link->chain);
		return false;
	}
	if (link->seq > chain->seq + 1)
		verify_blame(verify, "records %" PRIu64 " to %" PRIu64 " of chain %s are missing before this one",
			     chain->seq + 1, link->seq - 1, link->chain);
	else if (strcmp(link->prev, chain->hash) != 0)
		verify_blame_at(verify, chain->place,
				"changed: the next record of its chain (line %" PRIu64
				") holds the hash of another one",
				verify->place.line);
	if (chain->ended_file == verify->place.file)
		verify_blame(verify, "chain %s had left this file with audit.file_end", link->chain);
	if (chain->has_ended)
		verify_blame(verify, "chain %s had ended with audit.end: added", link->chain);
	return true;
}

enum status verify_take_link(struct verify *verify, const struct verify_record *record, struct verify_chain **out_chain)
{
	struct verify_chain *chain = verify_find_chain(verify, record->link.chain);
	bool is_in_place = true;
	record->row->records++;
	if (chain == NULL) {
		TRY(add_chain(verify, record, &chain));
		compare_first(verify, record);
	} else {
		is_in_place = compare_next(verify, record, chain);
	}
	if (is_in_place) {
		TRY(audit_link_hash(record->line, chain->hash));
		chain->seq = record->link.seq;
		chain->place = verify->place;
		chain->statements = record->row->statements;
	}
	*out_chain = chain;
	return STATUS_OK;
}

enum status verify_take_unlinked(struct verify *verify, const struct verify_record *record)
{
	struct verify_chain *chain = verify_find_chain(verify, record->link.chain);
	if (chain == NULL)
		TRY(add_chain(verify, record, &chain));
	TRY(audit_link_hash(record->line, chain->hash));
	chain->seq = chain->signed_count = chain->told_count = record->link.seq;
	chain->place = verify->place;
	return STATUS_OK;
}

/* ---- former chains */

/* The process found it in this very file. */
static void compare_former(struct verify *verify, const char *id, uint64_t count, const char *head)
{
	struct verify_chain *chain = verify_find_chain(verify, id);
	if (chain == NULL)
		verify_blame(verify, "chain %s, which this process found, is missing", id);
	else if (chain->seq < count)
		verify_blame(verify,
			     "the end of chain %s is missing before this: it had %" PRIu64 " records, and has %" PRIu64,
			     id, count, chain->seq);
	else if (chain->seq == count && strcmp(chain->hash, head) != 0)
		verify_blame_at(verify, chain->place,
				"changed: the next process (line %" PRIu64 ") found another record",
				verify->place.line);
	else if (chain->seq == count && chain->told_count < count) /* of one that goes on, a statement must tell */
		chain->told_count = count;
}

void verify_take_former(struct verify *verify, const struct verify_record *record)
{
	size_t i;
	json_t *head;
	json_array_foreach(json_object_get(record->json, "former"), i, head)
	{
		json_int_t count = json_integer_value(json_object_get(head, "count"));
		compare_former(verify, record_text(head, "chain"), count > 0 ? (uint64_t)count : 0,
			       record_text(head, "head"));
	}
}

/* ---- the end */

/* A whole chain is forged easily. The last records of a process that was killed may be true all the same. */
static void settle_chain(void *context, struct map_link *link)
{
	struct verify *verify = context;
	const struct verify_chain *chain = MAP_OWNER(link, struct verify_chain, link);
	chain->row->unsigned_records += chain->seq - chain->signed_count;
	if (chain->told_count >= chain->seq || chain->row->statements < chain->statements + STATEMENTS_WITHOUT)
		return;
	verify->place = chain->place;
	if (chain->told_count == 0)
		verify_blame(verify, "the records of chain %s up to this one are added: no checkpoint tells of them",
			     chain->id);
	else
		verify_note(verify,
			    "records %" PRIu64 " to %" PRIu64 " of chain %s, up to this one, are proven by nothing: "
			    "their process was killed, or they are added",
			    chain->told_count + 1, chain->seq, chain->id);
}

void verify_settle_chains(struct verify *verify)
{
	map_visit(&verify->chains, settle_chain, verify);
}

static void free_chain(void *context, struct map_link *link)
{
	struct verify *verify = context;
	map_remove(&verify->chains, link);
	free(MAP_OWNER(link, struct verify_chain, link));
}

void verify_free_chains(struct verify *verify)
{
	map_visit(&verify->chains, free_chain, verify);
	map_free(&verify->chains);
}

/*
 * What one node, or somebody else, has seen of a node's statements: its files must hold them. There is a claim a minute
 * for each pair of nodes, for as long as the audit goes back, so of each only a keyed hash of what it says is kept, and
 * of so many as claims_at_once at a time. What was seen and is nowhere is then looked up again, to be told of.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/reader/record.h"
#include "audit/reader/verify_private.h"

#define CLAIMS_AT_ONCE (1U << 19) /* 16 MiB, for half a year of three nodes; more take more readings */
#define CLAIM_TEXT_SIZE (VERIFY_NAME_SIZE + sizeof(struct audit_statement) + 64)

/* Which claims are gathered from lines: those from `from` on, as they are counted over all files. */
struct gathering {
	uint64_t from, count;
};

/* ---- a claim */

static size_t claims_at_once(const struct verify *verify)
{
	return verify->options->claims_at_once ? verify->options->claims_at_once : CLAIMS_AT_ONCE;
}

static uint64_t hash_node(const struct verify *verify, const char *node)
{
	return map_hash_text(&verify->chains, span_of(node));
}

/* A statement is what its signature says. */
static uint64_t hash_statement(const struct verify *verify, const char *node, const struct audit_statement *statement)
{
	char text[CLAIM_TEXT_SIZE];
	int size = snprintf(text, sizeof(text), "%s %" PRIu64 " %.*s", statement->signature, statement->number,
			    VERIFY_NAME_SIZE - 1, node);
	return map_hash_text(&verify->chains, (struct span){ text, size > 0 ? (size_t)size : 0 });
}

static enum status make_claim_room(struct verify *verify)
{
	if (verify->claim_count < verify->claim_room)
		return STATUS_OK;
	size_t room = verify->claim_room ? 2 * verify->claim_room : 64;
	struct verify_claim *grown = reallocarray(verify->claims, room, sizeof(*grown));
	if (grown == NULL)
		return STATUS_NO_MEMORY;
	verify->claims = grown;
	verify->claim_room = room;
	return STATUS_OK;
}

static enum status add_claim(struct verify *verify, const char *node, const struct audit_statement *statement)
{
	if (verify->claim_count == claims_at_once(verify))
		return STATUS_OK; /* it has its turn later */
	TRY(make_claim_room(verify));
	verify->claims[verify->claim_count++] = (struct verify_claim){
		.statement = hash_statement(verify, node, statement),
		.node = hash_node(verify, node),
		.number = statement->number,
	};
	return STATUS_OK;
}

enum status verify_take_peer(struct verify *verify, const struct verify_record *record)
{
	struct audit_statement statement;
	const json_t *object = json_object_get(record->json, "checkpoint");
	if (audit_statement_from_json(object, &statement) != STATUS_OK) {
		verify_blame(verify, "checkpoint is no statement");
		return STATUS_OK;
	}
	verify->claims_seen++;
	return add_claim(verify, record_text(record->json, "peer"), &statement);
}

/* ---- the audit's own records, read again */

static enum status read_file_again(struct verify *verify, size_t file,
				   enum status (*on_record)(struct verify *verify, bool is_peer, const json_t *json,
							    void *context),
				   void *context)
{
	struct audit_link link;
	struct lines *lines;
	struct span line;
	int fd;
	verify->place = (struct verify_place){ .file = file };
	TRY(verify_open_file(verify, file, &fd, &lines));
	enum status status = verify_next_line(verify, lines, &line);
	while (status == STATUS_OK) {
		json_t *json = NULL;
		struct span type = record_read_type(line);
		verify->place.line = lines_number(lines);
		if (span_starts_with(type, SPAN("audit.")) && audit_link_read(line, &link) == STATUS_OK &&
		    link.kind == AUDIT_LINK_HASH)
			status = record_parse(line, &json);
		if (status == STATUS_OK && json)
			status = on_record(verify, span_equal(type, SPAN("audit.peer")), json, context);
		json_decref(json);
		if (status == STATUS_OK || status == STATUS_INVALID) /* what is no JSON was told of */
			status = verify_next_line(verify, lines, &line);
	}
	verify_close_file(verify, file, fd, &lines);
	return status == STATUS_END || status == STATUS_INVALID ? STATUS_OK : status;
}

static enum status read_again(struct verify *verify,
			      enum status (*on_record)(struct verify *verify, bool is_peer, const json_t *json,
						       void *context),
			      void *context)
{
	for (size_t i = 0; i < verify->files->count; i++)
		TRY(read_file_again(verify, i, on_record, context));
	return STATUS_OK;
}

/* ---- what is found */

static int compare_claims(const void *a, const void *b)
{
	const struct verify_claim *one = a, *other = b;
	return (one->statement > other->statement) - (one->statement < other->statement);
}

static struct verify_claim *find_claim(const struct verify *verify, const char *node,
				       const struct audit_statement *statement)
{
	const struct verify_claim wanted = { .statement = hash_statement(verify, node, statement) };
	return verify->claim_count
		       ? bsearch(&wanted, verify->claims, verify->claim_count, sizeof(wanted), compare_claims)
		       : NULL;
}

/* Whether any of its node's statements may be at hand. */
static bool can_be_settled(const struct verify *verify, const struct verify_claim *claim)
{
	const struct verify_row *row = verify->rows;
	while (row && hash_node(verify, row->name) != claim->node)
		row = row->next;
	return row && row->first.number && claim->number >= row->first.number;
}

/* Sorted, each once. */
static void sort_claims(struct verify *verify)
{
	size_t kept = 0;
	for (size_t i = 0; i < verify->claim_count; i++)
		if (can_be_settled(verify, &verify->claims[i]))
			verify->claims[kept++] = verify->claims[i];
	verify->claim_count = kept;
	if (kept == 0)
		return;
	qsort(verify->claims, kept, sizeof(*verify->claims), compare_claims);
	kept = 1;
	for (size_t i = 1; i < verify->claim_count; i++)
		if (compare_claims(&verify->claims[i], &verify->claims[kept - 1]) != 0)
			verify->claims[kept++] = verify->claims[i];
	verify->claim_count = kept;
}

static void find_statement(struct verify *verify, const char *node, const json_t *object)
{
	struct audit_statement statement;
	if (object == NULL || audit_statement_from_json(object, &statement) != STATUS_OK)
		return;
	struct verify_claim *claim = find_claim(verify, node, &statement);
	if (claim)
		claim->is_found = true;
}

static enum status look_for_claims(struct verify *verify, bool is_peer, const json_t *json, void *context)
{
	(void)context;
	if (is_peer)
		return STATUS_OK;
	find_statement(verify, record_text(json, "node"), json_object_get(json, "before"));
	find_statement(verify, record_text(json, "node"), json_object_get(json, "checkpoint"));
	return STATUS_OK;
}

/* ---- what is not */

static void drop_found(struct verify *verify)
{
	size_t kept = 0;
	for (size_t i = 0; i < verify->claim_count; i++)
		if (!verify->claims[i].is_found)
			verify->claims[kept++] = verify->claims[i];
	verify->claim_count = kept;
}

static void blame_claim(struct verify *verify, const char *node, const struct audit_statement *statement,
			const char *witness)
{
	const struct verify_row *row = verify_find_row(verify, node);
	bool is_after = row && statement->number > row->last.number;
	verify_blame(verify, "%s saw checkpoint %" PRIu64 " of %s, with %" PRIu64 " records of chain %s, which %s",
		     witness, statement->number, node, statement->count, statement->chain,
		     is_after ? "its files lack: their end was cut off, unless they were copied before"
			      : "is not the one in its files: they were written anew");
}

static enum status blame_witnessed(struct verify *verify, bool is_peer, const json_t *json, void *context)
{
	struct audit_statement statement;
	struct gathering *told = context;
	const char *node = record_text(json, "peer");
	if (!is_peer || audit_statement_from_json(json_object_get(json, "checkpoint"), &statement) != STATUS_OK)
		return STATUS_OK;
	uint64_t number = told->count++;
	if (number >= told->from && number - told->from < claims_at_once(verify) &&
	    find_claim(verify, node, &statement))
		blame_claim(verify, node, &statement, record_text(json, "node"));
	return STATUS_OK;
}

/* Those that were gathered, from claim `from` on. */
static enum status settle_gathered(struct verify *verify, uint64_t from)
{
	struct gathering told = { .from = from };
	sort_claims(verify);
	if (verify->claim_count)
		TRY(read_again(verify, look_for_claims, NULL));
	drop_found(verify);
	return verify->claim_count ? read_again(verify, blame_witnessed, &told) : STATUS_OK;
}

static enum status gather_claims(struct verify *verify, bool is_peer, const json_t *json, void *context)
{
	struct audit_statement statement;
	struct gathering *gathering = context;
	if (!is_peer || audit_statement_from_json(json_object_get(json, "checkpoint"), &statement) != STATUS_OK)
		return STATUS_OK;
	return gathering->count++ < gathering->from ? STATUS_OK
						    : add_claim(verify, record_text(json, "peer"), &statement);
}

enum status verify_settle_claims(struct verify *verify)
{
	uint64_t from = 0;
	TRY(settle_gathered(verify, from));
	while (verify->claims_seen - from > claims_at_once(verify)) {
		from += claims_at_once(verify);
		struct gathering gathering = { .from = from };
		verify->claim_count = 0;
		TRY(read_again(verify, gather_claims, &gathering));
		TRY(settle_gathered(verify, from));
	}
	return STATUS_OK;
}

enum status verify_settle_known(struct verify *verify, const char *node, const struct audit_statement *statement)
{
	verify->claim_count = 0;
	TRY(add_claim(verify, node, statement));
	sort_claims(verify);
	if (verify->claim_count)
		TRY(read_again(verify, look_for_claims, NULL));
	drop_found(verify);
	verify->place = (struct verify_place){ VERIFY_NOWHERE, 0 };
	if (verify->claim_count)
		blame_claim(verify, node, statement, "the running daemon");
	return STATUS_OK;
}

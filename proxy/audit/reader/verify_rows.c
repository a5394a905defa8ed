/* Nodes, and their statements: each is signed with the key that the one before it named. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/reader/record.h"
#include "audit/reader/verify_private.h"

bool verify_knows_key(const struct verify *verify, const char *key)
{
	struct span rest = span_of(verify->options->keys ? verify->options->keys : "");
	struct span part;
	while (rest.size && span_cut(&rest, ',', &part))
		if (span_equal_nocase(span_trim(part), span_of(key)))
			return true;
	return false;
}

/* ---- nodes */

struct verify_row *verify_find_row(struct verify *verify, const char *name)
{
	struct verify_row *row = verify->rows;
	while (row && strcmp(row->name, name) != 0)
		row = row->next;
	return row;
}

static struct verify_row *add_row(struct verify *verify, const char *name)
{
	struct verify_row *row = calloc(1, sizeof(*row));
	if (row == NULL)
		return NULL;
	snprintf(row->name, sizeof(row->name), "%s", name);
	row->first_file = row->last_file = verify->place.file;
	row->former_file = VERIFY_NOWHERE;
	row->next = verify->rows;
	verify->rows = row;
	return row;
}

struct verify_row *verify_row_of_line(struct verify *verify, struct span line)
{
	char name[VERIFY_NAME_SIZE];
	snprintf(name, sizeof(name), "%.*s", SPAN_ARGS(record_read_node(line)));
	struct verify_row *row = verify_find_row(verify, name);
	if (row == NULL)
		row = add_row(verify, name);
	if (row && row->last_file != verify->place.file) {
		row->former_file = row->last_file;
		row->last_file = verify->place.file;
	}
	return row;
}

/* ---- a statement's number and key */

static void adopt_statement(struct verify *verify, struct verify_row *row, const struct audit_statement *statement)
{
	if (row->first.number == 0)
		row->first = *statement;
	if (verify_knows_key(verify, statement->key))
		row->is_proven = true;
	row->last = *statement;
	row->statements++;
}

static void compare_later(struct verify *verify, struct verify_row *row, const struct audit_statement *statement)
{
	uint64_t last = row->last.number;
	if (statement->number > last + 1)
		verify_blame(verify, "checkpoints %" PRIu64 " to %" PRIu64 " are missing before this", last + 1,
			     statement->number - 1);
	else if (strcmp(statement->key, row->last.next) != 0) {
		verify_blame(verify,
			     "checkpoint %" PRIu64 " is signed with a key that checkpoint %" PRIu64
			     " did not name: forged",
			     statement->number, last);
		return; /* the true one may follow */
	}
	adopt_statement(verify, row, statement);
}

static void compare_earlier(struct verify *verify, struct verify_row *row, const struct audit_statement *statement,
			    bool is_repeated)
{
	if (!is_repeated && statement->number == 1 && strcmp(statement->key, row->first.key) != 0) {
		verify_blame(verify,
			     "a new row of keys begins after checkpoint %" PRIu64
			     ": the former keys were lost, or somebody replaced them",
			     row->last.number);
		adopt_statement(verify, row, statement);
	} else if (statement->number == row->last.number && strcmp(statement->signature, row->last.signature) != 0) {
		verify_blame(verify, "checkpoint %" PRIu64 " is there twice, and they differ: forged",
			     statement->number);
	} else if (!is_repeated && statement->number < row->last.number) {
		verify_blame(verify, "checkpoint %" PRIu64 " after checkpoint %" PRIu64 ": out of its place",
			     statement->number, row->last.number);
	}
}

/* Whether it is news, and verifies. */
static enum status take_statement(struct verify *verify, struct verify_row *row,
				  const struct audit_statement *statement, bool is_repeated, bool *out_is_new)
{
	enum status status = audit_statement_verify(statement);
	*out_is_new = false;
	if (status == STATUS_REFUSED)
		verify_blame(verify, "the signature of checkpoint %" PRIu64 " does not verify: changed or forged",
			     statement->number);
	if (status != STATUS_OK)
		return status == STATUS_REFUSED ? STATUS_OK : status;
	*out_is_new = row->last.number == 0 || statement->number > row->last.number;
	if (row->last.number == 0)
		adopt_statement(verify, row, statement);
	else if (*out_is_new)
		compare_later(verify, row, statement);
	else
		compare_earlier(verify, row, statement, is_repeated);
	return STATUS_OK;
}

/* ---- what it says of its chain */

static void compare_own(struct verify *verify, const struct verify_record *record, struct verify_chain *chain,
			const struct audit_statement *statement)
{
	const struct audit_link *link = &record->link;
	if (strcmp(statement->chain, link->chain) != 0 || statement->count != link->seq - 1 ||
	    strcmp(statement->head, link->prev) != 0)
		verify_blame(verify, "checkpoint %" PRIu64 " is about other records than those before it: moved here",
			     statement->number);
	else {
		chain->signed_count = statement->count;
		chain->told_count = link->seq;
	}
}

/* That of another process, repeated as news: its own record was never written, or is missing. */
static void compare_repeated(struct verify *verify, const struct verify_row *row,
			     const struct audit_statement *statement)
{
	struct verify_chain *chain = verify_find_chain(verify, statement->chain);
	bool may_be_older = statement->number == row->first.number;
	if (chain == NULL && !may_be_older)
		verify_blame(verify, "chain %s, of which checkpoint %" PRIu64 " tells, is missing", statement->chain,
			     statement->number);
	if (chain == NULL)
		return;
	if (chain->seq < statement->count)
		verify_blame(verify,
			     "the end of chain %s is missing before this: checkpoint %" PRIu64 " had %" PRIu64
			     " records of it, and there are %" PRIu64,
			     statement->chain, statement->number, statement->count, chain->seq);
	else if (chain->seq == statement->count && strcmp(chain->hash, statement->head) != 0)
		verify_blame_at(verify, chain->place,
				"changed: checkpoint %" PRIu64 " (line %" PRIu64 ") signs another record",
				statement->number, verify->place.line);
	else if (chain->seq == statement->count) /* of one that goes on, a later statement must tell */
		chain->signed_count = chain->told_count = statement->count;
}

static enum status take_member(struct verify *verify, const struct verify_record *record, struct verify_chain *chain,
			       const char *name)
{
	struct audit_statement statement;
	const json_t *object = json_object_get(record->json, name);
	bool is_repeated = strcmp(name, "before") == 0, is_new;
	if (object == NULL)
		return STATUS_OK;
	if (audit_statement_from_json(object, &statement) != STATUS_OK) {
		verify_blame(verify, "%s is no statement", name);
		return STATUS_OK;
	}
	TRY(take_statement(verify, record->row, &statement, is_repeated, &is_new));
	if (!is_repeated)
		compare_own(verify, record, chain, &statement);
	else if (is_new)
		compare_repeated(verify, record->row, &statement);
	return STATUS_OK;
}

enum status verify_take_statements(struct verify *verify, const struct verify_record *record,
				   struct verify_chain *chain)
{
	TRY(take_member(verify, record, chain, "before"));
	return take_member(verify, record, chain, "checkpoint");
}

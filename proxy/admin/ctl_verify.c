/*
 * subgatectl audit verify: whether the audit is as it was written. Faults are told as they are found, with their
 * places; the running daemon says how far its own audit must reach.
 */
#include <inttypes.h>
#include <string.h>

#include "admin/ctl_audit.h"
#include "admin/ctl_records.h"
#include "audit/reader/record.h"
#include "audit/reader/verify.h"
#include "base/ascii.h"
#include "base/text.h"

#define TOLD_MAXIMUM 100 /* faults, and notes; further ones are only counted */
#define TEXT_SIZE 2048   /* bytes of a line of output */
#define KEY_DIGITS 64

struct verification {
	struct ctl_reading reading; /* first */
	bool json;
	json_t *faults, *notes, *nodes;
	uint64_t fault_count, note_count, unproven_nodes;
	char known_node[256];
	struct audit_statement known; /* number 0: none */
};

/* ---- what is told */

static void write_line(const char *file, uint64_t line, const char *kind, const char *what)
{
	char text[TEXT_SIZE];
	if (line)
		snprintf(text, sizeof(text), "%.500s:%" PRIu64 ": %s%s", file, line, kind, what);
	else
		snprintf(text, sizeof(text), "%.500s%s%s%s", file, *file ? ": " : "", kind, what);
	text_blank_controls(text, strlen(text));
	puts(text);
}

static void tell_place(const struct verification *verification, json_t *list, uint64_t number, const char *kind,
		       const char *file, uint64_t line, const char *what)
{
	if (number > TOLD_MAXIMUM)
		return;
	if (verification->json)
		json_array_append_new(
			list, json_pack("{s:s, s:I, s:s}", "file", file, "line", (json_int_t)line, "what", what));
	else
		write_line(file, line, kind, what);
}

static void on_fault(void *context, const char *file, uint64_t line, const char *what)
{
	struct verification *verification = context;
	tell_place(verification, verification->faults, ++verification->fault_count, "", file, line, what);
}

static void on_note(void *context, const char *file, uint64_t line, const char *what)
{
	struct verification *verification = context;
	tell_place(verification, verification->notes, ++verification->note_count, "note: ", file, line, what);
}

static void write_node(const struct verify_node *node)
{
	char text[TEXT_SIZE];
	int used = snprintf(text, sizeof(text), "%.255s: %" PRIu64 " linked records", node->name, node->records);
	if (node->former)
		used += snprintf(text + used, sizeof(text) - (size_t)used, ", %" PRIu64 " that no public key proves",
				 node->former);
	if (node->last.number)
		snprintf(text + used, sizeof(text) - (size_t)used,
			 ", %" PRIu64 " of them not signed yet, checkpoints %" PRIu64 " to %" PRIu64,
			 node->unsigned_records, node->first.number, node->last.number);
	else
		snprintf(text + used, sizeof(text) - (size_t)used, ", no checkpoint");
	text_blank_controls(text, strlen(text));
	puts(text);
	if (node->last.number)
		printf("  %s %s\n",
		       node->is_proven ? "proven by a key that was given; the first one here is"
				       : "the first key, to be compared with the one noted at installation:",
		       node->first.key);
}

static void on_node(void *context, const struct verify_node *node)
{
	struct verification *verification = context;
	verification->unproven_nodes += node->last.number == 0;
	if (!verification->json) {
		write_node(node);
		return;
	}
	json_t *row = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "node", node->name, "records",
				(json_int_t)node->records, "unproven", (json_int_t)node->former, "unsigned",
				(json_int_t)node->unsigned_records, "first_checkpoint", (json_int_t)node->first.number,
				"last_checkpoint", (json_int_t)node->last.number, "proven", node->is_proven);
	if (node->last.number)
		json_object_set_new(row, "first_key", json_string(node->first.key));
	json_array_append_new(verification->nodes, row);
}

/* ---- the daemon's word */

/* What it signed last. One without a chain has nothing to say. */
static enum status ask_for_known(const struct ctl_call *call, struct verification *verification)
{
	json_t *reply = NULL;
	json_t *request = json_pack("{s:s}", "command", "audit key");
	enum status status = ctl_exchange(call->socket, request, verification->reading.errors, &reply);
	json_decref(request);
	TRY(status);
	snprintf(verification->known_node, sizeof(verification->known_node), "%s", record_text(reply, "node"));
	if (audit_statement_from_json(json_object_get(reply, "checkpoint"), &verification->known) != STATUS_OK)
		verification->known.number = 0;
	json_decref(reply);
	return STATUS_OK;
}

/* ---- the command */

static bool is_public_key(struct span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (ascii_hex_value(text.data[i]) < 0)
			return false;
	return text.size == KEY_DIGITS;
}

/* What is none proves nothing; it would look as if the audit were forged. */
static bool are_public_keys(const char *text)
{
	struct span rest = span_of(text), part;
	while (rest.size && span_cut(&rest, ',', &part))
		if (!is_public_key(span_trim(part)))
			return false;
	return true;
}

static const char *fault_of(const struct verification *verification, char text[TEXT_SIZE])
{
	if (verification->fault_count)
		snprintf(text, TEXT_SIZE, "the audit is not as it was written: %" PRIu64 " fault%s",
			 verification->fault_count, verification->fault_count == 1 ? "" : "s");
	else if (verification->unproven_nodes)
		snprintf(text, TEXT_SIZE, "there is no checkpoint, so nothing is proven");
	else
		return NULL;
	return text;
}

static json_t *make_answer(struct verification *verification)
{
	char text[TEXT_SIZE];
	const char *fault = fault_of(verification, text);
	if (!verification->json)
		return fault ? ctl_records_refuse(fault) : json_null();
	json_t *reply = json_pack("{s:b, s:O, s:O, s:O, s:I}", "ok", fault == NULL, "nodes", verification->nodes,
				  "faults", verification->faults, "notes", verification->notes, "fault_count",
				  (json_int_t)verification->fault_count);
	if (fault)
		json_object_set_new(reply, "error", json_string(fault));
	return reply;
}

static enum status verify_opened(const struct ctl_call *call, struct verification *verification, json_t **out_reply)
{
	const struct verify_options options = {
		.keys = json_string_value(json_object_get(call->request, "key")),
		.known = &verification->known,
		.known_node = verification->known_node,
		.on_fault = on_fault,
		.on_note = on_note,
		.on_node = on_node,
		.context = verification,
	};
	enum status status = verify_files(&verification->reading.files, &options);
	*out_reply = status == STATUS_OK ? make_answer(verification)
					 : ctl_records_refuse(status == STATUS_NO_MEMORY ? "out of memory"
											 : "not all of it can be read");
	return STATUS_OK;
}

enum status ctl_audit_verify(const struct ctl_call *call, FILE *errors, json_t **out_reply)
{
	if (!are_public_keys(json_string_value(json_object_get(call->request, "key")))) {
		*out_reply = ctl_records_refuse("a public key is wanted, as audit key shows it: 64 hexadecimal digits");
		return STATUS_OK;
	}
	struct verification verification = {
		.reading = { .errors = errors },
		.json = call->json,
		.faults = json_array(),
		.notes = json_array(),
		.nodes = json_array(),
	};
	bool is_named = json_object_get(call->request, "file") != NULL;
	enum status status = is_named ? STATUS_OK : ask_for_known(call, &verification);
	*out_reply = NULL;
	if (status == STATUS_OK)
		status = ctl_records_open(call, &verification.reading, out_reply);
	if (status == STATUS_OK)
		status = verify_opened(call, &verification, out_reply);
	ctl_records_close(&verification.reading);
	json_decref(verification.faults);
	json_decref(verification.notes);
	json_decref(verification.nodes);
	return status == STATUS_REFUSED ? STATUS_OK : status;
}

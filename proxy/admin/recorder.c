/* Owns the requests under way: a copy of each, wiped at its end, as some hold a consent's secret. */
#include "admin/recorder.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "admin/commands.h"
#include "base/buf.h"
#include "base/json_text.h"
#include "base/log.h"

/* Requests whose clients have left may still be under way; those of operators leave room for administrators. */
#define ENTRIES_MAXIMUM 256
#define ENTRIES_OF_OPERATORS 64

/* Invariant: `is_passed` once the role has it. */
struct entry {
	struct entry *next;
	uint64_t number, uid;
	const struct admin_command *command;
	char name[CALLER_NAME_SIZE];
	char token[RECORDER_TOKEN_SIZE];
	struct buf json, object, options, user;
	bool is_passed, is_lost, is_operators;
};

struct recorder {
	const struct recorder_handler *handler;
	void *context;
	struct entry *first;
	size_t count;
};

/* ---- entries */

static struct entry **find_entry(struct recorder *recorder, uint64_t number)
{
	struct entry **at = &recorder->first;
	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

static void free_entry(struct entry *entry)
{
	buf_free(&entry->json);
	buf_free(&entry->object);
	buf_free(&entry->options);
	buf_free(&entry->user);
	free(entry);
}

static void drop_entry(struct recorder *recorder, struct entry **at)
{
	struct entry *entry = *at;
	*at = entry->next;
	recorder->count--;
	free_entry(entry);
}

static bool has_room(const struct recorder *recorder, const struct caller *caller)
{
	size_t of_operators = 0;
	for (const struct entry *entry = recorder->first; entry; entry = entry->next)
		of_operators += entry->is_operators;
	return recorder->count < ENTRIES_MAXIMUM &&
	       (caller->right == CALLER_ADMIN || of_operators < ENTRIES_OF_OPERATORS);
}

/* ---- what is asked, as a record tells it */

static enum status append_value(struct buf *b, const json_t *value)
{
	struct span text = { json_string_value(value), json_string_length(value) };
	if (json_is_integer(value))
		return buf_printf(b, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return buf_append(b, text);
}

static enum status append_argument(struct entry *entry, const struct admin_argument *argument, const json_t *value)
{
	struct buf *b = argument->form == ARGUMENT_FORM_OPTION ? &entry->options : &entry->object;
	if (buf_size(b))
		TRY(buf_append_byte(b, ' '));
	if (argument->form == ARGUMENT_FORM_OPTION)
		TRY(buf_printf(b, "--%s%s", argument->field, argument->kind == ARGUMENT_KIND_FLAG ? "" : " "));
	return append_value(b, value);
}

/* What subgatectl adds by itself may be secret (a consent); of that only an address, which is one of the words. */
static bool is_shown(const struct admin_argument *argument)
{
	return argument->form != ARGUMENT_FORM_ADDED || span_equal(span_of(argument->field), SPAN("address"));
}

static enum status describe_request(struct entry *entry, const json_t *request)
{
	for (const struct admin_argument *argument = entry->command->arguments; argument->field; argument++) {
		const json_t *value = json_object_get(request, argument->field);
		if (value && is_shown(argument))
			TRY(append_argument(entry, argument, value));
	}
	const json_t *user = json_object_get(request, "user");
	return user ? append_value(&entry->user, user) : STATUS_OK;
}

static enum status fill_entry(struct entry *entry, struct span json)
{
	json_t *request = json_read(json);
	enum status status = request ? describe_request(entry, request) : STATUS_NO_MEMORY;
	json_decref(request);
	return status == STATUS_OK ? buf_append(&entry->json, json) : status;
}

static enum status make_entry(const struct admin_request *request, struct entry **out_entry)
{
	struct entry *entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return STATUS_NO_MEMORY;
	entry->number = request->number;
	entry->uid = request->caller->uid;
	entry->is_operators = request->caller->right != CALLER_ADMIN;
	entry->command = request->command;
	if (request->caller->name)
		snprintf(entry->name, sizeof(entry->name), "%s", request->caller->name);
	else
		caller_find_name(entry->uid, entry->name);
	snprintf(entry->token, sizeof(entry->token), "%s", request->caller->token ? request->caller->token : "");
	buf_init_sensitive(&entry->json, COMMAND_LINE_MAXIMUM);
	buf_init(&entry->object, 2 * COMMAND_LINE_MAXIMUM);
	buf_init(&entry->options, 2 * COMMAND_LINE_MAXIMUM);
	buf_init(&entry->user, COMMAND_LINE_MAXIMUM);
	enum status status = fill_entry(entry, request->json);
	if (status == STATUS_OK)
		*out_entry = entry;
	else
		free_entry(entry);
	return status;
}

/* ---- records */

static enum status send_record(const struct recorder *recorder, const struct entry *entry, uint64_t request,
			       struct span result, struct span reason)
{
	const struct door_command_record message = {
		.request = request,
		.uid = entry->uid,
		.name = span_of(entry->name),
		.token = span_of(entry->token),
		.command = span_of(entry->command->name),
		.object = buf_span(&entry->object),
		.options = buf_span(&entry->options),
		.user = buf_span(&entry->user),
		.result = result,
		.reason = reason,
	};
	return recorder->handler->record(recorder->context, &message);
}

static void record_result(const struct recorder *recorder, const struct entry *entry, struct span result,
			  struct span reason)
{
	enum status status = send_record(recorder, entry, 0, result, reason);
	if (status != STATUS_OK)
		log_warning("%s by user %" PRId64 " (%s): %.*s; the audit misses that: %s", entry->command->name,
			    (int64_t)entry->uid, entry->name, SPAN_ARGS(result), status_text(status));
}

/* ---- on its way */

static void pass_on(struct recorder *recorder, struct entry **at)
{
	struct entry *entry = *at;
	entry->is_passed = true;
	enum status status =
		recorder->handler->pass(recorder->context, entry->command->role, entry->number, buf_span(&entry->json));
	if (status == STATUS_OK)
		return;
	uint64_t number = entry->number;
	char error[COMMAND_REASON_SIZE];
	snprintf(error, sizeof(error), "%s is not running", role_kind_text(entry->command->role));
	record_result(recorder, entry, SPAN("refused"), span_of(error));
	drop_entry(recorder, at);
	recorder->handler->refuse(recorder->context, number, error);
}

static void warn_of_unrecorded(const struct entry *entry, const char *what)
{
	log_warning("%s by user %" PRId64 " (%s) %s the audit can't be written", entry->command->name,
		    (int64_t)entry->uid, entry->name, what);
}

/* Its beginning can't be written. */
static void go_on_unrecorded(struct recorder *recorder, struct entry **at)
{
	uint64_t number = (*at)->number;
	if ((*at)->command->role == ROLE_SUPERVISOR) {
		warn_of_unrecorded(*at, "begins, although");
		pass_on(recorder, at);
		return;
	}
	warn_of_unrecorded(*at, "refused, as");
	drop_entry(recorder, at);
	recorder->handler->refuse(recorder->context, number, RECORDER_REFUSAL);
}

/* ---- public */

enum status recorder_create(const struct recorder_handler *handler, void *context, struct recorder **out_recorder)
{
	struct recorder *recorder = calloc(1, sizeof(*recorder));
	if (recorder == NULL)
		return STATUS_NO_MEMORY;
	recorder->handler = handler;
	recorder->context = context;
	*out_recorder = recorder;
	return STATUS_OK;
}

void recorder_free(struct recorder **recorder)
{
	while (*recorder && (*recorder)->first)
		drop_entry(*recorder, &(*recorder)->first);
	free(*recorder);
	*recorder = NULL;
}

static enum status begin_unrecorded(const struct recorder *recorder, struct entry *entry)
{
	bool may_begin = entry->command->role == ROLE_SUPERVISOR;
	warn_of_unrecorded(entry, may_begin ? "begins, although" : "refused, as");
	entry->is_passed = true;
	return may_begin ? recorder->handler->pass(recorder->context, ROLE_SUPERVISOR, entry->number,
						   buf_span(&entry->json))
			 : STATUS_SYSTEM;
}

enum status recorder_begin(struct recorder *recorder, const struct admin_request *request)
{
	struct entry *entry;
	if (!has_room(recorder, request->caller))
		return STATUS_TOO_LARGE;
	TRY(make_entry(request, &entry));
	enum status status = STATUS_OK;
	if (send_record(recorder, entry, entry->number, SPAN("begins"), (struct span){ 0 }) != STATUS_OK)
		status = begin_unrecorded(recorder, entry);
	if (status != STATUS_OK) {
		free_entry(entry);
		return status;
	}
	entry->next = recorder->first;
	recorder->first = entry;
	recorder->count++;
	return STATUS_OK;
}

void recorder_take_written(struct recorder *recorder, uint64_t request, bool is_written)
{
	struct entry **at = find_entry(recorder, request);
	if (*at == NULL || (*at)->is_passed)
		return;
	if (is_written)
		pass_on(recorder, at);
	else
		go_on_unrecorded(recorder, at);
}

void recorder_take_answer(struct recorder *recorder, uint64_t request, struct span json)
{
	struct entry **at = find_entry(recorder, request);
	if (*at == NULL || !(*at)->is_passed)
		return;
	json_t *answer = json_read(json);
	bool is_done = json_is_true(json_object_get(answer, "ok"));
	const char *error = json_string_value(json_object_get(answer, "error"));
	record_result(recorder, *at, is_done ? SPAN("done") : SPAN("refused"), span_of(is_done ? NULL : error));
	json_decref(answer);
	drop_entry(recorder, at);
}

static struct entry **find_lost(struct recorder *recorder)
{
	struct entry **at = &recorder->first;
	while (*at && !(*at)->is_lost)
		at = &(*at)->next;
	return at;
}

/* Marked first: a client that hears of its refusal may have its next request begin at once. */
void recorder_role_lost(struct recorder *recorder, enum role_kind role)
{
	struct entry **at;
	for (struct entry *entry = recorder->first; entry; entry = entry->next)
		entry->is_lost = entry->is_passed ? entry->command->role == role : role == ROLE_RELAY;
	while (*(at = find_lost(recorder))) {
		(*at)->is_lost = false;
		if ((*at)->is_passed) {
			record_result(recorder, *at, SPAN("unknown"), SPAN("the process is gone"));
			drop_entry(recorder, at);
		} else {
			go_on_unrecorded(recorder, at);
		}
	}
}

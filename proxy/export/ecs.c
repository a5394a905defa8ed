/*
 * From our names to theirs, by tables. A record that has no place in their schema (a checkpoint) is an event without a
 * category.
 */
#include "export/ecs.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"

#define ECS_VERSION "8.11.0"
#define ORIGINAL_MAXIMUM 8192 /* bytes of a line that is no record */
#define NANOSECONDS 1000000   /* of a millisecond */

/* What a kind of record is to them: the longest prefix of its type counts. */
static const struct {
	const char *prefix, *category, *type, *outcome;
} kinds[] = {
	{ "session.open", "session", "start", "success" },
	{ "session.close", "session", "end", "success" },
	{ "session.ended", "session", "end", "success" },
	{ "session.refused", "session", "denied", "failure" },
	{ "session.", "session", "info", "unknown" },
	{ "auth.success", "authentication", "start", "success" },
	{ "auth.failure", "authentication", "start", "failure" },
	{ "message.sent", "email", "info", "success" },
	{ "message.failed", "email", "info", "failure" },
	{ "message.refused", "email", "info", "failure" },
	{ "message.", "email", "info", "unknown" },
	{ "quota.exceeded", "email", "info", "failure" },
	{ "quota.", "email", "info", "unknown" },
	{ "user.", "iam", "change", "success" },
	{ "admin.", "configuration", "change", "unknown" },
};

/* An object that is being filled; one fault makes it useless. */
struct filling {
	json_t *root;
	const json_t *record;
	bool failed;
};

/* Steals `value`; NULL: out of memory. */
static void put_member(struct filling *filling, json_t *object, const char *name, json_t *value)
{
	if (object == NULL)
		json_decref(value);
	if (value == NULL || object == NULL || json_object_set_new(object, name, value) != 0)
		filling->failed = true;
}

static json_t *find_member(const struct filling *filling, const char *name)
{
	return json_object_get(filling->record, name);
}

/* The member of the record, under another name; what is not there is left out. */
static void put_copy(struct filling *filling, json_t *object, const char *name, const char *from)
{
	json_t *value = find_member(filling, from);
	if (value)
		put_member(filling, object, name, json_incref(value));
}

/* {"name": [value]}, as their lists of addresses are. */
static void put_addresses(struct filling *filling, json_t *object, const char *name, json_t *list)
{
	if (list == NULL)
		filling->failed = true;
	else if (json_array_size(list) == 0)
		json_decref(list);
	else
		put_member(filling, object, name, json_pack("{s:o}", "address", list));
}

static json_t *list_one(struct filling *filling, json_t *value)
{
	json_t *list = json_array();
	if (json_is_string(value) && *json_string_value(value) && json_array_append(list, value) != 0)
		filling->failed = true;
	return list;
}

static json_t *list_recipients(struct filling *filling)
{
	json_t *list = json_array();
	const json_t *recipients = find_member(filling, "rcpt_to");
	for (size_t i = 0; i < json_array_size(recipients); i++) {
		json_t *address = json_object_get(json_array_get(recipients, i), "address");
		if (json_is_string(address) && json_array_append(list, address) != 0)
			filling->failed = true;
	}
	return list;
}

/* An object of the root that is only there if it holds something. */
static void put_unless_empty(struct filling *filling, const char *name, json_t *object)
{
	if (json_object_size(object) == 0)
		json_decref(object);
	else
		put_member(filling, filling->root, name, object);
}

static void put_email(struct filling *filling)
{
	json_t *email = json_object();
	json_t *sender = find_member(filling, "mail_from");
	const char *from = json_string_value(find_member(filling, "header_from")) ? "header_from" : "mail_from";
	if (find_member(filling, "message") == NULL) {
		json_decref(email);
		return;
	}
	put_member(filling, email, "direction", json_string("outbound"));
	put_copy(filling, email, "local_id", "message");
	put_copy(filling, email, "message_id", "message_id");
	put_addresses(filling, email, "from", list_one(filling, find_member(filling, from)));
	if (json_is_string(sender))
		put_member(filling, email, "sender", json_pack("{s:O}", "address", sender));
	put_addresses(filling, email, "to", list_recipients(filling));
	put_unless_empty(filling, "email", email);
}

/* "TLSv1.3" is their protocol "tls" in version "1.3". */
static void put_tls(struct filling *filling)
{
	json_t *tls = json_object();
	const char *version = json_string_value(find_member(filling, "tls_version"));
	if (version && strncmp(version, "TLSv", 4) == 0) {
		put_member(filling, tls, "version", json_string(version + 4));
		put_member(filling, tls, "version_protocol", json_string("tls"));
	}
	put_copy(filling, tls, "cipher", "tls_cipher");
	if (find_member(filling, "tls_client_subject"))
		put_member(filling, tls, "client",
			   json_pack("{s:O}", "subject", find_member(filling, "tls_client_subject")));
	put_unless_empty(filling, "tls", tls);
}

static void put_people(struct filling *filling)
{
	json_t *user = json_object(), *source = json_object(), *related = json_object();
	put_copy(filling, user, "name", "user");
	put_copy(filling, user, "id", "user_id");
	put_copy(filling, source, "ip", "client_address");
	put_copy(filling, source, "port", "client_port");
	if (find_member(filling, "user"))
		put_member(filling, related, "user", json_pack("[O]", find_member(filling, "user")));
	if (find_member(filling, "client_address"))
		put_member(filling, related, "ip", json_pack("[O]", find_member(filling, "client_address")));
	put_unless_empty(filling, "user", user);
	put_unless_empty(filling, "source", source);
	put_unless_empty(filling, "related", related);
}

static void put_kind(struct filling *filling, json_t *event, const char *type)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strncmp(type, kinds[i].prefix, strlen(kinds[i].prefix)) != 0)
			continue;
		put_member(filling, event, "category", json_pack("[s]", kinds[i].category));
		put_member(filling, event, "type", json_pack("[s]", kinds[i].type));
		put_member(filling, event, "outcome", json_string(kinds[i].outcome));
		return;
	}
}

/* Names the record, so that one that comes twice is stored once. */
static void put_identity(struct filling *filling, json_t *event)
{
	const json_t *chain = find_member(filling, "chain");
	const char *id = json_string_value(json_object_get(chain, "id"));
	const json_t *seq = json_object_get(chain, "seq");
	if (id == NULL || !json_is_integer(seq))
		return;
	put_member(filling, event, "id", json_sprintf("%s-%lld", id, (long long)json_integer_value(seq)));
	put_member(filling, event, "sequence", json_integer(json_integer_value(seq)));
}

static void put_event(struct filling *filling)
{
	const json_t *duration = find_member(filling, "duration_ms");
	const char *type = json_string_value(find_member(filling, "type"));
	json_t *event = json_pack("{s:s, s:s, s:s, s:s}", "kind", "event", "module", "subgate", "dataset",
				  "subgate.audit", "action", type);
	put_member(filling, filling->root, "event", event);
	put_kind(filling, event, type);
	put_identity(filling, event);
	put_copy(filling, event, "reason", "reason");
	if (json_is_integer(duration) && json_integer_value(duration) < INT64_MAX / NANOSECONDS)
		put_member(filling, event, "duration", json_integer(json_integer_value(duration) * NANOSECONDS));
}

/* All of the record, but for what stands elsewhere and names nothing of ours. */
static void put_rest(struct filling *filling)
{
	json_t *rest = json_copy((json_t *)(uintptr_t)filling->record);
	json_object_del(rest, "ts");
	json_object_del(rest, "type");
	put_member(filling, filling->root, "subgate", rest);
}

static void fill_fields(struct filling *filling)
{
	put_copy(filling, filling->root, "@timestamp", "ts");
	put_member(filling, filling->root, "ecs", json_pack("{s:s}", "version", ECS_VERSION));
	put_event(filling);
	if (find_member(filling, "node"))
		put_member(filling, filling->root, "host", json_pack("{s:O}", "name", find_member(filling, "node")));
	put_people(filling);
	put_tls(filling);
	put_email(filling);
	put_rest(filling);
}

static enum status write_object(const struct filling *filling, struct buf *out)
{
	char *text = filling->failed ? NULL : json_write(filling->root);
	if (text == NULL)
		return STATUS_NO_MEMORY;
	enum status status = buf_append_text(out, text);
	free(text);
	return status;
}

static enum status parse_record(struct span line, json_t **out_record)
{
	json_t *record = NULL;
	TRY(json_parse(line, &record));
	if (json_is_string(json_object_get(record, "ts")) && json_is_string(json_object_get(record, "type"))) {
		*out_record = record;
		return STATUS_OK;
	}
	json_decref(record);
	return STATUS_INVALID;
}

enum status ecs_write(struct span line, struct buf *out)
{
	json_t *record;
	TRY(parse_record(line, &record));
	struct filling filling = { .root = json_object(), .record = record };
	fill_fields(&filling);
	enum status status = write_object(&filling, out);
	json_decref(filling.root);
	json_decref(record);
	return status;
}

/* ---- a line that is no record */

static enum status append_as_text(struct span bytes, struct buf *out)
{
	for (size_t i = 0; i < bytes.size; i++) {
		char c = bytes.data[i];
		bool is_plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';
		TRY(buf_append_byte(out, is_plain ? c : c == '"' ? '\'' : '?'));
	}
	return STATUS_OK;
}

enum status ecs_write_unread(const struct record_line *line, struct buf *out)
{
	TRY(buf_append_text(out, "{\"@timestamp\":\""));
	TRY(append_as_text(line->ts, out));
	TRY(buf_append_text(out, "\",\"ecs\":{\"version\":\"" ECS_VERSION "\"},\"error\":{\"message\":"
				 "\"the record is no JSON\"},\"event\":{\"kind\":\"event\",\"module\":\"subgate\","
				 "\"dataset\":\"subgate.audit\",\"action\":\""));
	TRY(append_as_text(line->type, out));
	TRY(buf_append_text(out, "\",\"original\":\""));
	TRY(append_as_text(span_slice(line->text, 0, ORIGINAL_MAXIMUM), out));
	TRY(buf_append_text(out, "\"},\"subgate\":{\"chain\":{\"id\":\""));
	TRY(append_as_text(line->chain_id, out));
	return buf_printf(out, "\",\"seq\":%llu}}}", (unsigned long long)line->chain_seq);
}

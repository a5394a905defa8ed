/* Lines of the file of app passwords. Strict: what is not exactly a change is a fault. */
#include "auth/app_password/line.h"

#include <jansson.h>
#include <string.h>

static void release_json(json_t **json)
{
	json_decref(*json);
}

#define JSON_AUTO __attribute__((cleanup(release_json)))

static bool take_text(const json_t *line, const char *name, char *out_text, size_t size)
{
	const char *text = json_string_value(json_object_get(line, name));
	if (text == NULL || strlen(text) >= size)
		return false;
	snprintf(out_text, size, "%s", text);
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_bytes(const json_t *line, const char *name, unsigned char *out_bytes, size_t size)
{
	const char *text = json_string_value(json_object_get(line, name));
	if (text == NULL || strlen(text) != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		int high = hex_value(text[2 * i]);
		int low = hex_value(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out_bytes[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

static bool take_seconds(const json_t *line, const char *name, bool required, uint64_t *out_seconds)
{
	const json_t *value = json_object_get(line, name);
	*out_seconds = 0;
	if (value == NULL)
		return !required;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*out_seconds = (uint64_t)json_integer_value(value);
	return true;
}

static bool take_network(const json_t *line, struct app_password_record *record)
{
	if (json_object_get(line, "from") == NULL)
		return true;
	return take_text(line, "from", record->from_text, sizeof(record->from_text)) &&
	       network_parse(span_of(record->from_text), &record->from) == STATUS_OK;
}

static bool take_record(const json_t *line, struct app_password_record *record)
{
	char user[NAME_SIZE];
	return take_text(line, "user", user, sizeof(user)) &&
	       name_canonical(span_of(user), record->user) == STATUS_OK &&
	       take_text(line, "label", record->label, sizeof(record->label)) &&
	       take_bytes(line, "salt", record->hash.salt, sizeof(record->hash.salt)) &&
	       take_bytes(line, "hash", record->hash.digest, sizeof(record->hash.digest)) &&
	       take_seconds(line, "created", true, &record->created_s) &&
	       take_seconds(line, "expires", false, &record->expires_s) && take_network(line, record);
}

enum status store_parse_line(struct span line, enum store_operation *out_operation,
			     struct app_password_record *out_record)
{
	struct app_password_record record = { 0 };
	enum store_operation operation = STORE_REVOKE;
	json_t *json JSON_AUTO = json_loadb(line.data, line.size, JSON_REJECT_DUPLICATES, NULL);
	const char *op = json_string_value(json_object_get(json, "op"));
	if (op == NULL || !take_text(json, "id", record.id, sizeof(record.id)) || record.id[0] == '\0')
		return STATUS_INVALID;
	if (span_equal(span_of(op), SPAN("create"))) {
		operation = STORE_CREATE;
		if (!take_record(json, &record))
			return STATUS_INVALID;
	} else if (!span_equal(span_of(op), SPAN("revoke"))) {
		return STATUS_INVALID;
	}
	*out_operation = operation;
	*out_record = record;
	return STATUS_OK;
}

static enum status append_json(const json_t *json, struct buf *line)
{
	char text[STORE_LINE_MAXIMUM];
	size_t size = json_dumpb(json, text, sizeof(text), JSON_COMPACT);
	if (json == NULL || size == 0)
		return STATUS_NO_MEMORY;
	if (size >= sizeof(text))
		return STATUS_TOO_LARGE;
	TRY(buf_append(line, (struct span){ text, size }));
	return buf_append_byte(line, '\n');
}

enum status store_format_create(const struct app_password_record *record, struct buf *line)
{
	char salt[2 * APP_PASSWORD_SALT_SIZE + 1];
	char hash[HASH_SHA256_HEX_SIZE];
	hash_to_hex(record->hash.salt, sizeof(record->hash.salt), salt);
	hash_to_hex(record->hash.digest, sizeof(record->hash.digest), hash);
	json_t *json JSON_AUTO =
		json_pack("{ss ss ss ss ss ss sI}", "op", "create", "id", record->id, "user", record->user, "label",
			  record->label, "salt", salt, "hash", hash, "created", (json_int_t)record->created_s);
	if (json == NULL)
		return STATUS_INVALID; /* a text that is no UTF-8 */
	if (record->expires_s && json_object_set_new(json, "expires", json_integer((json_int_t)record->expires_s)))
		return STATUS_NO_MEMORY;
	if (record->from_text[0] && json_object_set_new(json, "from", json_string(record->from_text)))
		return STATUS_NO_MEMORY;
	return append_json(json, line);
}

enum status store_format_revoke(const char *id, struct buf *line)
{
	json_t *json JSON_AUTO = json_pack("{ss ss}", "op", "revoke", "id", id);
	return append_json(json, line);
}

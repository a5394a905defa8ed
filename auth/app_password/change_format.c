/* Changes as lines. */
#include <jansson.h>

#include "auth/app_password/change.h"

static void release_json(json_t **json)
{
	json_decref(*json);
}

#define JSON_AUTO __attribute__((cleanup(release_json)))

static const char *operation_text(enum change_operation operation)
{
	switch (operation) {
	case CHANGE_CREATE:
		return "create";
	case CHANGE_EXPIRE:
		return "expire";
	case CHANGE_ASSIGN:
		return "assign";
	case CHANGE_REVOKE:
	default:
		return "revoke";
	}
}

/* Takes `value` over; STATUS_INVALID where it could not be made, as from a text that is no UTF-8. */
static enum status set_member(json_t *line, const char *name, json_t *value)
{
	if (value == NULL)
		return STATUS_INVALID;
	return json_object_set_new(line, name, value) == 0 ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status set_text(json_t *line, const char *name, struct span text)
{
	return set_member(line, name, json_stringn(text.size ? text.data : "", text.size));
}

/* Nothing where it is 0. */
static enum status set_number(json_t *line, const char *name, uint64_t number)
{
	return number ? set_member(line, name, json_integer((json_int_t)number)) : STATUS_OK;
}

static enum status set_bytes(json_t *line, const char *name, const unsigned char *bytes, size_t size)
{
	char text[2 * HASH_SHA256_SIZE + 1];
	hash_to_hex(bytes, size, text);
	return set_text(line, name, span_of(text));
}

/* Nothing where it is empty. */
static enum status set_list(json_t *line, const char *name, struct span list)
{
	json_t *items JSON_AUTO = json_array();
	struct span item;
	while (list.size > 0 && span_cut(&list, '\n', &item)) {
		json_t *text = json_stringn(item.data, item.size);
		if (text == NULL)
			return STATUS_INVALID;
		if (json_array_append_new(items, text) != 0)
			return STATUS_NO_MEMORY;
	}
	if (json_array_size(items) == 0)
		return STATUS_OK;
	return json_object_set(line, name, items) == 0 ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status set_hash(json_t *line, const struct app_password_hash *hash)
{
	TRY(set_bytes(line, "salt", hash->salt, sizeof(hash->salt)));
	TRY(set_bytes(line, "hash", hash->digest, sizeof(hash->digest)));
	TRY(set_number(line, "iterations", hash->iterations));
	TRY(set_bytes(line, "stored", hash->stored_key, sizeof(hash->stored_key)));
	return set_bytes(line, "server", hash->server_key, sizeof(hash->server_key));
}

static enum status set_creation(json_t *line, const struct app_password_change *change)
{
	TRY(set_text(line, "user", change->texts[APP_PASSWORD_USER]));
	TRY(set_text(line, "label", change->texts[APP_PASSWORD_LABEL]));
	TRY(set_hash(line, &change->hash));
	TRY(set_member(line, "created", json_integer((json_int_t)change->created_s)));
	TRY(set_list(line, "from", change->texts[APP_PASSWORD_FROM]));
	TRY(set_list(line, "senders", change->texts[APP_PASSWORD_SENDERS]));
	TRY(set_list(line, "recipients", change->texts[APP_PASSWORD_RECIPIENTS]));
	TRY(set_number(line, "messages_per_day", change->messages_per_day));
	TRY(set_number(line, "console", change->is_console));
	if (change->texts[APP_PASSWORD_RESPONSIBLE].size == 0)
		return STATUS_OK;
	return set_text(line, "responsible", change->texts[APP_PASSWORD_RESPONSIBLE]);
}

enum status change_format(const struct app_password_change *change, struct buf *out_line)
{
	char text[CHANGE_LINE_MAXIMUM];
	json_t *line JSON_AUTO =
		json_pack("{si ss ss}", "v", 2, "op", operation_text(change->operation), "id", change->id);
	if (line == NULL)
		return STATUS_NO_MEMORY;
	if (change->operation == CHANGE_CREATE || change->operation == CHANGE_ASSIGN)
		TRY(set_text(line, "owner", change->owner));
	if (change->operation == CHANGE_CREATE)
		TRY(set_creation(line, change));
	TRY(set_number(line, "expires", change->expires_s));
	size_t size = json_dumpb(line, text, sizeof(text) - 1, JSON_COMPACT);
	if (size == 0)
		return STATUS_NO_MEMORY;
	if (size > sizeof(text) - 2)
		return STATUS_TOO_LARGE;
	text[size] = '\n';
	return buf_append(out_line, (struct span){ text, size + 1 });
}

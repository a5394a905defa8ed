/* Owns nothing. What can't be made for want of memory is missing; the page says what is there. */
#include "console/pages/history.h"

#include <string.h>

#define FIRST_REFUSAL 400 /* of codes of SMTP (RFC 5321, 4.2.1) */

static const char *text_at(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "";
}

/* "sent", "auth.failure" */
static const char *result_of(const json_t *record)
{
	const char *type = text_at(record, "type");
	return strncmp(type, "message.", 8) == 0 ? type + 8 : type;
}

/* A message as a whole is accepted for those recipients whom the relay had not refused before. */
static const char *outcome_of(const json_t *recipient, const char *result)
{
	if (json_integer_value(json_object_get(recipient, "code")) >= FIRST_REFUSAL)
		return "refused";
	return strcmp(result, "sent") == 0 ? "accepted" : result;
}

static void look_at_record(json_t *record)
{
	const char *result = result_of(record);
	size_t i;
	json_t *recipient;
	json_array_foreach(json_object_get(record, "rcpt_to"), i, recipient)
	{
		json_object_set_new(recipient, "outcome", json_string(outcome_of(recipient, result)));
	}
	json_object_set_new(record, "result", json_string(result));
}

static void look_at_records(const json_t *data, const char *name)
{
	size_t i;
	json_t *record;
	json_array_foreach(json_object_get(json_object_get(data, name), "records"), i, record)
	{
		look_at_record(record);
	}
}

void history_prepare(json_t *data)
{
	look_at_records(data, "messages");
	look_at_records(data, "found");
}

void history_prepare_message(json_t *data)
{
	json_t *found = json_object_get(data, "found"), *ordered = json_array();
	const json_t *records = json_object_get(found, "records");
	history_prepare(data);
	for (size_t i = json_array_size(records); i > 0; i--)
		json_array_append(ordered, json_array_get(records, i - 1));
	if (records && ordered)
		json_object_set(found, "records", ordered);
	json_decref(ordered);
}

static bool halve_records(json_t *list)
{
	json_t *records = json_object_get(list, "records");
	size_t count = json_array_size(records);
	while (count > 1 && json_array_size(records) > count / 2)
		json_array_remove(records, json_array_size(records) - 1);
	if (count <= 1)
		return false;
	json_object_set_new(list, "more", json_true());
	json_object_set_new(list, "is_cut", json_true());
	return true;
}

bool history_halve(json_t *data)
{
	bool is_shorter = halve_records(json_object_get(data, "messages"));
	return halve_records(json_object_get(data, "found")) || is_shorter;
}

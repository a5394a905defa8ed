/* The first answer says where to consent; the forms after it carry that along. Owns nothing. */
#include "console/pages/consent.h"

#include <stdbool.h>
#include <string.h>

static const char *text_in(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "";
}

static json_t *read_consent(const json_t *from, const char *relay)
{
	json_t *consent = json_object();
	static const char *const kept[] = { "id", "flow", "uri", "user_code" };
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		json_object_set_new(consent, kept[i], json_string(text_in(from, kept[i])));
	const char *url = text_in(from, "url"); /* of the consent page, which is shown as a device's is */
	if (*url)
		json_object_set_new(consent, "uri", json_string(url));
	json_object_set_new(consent, "relay", json_string(relay));
	json_object_set_new(consent, "is_device", json_boolean(strcmp(text_in(from, "flow"), "device") == 0));
	return consent;
}

void consent_prepare(json_t *data)
{
	const json_t *form = json_object_get(data, "form"), *result = json_object_get(data, "result");
	const char *state = text_in(result, "state");
	const json_t *from = *text_in(result, "flow") ? result : form;
	bool is_done = strcmp(state, "done") == 0;
	if (is_done)
		json_object_set_new(data, "is_consented", json_true());
	if (is_done || *text_in(from, "flow") == '\0')
		return;
	json_t *consent = read_consent(from, text_in(form, "relay"));
	json_object_set_new(consent, "is_pending", json_boolean(*state));
	json_object_set_new(data, "consent", consent);
}

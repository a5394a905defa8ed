/* Owns what it makes until the visit has it. */
#include "console/pages/profile.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "setup/client_settings.h"

#define PROFILE_TYPE "application/x-apple-aspen-config"
#define PLAIN_TYPE "text/plain; charset=utf-8"
/* Bytes: what the form may have brought as a password, each byte escaped, and the rest. */
#define PROFILE_MAXIMUM 65536

/* The settings, and the password beside them; the caller's to drop. NULL without memory. */
static json_t *gather_facts(const json_t *data)
{
	json_t *facts = json_copy(json_object_get(data, "settings"));
	json_t *password = json_object_get(json_object_get(data, "form"), "password");
	if (facts && json_is_string(password) && json_object_set(facts, "password", password) != 0) {
		json_decref(facts);
		return NULL;
	}
	return facts;
}

void profile_write(const json_t *data, struct visit *visit)
{
	char *text = NULL;
	size_t size = 0;
	const char *fault = NULL;
	json_t *facts = gather_facts(data);
	FILE *out = open_memstream(&text, &size);
	enum status status = facts && out ? client_settings_write(facts, out, &fault) : STATUS_NO_MEMORY;
	bool is_whole = out && fclose(out) == 0 && status == STATUS_OK && size <= PROFILE_MAXIMUM;
	json_decref(facts);
	if (is_whole) {
		visit_set_text(visit, MHD_HTTP_OK, PROFILE_TYPE, (struct span){ text, size });
		snprintf(visit->answer.file, sizeof(visit->answer.file), "subgate.mobileconfig");
	} else {
		visit_set_text(visit, fault ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_SERVICE_UNAVAILABLE, PLAIN_TYPE,
			       span_of(fault ? fault : "This can't be made now. Try again in a moment."));
	}
	if (text)
		explicit_bzero(text, size);
	free(text);
}

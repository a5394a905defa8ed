/* Lines of the app passwords' file, any bytes: what is taken has an id, and texts that end within their fields. */
#include <assert.h>
#include <string.h>

#include "auth/app_password/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct app_password_record record = { 0 };
	enum store_operation operation;
	if (store_parse_line((struct span){ (const char *)data, size }, &operation, &record) != STATUS_OK)
		return 0;
	assert(operation == STORE_CREATE || operation == STORE_REVOKE);
	assert(record.id[0] != '\0' && strnlen(record.id, sizeof(record.id)) < sizeof(record.id));
	assert(strnlen(record.user, sizeof(record.user)) < sizeof(record.user));
	assert(strnlen(record.label, sizeof(record.label)) < sizeof(record.label));
	assert(strnlen(record.from_text, sizeof(record.from_text)) < sizeof(record.from_text));
	if (operation == STORE_CREATE)
		assert(record.user[0] != '\0');
	return 0;
}

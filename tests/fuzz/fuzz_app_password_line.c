/* Lines of app passwords, any bytes: what is taken has an id and an owner, and is read the same once it was written. */
#include <assert.h>
#include <string.h>

#include "auth/app_password/change.h"

static void compare_changes(const struct app_password_change *a, const struct app_password_change *b)
{
	assert(strcmp(a->id, b->id) == 0 && span_equal(a->owner, b->owner) && a->expires_s == b->expires_s);
	for (size_t i = 0; i < APP_PASSWORD_TEXTS; i++)
		assert(span_equal(a->texts[i], b->texts[i]));
	assert(memcmp(a->hash.stored_key, b->hash.stored_key, sizeof(a->hash.stored_key)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char scratch[CHANGE_SCRATCH], again_scratch[CHANGE_SCRATCH];
	struct app_password_change change = { 0 }, again = { 0 };
	struct buf line BUF_AUTO;
	buf_init(&line, CHANGE_LINE_MAXIMUM);
	if (change_parse((struct span){ (const char *)data, size }, scratch, &change) != STATUS_OK)
		return 0;
	assert(change.id[0] != '\0' && strnlen(change.id, sizeof(change.id)) < sizeof(change.id));
	if (change.operation == CHANGE_CREATE || change.operation == CHANGE_ASSIGN)
		assert(change.owner.size > 0 && change.owner.size <= IDENTITY_ID_MAXIMUM);
	if (change.operation == CHANGE_CREATE && change.hash.iterations == 0)
		return 0; /* version 1 is only read */
	if (change_format(&change, &line) != STATUS_OK)
		return 0;
	struct span text = buf_span(&line);
	assert(change_parse(span_slice(text, 0, text.size - 1), again_scratch, &again) == STATUS_OK);
	compare_changes(&change, &again);
	return 0;
}

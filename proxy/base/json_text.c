/* Jansson's allocations are noted where they fail, for the thread that makes them. */
#include "base/json_text.h"

#include <stdbool.h>
#include <stdlib.h>

static _Thread_local bool has_failed;

static void *allocate_noting_failure(size_t size)
{
	void *memory = malloc(size);
	has_failed |= memory == NULL;
	return memory;
}

/* Before there are threads; whoever gives jansson another free() keeps this malloc(). */
__attribute__((constructor)) static void note_failures(void)
{
	json_set_alloc_funcs(allocate_noting_failure, free);
}

enum status json_parse(struct span text, json_t **out_value)
{
	has_failed = false;
	json_t *value = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
	if (has_failed) {
		json_decref(value);
		return STATUS_NO_MEMORY;
	}
	if (value == NULL)
		return STATUS_INVALID;
	*out_value = value;
	return STATUS_OK;
}

json_t *json_read(struct span text)
{
	json_t *value = NULL;
	return json_parse(text, &value) == STATUS_OK ? value : NULL;
}

char *json_write(const json_t *value)
{
	has_failed = false;
	char *text = json_dumps(value, JSON_COMPACT);
	if (!has_failed)
		return text;
	free(text);
	return NULL;
}

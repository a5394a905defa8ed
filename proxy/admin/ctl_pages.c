/*
 * An answer that comes in pages: as long as it has "next", the same request is sent again with that as "after". The
 * lists of all pages become one, so that whoever reads it, a person or a script, need not know of pages.
 */
#include "admin/ctl.h"

static enum status add_lists(json_t *whole, json_t *page)
{
	const char *key;
	json_t *value;
	json_object_foreach(page, key, value)
	{
		json_t *list = json_object_get(whole, key);
		if (json_is_array(value) && json_is_array(list) && json_array_extend(list, value) != 0)
			return STATUS_NO_MEMORY;
	}
	return STATUS_OK;
}

/* False: there is no more, or a refusal came in the middle, which then is the answer. */
static bool asks_for_more(json_t *request, json_t *page)
{
	json_t *next = json_object_get(page, "next");
	return json_is_true(json_object_get(page, "ok")) && json_is_string(next) &&
	       json_object_set(request, "after", next) == 0;
}

enum status ctl_exchange_pages(const char *path, json_t *request, FILE *errors, json_t **out_reply)
{
	json_t *whole = NULL;
	TRY(ctl_exchange(path, request, errors, &whole));
	json_t *page = json_incref(whole);
	enum status status = STATUS_OK;
	while (status == STATUS_OK && asks_for_more(request, page)) {
		json_decref(page);
		page = NULL;
		status = ctl_exchange(path, request, errors, &page);
		if (status == STATUS_OK)
			status = add_lists(whole, page);
	}
	if (status == STATUS_OK && !json_is_true(json_object_get(page, "ok"))) {
		json_decref(whole);
		whole = json_incref(page);
	}
	json_decref(page);
	if (status != STATUS_OK) {
		json_decref(whole);
		return status;
	}
	json_object_del(whole, "next");
	*out_reply = whole;
	return STATUS_OK;
}

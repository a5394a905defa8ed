/* Names, and what scripts are given: keys and numbers. Pure. */
#include <stdio.h>
#include <string.h>

#include "quota/quota_private.h"
#include "redis/script.h"

enum status quota_name_shared(const char *section, char out_name[QUOTA_USER_MAXIMUM])
{
	int size = snprintf(out_name, QUOTA_USER_MAXIMUM, "\t%s", section);
	return size > 0 && size < QUOTA_USER_MAXIMUM ? STATUS_OK : STATUS_TOO_LARGE;
}

bool quota_name_is_shared(struct span name)
{
	return span_starts_with(name, SPAN("\t"));
}

enum status quota_name_of(const struct quota_name *given, char out_name[QUOTA_USER_MAXIMUM])
{
	int size =
		snprintf(out_name, QUOTA_USER_MAXIMUM, "%s%.*s", given->is_shared ? "\t" : "", SPAN_ARGS(given->name));
	return size > 0 && size < QUOTA_USER_MAXIMUM ? STATUS_OK : STATUS_TOO_LARGE;
}

enum status quota_write_key(struct buf *key, const char *prefix, const char *kind, struct span name)
{
	char shared_kind[32];
	if (name.size > QUOTA_USER_MAXIMUM)
		return STATUS_TOO_LARGE;
	if (!quota_name_is_shared(name))
		return script_write_key(key, prefix, kind, name);
	snprintf(shared_kind, sizeof(shared_kind), "shared-%s", kind);
	return script_write_key(key, prefix, shared_kind, span_slice(name, 1, name.size));
}

/* There, some bytes of the prefix would mean something else. */
enum status quota_write_pattern(struct buf *pattern, const char *prefix, const char *kind)
{
	for (const char *at = prefix; *at; at++) {
		if (strchr("*?[]\\", *at))
			TRY(buf_append_byte(pattern, '\\'));
		TRY(buf_append_byte(pattern, *at));
	}
	return buf_printf(pattern, "%s:{*}", kind);
}

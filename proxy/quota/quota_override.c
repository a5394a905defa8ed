/*
 * Limits that were set by hand for one user: fields "limit OPTION" of the hash where their locks are, which has no
 * expiry and which each charge reads (overrides.lua), so that they hold on all nodes at once. by_hand.h tells how they
 * outlive a loss of Redis's.
 */
#include <string.h>

#include "quota/quota_private.h"
#include "redis/script.h"

#define FIELD_SIZE 48 /* bytes, the NUL included */
#define VALUE_SIZE 48 /* bytes, the NUL included */

static const struct {
	const char *name;
	size_t offset; /* of the limit in struct quota_limits */
} options[QUOTA_OVERRIDES] = {
	{ "messages_per_day", offsetof(struct quota_limits, messages_per_day) },
	{ "recipients_per_day", offsetof(struct quota_limits, recipients_per_day) },
	{ "bytes_per_day", offsetof(struct quota_limits, bytes_per_day) },
	{ "new_recipients_per_day", offsetof(struct quota_limits, new_recipients_per_day) },
	{ "messages_per_hour", offsetof(struct quota_limits, messages_per_hour) },
	{ "messages_per_minute", offsetof(struct quota_limits, messages_per_minute) },
};

const char *quota_override_option(size_t index)
{
	return index < QUOTA_OVERRIDES ? options[index].name : NULL;
}

/* ---- reading */

bool quota_override_read(struct span field, struct span value, uint64_t now_s, struct quota_override *out_override)
{
	struct span kind, version, limit;
	struct quota_override override = { 0 };
	if (!span_cut(&field, ' ', &kind) || !span_equal(kind, SPAN("limit")))
		return false;
	for (size_t i = 0; i < QUOTA_OVERRIDES; i++) {
		if (span_equal(field, span_of(options[i].name)))
			override.option = options[i].name;
	}
	if (override.option == NULL || !span_cut(&value, ' ', &version) || !span_equal(version, SPAN("1")) ||
	    !span_cut(&value, ' ', &limit) || span_to_u64(limit, &override.limit) != STATUS_OK ||
	    span_to_u64(value, &override.until_s) != STATUS_OK)
		return false;
	if (override.until_s != 0 && override.until_s <= now_s)
		return false;
	*out_override = override;
	return true;
}

void quota_override_apply(const struct quota_override *override, struct quota_limits *limits)
{
	for (size_t i = 0; i < QUOTA_OVERRIDES; i++) {
		if (strcmp(options[i].name, override->option) == 0)
			*(uint64_t *)((char *)limits + options[i].offset) = override->limit;
	}
}

/* ---- changing */

static enum status send_change(struct quota *quota, const struct quota_name *name, enum by_hand_deed deed,
			       const struct by_hand_limit *limits, size_t count, by_hand_callback *callback,
			       void *context)
{
	char whose[QUOTA_USER_MAXIMUM];
	TRY(quota_name_of(name, whose));
	return by_hand_change_limits(&quota->by_hand, deed, span_of(whose), limits, count, callback, context);
}

enum status quota_set_limits(struct quota *quota, const struct quota_name *name, const struct quota_override *overrides,
			     size_t count, by_hand_callback *callback, void *context)
{
	char fields[QUOTA_OVERRIDES][FIELD_SIZE], values[QUOTA_OVERRIDES][VALUE_SIZE];
	struct by_hand_limit limits[QUOTA_OVERRIDES];
	if (count == 0 || count > QUOTA_OVERRIDES)
		return STATUS_INVALID;
	for (size_t i = 0; i < count; i++) {
		snprintf(fields[i], FIELD_SIZE, "limit %s", overrides[i].option);
		snprintf(values[i], VALUE_SIZE, "1 %llu %llu", (unsigned long long)overrides[i].limit,
			 (unsigned long long)overrides[i].until_s);
		limits[i] = (struct by_hand_limit){ span_of(fields[i]), span_of(values[i]) };
	}
	return send_change(quota, name, BY_HAND_SET, limits, count, callback, context);
}

enum status quota_unset_limits(struct quota *quota, const struct quota_name *name, const char *option,
			       by_hand_callback *callback, void *context)
{
	char fields[QUOTA_OVERRIDES][FIELD_SIZE];
	struct by_hand_limit limits[QUOTA_OVERRIDES];
	size_t count = 0;
	for (size_t i = 0; i < QUOTA_OVERRIDES; i++) {
		if (option && strcmp(option, options[i].name) != 0)
			continue;
		snprintf(fields[i], FIELD_SIZE, "limit %s", options[i].name);
		limits[count++] = (struct by_hand_limit){ .field = span_of(fields[i]) };
	}
	if (count == 0)
		return STATUS_INVALID;
	return send_change(quota, name, BY_HAND_UNSET, limits, count, callback, context);
}

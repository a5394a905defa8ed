/* Which limits a user falls under, and the sentence that tells them. Pure. */
#include <string.h>

#include "base/clock.h"
#include "quota/quota.h"

static struct quota_limits limits_of(const struct config_quota *section)
{
	return (struct quota_limits){
		.messages_per_day = section->messages_per_day,
		.recipients_per_day = section->recipients_per_day,
		.bytes_per_day = section->bytes_per_day,
		.messages_per_minute = section->messages_per_minute,
		.refused_recipients_per_hour = section->refused_recipients_per_hour,
	};
}

/* Without a section `default` the options' own defaults hold (see config/options.def). */
void quota_limits_for(const struct config *config, struct span user, const struct span *groups, size_t group_count,
		      struct quota_limits *out_limits)
{
	const struct config_quota *fallback = NULL;
	for (size_t i = 0; i < config->quota.count; i++) {
		const struct config_quota *section = &config->quota.items[i];
		if (config_names_user(&section->users, &section->groups, user, groups, group_count)) {
			*out_limits = limits_of(section);
			return;
		}
		if (strcmp(section->name, "default") == 0)
			fallback = section;
	}
	*out_limits = fallback ? limits_of(fallback) : QUOTA_LIMITS_DEFAULT;
}

void quota_format(enum quota_verdict verdict, const struct quota_state *state, char *out_text, size_t size)
{
	char resets_at[CLOCK_TEXT_SIZE];
	clock_format_seconds(state->resets_at, resets_at);
	switch (verdict) {
	case QUOTA_DAY_EXCEEDED:
		snprintf(out_text, size, "Daily sending quota exceeded: %llu of %llu %s, resets at %s",
			 (unsigned long long)state->used, (unsigned long long)state->limit, state->unit, resets_at);
		return;
	case QUOTA_BURST_EXCEEDED:
		snprintf(out_text, size,
			 "Too many messages at once: %llu of %llu in this minute, try again in the next",
			 (unsigned long long)state->used, (unsigned long long)state->limit);
		return;
	case QUOTA_GRANTED:
		snprintf(out_text, size, "%llu of %llu messages used, resets at %s",
			 (unsigned long long)state->messages, (unsigned long long)state->limits.messages_per_day,
			 resets_at);
		return;
	case QUOTA_UNKNOWN:
	case QUOTA_NOT_CHARGED:
		break;
	}
	snprintf(out_text, size, "The quota service is not available, try again later");
}

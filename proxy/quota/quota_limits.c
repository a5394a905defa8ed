/* Which limits a user falls under, and the sentence that tells them. Pure. */
#include <string.h>

#include "base/clock.h"
#include "quota/quota_private.h"

struct quota_limits quota_limits_of(const struct config_quota *section)
{
	return (struct quota_limits){
		.messages_per_day = section->messages_per_day,
		.recipients_per_day = section->recipients_per_day,
		.bytes_per_day = section->bytes_per_day,
		.new_recipients_per_day = section->new_recipients_per_day,
		.messages_per_hour = section->messages_per_hour,
		.messages_per_minute = section->messages_per_minute,
		.recipients_per_message = section->recipients_per_message,
		.refused_recipients_per_hour = section->refused_recipients_per_hour,
		.section = section->name,
	};
}

static bool names_user(const struct config_quota *section, struct span user, const struct span *groups,
		       size_t group_count)
{
	return config_names_user(&section->users, &section->groups, user, groups, group_count) ||
	       config_names_domain(&section->domains, user);
}

/* Without a section `default` the options' own defaults hold (see config/options.def). */
const char *quota_limits_for(const struct config *config, struct span user, const struct span *groups,
			     size_t group_count, struct quota_limits *out_limits)
{
	const struct config_quota *own = NULL, *shared = NULL, *fallback = NULL;
	for (size_t i = 0; i < config->quota.count; i++) {
		const struct config_quota *section = &config->quota.items[i];
		const struct config_quota **found = section->shared ? &shared : &own;
		if (strcmp(section->name, "default") == 0)
			fallback = section;
		else if (*found == NULL && names_user(section, user, groups, group_count))
			*found = section;
	}
	if (own == NULL)
		own = fallback;
	*out_limits = own ? quota_limits_of(own) : QUOTA_LIMITS_DEFAULT;
	if (out_limits->section == NULL)
		out_limits->section = "default";
	out_limits->shared = shared;
	return out_limits->section;
}

static void write_whose(const struct quota_state *state, char out_text[160])
{
	out_text[0] = '\0';
	if (state->shared)
		snprintf(out_text, 160, " of %.120s", state->shared);
}

void quota_format(enum quota_verdict verdict, const struct quota_state *state, char *out_text, size_t size)
{
	char resets_at[CLOCK_TEXT_SIZE], whose[160];
	clock_format_seconds(state->resets_at, resets_at);
	write_whose(state, whose);
	switch (verdict) {
	case QUOTA_DAY_EXCEEDED:
		snprintf(out_text, size, "Daily sending quota%s exceeded: %llu of %llu %s, resets at %s", whose,
			 (unsigned long long)state->used, (unsigned long long)state->limit, state->unit, resets_at);
		return;
	case QUOTA_BURST_EXCEEDED:
		snprintf(out_text, size, "Too many messages%s at once: %llu of %llu %s, try again at %s", whose,
			 (unsigned long long)state->used, (unsigned long long)state->limit, state->unit, resets_at);
		return;
	case QUOTA_GRANTED:
		snprintf(out_text, size, "%llu of %llu messages used, resets at %s",
			 (unsigned long long)state->messages, (unsigned long long)state->limits.messages_per_day,
			 resets_at);
		return;
	case QUOTA_LOCKED:
	case QUOTA_UNKNOWN:
	case QUOTA_NOT_CHARGED:
		break;
	}
	snprintf(out_text, size, "The quota service is not available, try again later");
}

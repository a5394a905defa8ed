/* Looking a name up in one directory after the other. Owns nothing but the question under way. */
#include "auth/lookup.h"

static void ask_next_directory(struct lookup *lookup);

static void answer_by_name(struct lookup *lookup, enum lookup_result result)
{
	struct identity identity IDENTITY_AUTO;
	identity_init(&identity);
	if (identity_of_name(lookup->name, &identity) != STATUS_OK)
		result = LOOKUP_AWAY; /* out of memory */
	lookup->on_done(lookup->context, result, &identity);
}

static void on_answer(void *context, const struct ldap_request *answer)
{
	struct lookup *lookup = context;
	lookup->waiting = NULL;
	if (answer->verdict == VERDICT_GRANTED || answer->verdict == VERDICT_DISABLED) {
		lookup->refusal = answer->verdict == VERDICT_DISABLED ? answer->reason : "";
		lookup->on_done(lookup->context, LOOKUP_ENTRY, &answer->identity);
	} else if (answer->verdict == VERDICT_NONE) {
		lookup->directory++;
		ask_next_directory(lookup);
	} else {
		answer_by_name(lookup, LOOKUP_AWAY);
	}
}

static void ask_next_directory(struct lookup *lookup)
{
	const struct chain_parts *parts = lookup->parts;
	if (lookup->directory == parts->directory_count)
		answer_by_name(lookup, LOOKUP_NO_ENTRY);
	else if (directory_question(parts->directories[lookup->directory], 0, lookup->name, NULL, NULL, on_answer,
				    lookup, &lookup->waiting) != STATUS_OK)
		answer_by_name(lookup, LOOKUP_AWAY);
}

void lookup_begin(const struct chain_parts *parts, const char *name, lookup_callback *on_done, void *context,
		  struct lookup *lookup)
{
	*lookup = (struct lookup){ .parts = parts, .on_done = on_done, .context = context, .refusal = "" };
	snprintf(lookup->name, sizeof(lookup->name), "%s", name);
	ask_next_directory(lookup);
}

void lookup_end(struct lookup *lookup)
{
	directory_forget(&lookup->waiting);
}

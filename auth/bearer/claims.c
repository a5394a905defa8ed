/* Claims (RFC 7519, 4.1; RFC 9068, 4; RFC 7662, 2.2), each with the check that it is for. */
#include "auth/bearer/claims.h"

#include <string.h>

#include "smtp/address.h"

#define CLOCK_SKEW_S 60           /* an issuer's clock may be ahead of ours by that much */
#define UNTOLD_LIFETIME_S 300     /* of an answer that tells no end */
#define TIME_MAXIMUM (1ULL << 40) /* seconds */

static struct span text_of(const json_t *value)
{
	return (struct span){ json_string_value(value), json_string_length(value) };
}

/* ---- times */

/* STATUS_NOT_FOUND: not there. Fractions are cut (RFC 7519, 2: NumericDate). */
static enum status read_time(const json_t *claims, const char *name, uint64_t *out_s)
{
	const json_t *value = json_object_get(claims, name);
	if (value == NULL)
		return STATUS_NOT_FOUND;
	double seconds = json_number_value(value);
	if (!json_is_number(value) || !(seconds >= 0) || seconds > (double)TIME_MAXIMUM)
		return STATUS_INVALID;
	*out_s = (uint64_t)seconds;
	return STATUS_OK;
}

/* Why it isn't good now, or NULL. */
static const char *judge_times(const json_t *claims, bool introspected, uint64_t now_s, uint64_t *out_expires_s)
{
	uint64_t expires_s = 0, begins_s = 0;
	enum status status = read_time(claims, "exp", &expires_s);
	if (status == STATUS_NOT_FOUND && introspected)
		expires_s = now_s + UNTOLD_LIFETIME_S;
	else if (status != STATUS_OK)
		return "token without an end";
	if (expires_s <= now_s)
		return "token expired";
	status = read_time(claims, "nbf", &begins_s);
	if (status == STATUS_INVALID || (status == STATUS_OK && begins_s > now_s + CLOCK_SKEW_S))
		return "token not valid yet";
	*out_expires_s = expires_s;
	return NULL;
}

/* ---- whom and what it is for */

static bool lists_text(const struct config_list *list, struct span text)
{
	for (size_t i = 0; i < list->count; i++)
		if (!span_is_empty(text) && span_equal(span_of(list->items[i]), text))
			return true;
	return false;
}

static bool is_for_us(const json_t *claims, const struct config_bearer *config, bool introspected)
{
	const json_t *audience = json_object_get(claims, "aud");
	size_t i;
	const json_t *item;
	if (audience == NULL && introspected)
		return lists_text(&config->audiences, text_of(json_object_get(claims, "client_id")));
	if (json_is_string(audience))
		return lists_text(&config->audiences, text_of(audience));
	json_array_foreach(audience, i, item)
	{
		if (lists_text(&config->audiences, text_of(item)))
			return true;
	}
	return false;
}

/* A text of words, or a list of them. */
static bool has_word(const json_t *value, struct span wanted)
{
	struct span rest = text_of(value), word;
	size_t i;
	const json_t *item;
	while (json_is_string(value) && span_cut(&rest, ' ', &word)) {
		if (span_equal(word, wanted))
			return true;
	}
	json_array_foreach(value, i, item)
	{
		if (json_is_string(item) && span_equal(text_of(item), wanted))
			return true;
	}
	return false;
}

static bool has_scopes(const json_t *claims, const struct config_bearer *config)
{
	for (size_t i = 0; i < config->scopes.count; i++) {
		struct span wanted = span_of(config->scopes.items[i]);
		if (!has_word(json_object_get(claims, "scope"), wanted) &&
		    !has_word(json_object_get(claims, "scp"), wanted))
			return false;
	}
	return true;
}

/* To a key that we don't see (RFC 7800, 3; RFC 8705, 3.2; RFC 9449, 6.2), whoever says so. */
static bool is_bound(const json_t *claims)
{
	const json_t *type = json_object_get(claims, "token_type");
	return json_object_get(claims, "cnf") ||
	       (json_is_string(type) && span_equal_nocase(text_of(type), SPAN("DPoP")));
}

static const char *judge_purpose(const json_t *claims, const struct config_bearer *config, bool introspected)
{
	const json_t *issuer = json_object_get(claims, "iss");
	bool is_issuers = (issuer == NULL && introspected) || span_equal(text_of(issuer), span_of(config->issuer));
	if (!is_issuers)
		return "token of another issuer";
	if (!is_for_us(claims, config, introspected))
		return "token for another audience";
	if (is_bound(claims))
		return "token that needs another proof";
	return has_scopes(claims, config) ? NULL : "token without the scope";
}

/* ---- who holds it */

const json_t *bearer_claims_find(const json_t *claims, struct span name)
{
	const json_t *found = json_object_getn(claims, name.data, name.size);
	struct span part;
	if (found)
		return found;
	for (found = claims; found && span_cut(&name, '.', &part);)
		found = json_object_getn(found, part.data, part.size);
	return found;
}

static const char *read_user(const json_t *claims, const struct config_bearer *config, struct identity *holder)
{
	struct span name = text_of(bearer_claims_find(claims, span_of(config->user_claim)));
	if (strcmp(config->user_claim, "email") == 0 && !json_is_true(json_object_get(claims, "email_verified")))
		return "token whose e-mail address is not verified";
	if (span_is_empty(name) || name_canonical(name, holder->user) != STATUS_OK)
		return "token that names nobody";
	return NULL;
}

static enum status add_group(struct identity *holder, struct span group)
{
	return identity_add_group(holder, group);
}

/* Whole domains are the configuration's to give. */
static enum status add_sender(struct identity *holder, struct span sender)
{
	struct mailbox mailbox;
	if (address_read(sender, true, &mailbox) != STATUS_OK || span_is_empty(mailbox.local) ||
	    span_is_empty(mailbox.domain))
		return STATUS_INVALID;
	return identity_add(&holder->senders, sender);
}

/* A text, or a list of them; what is none of a kind is left out. */
static enum status add_all(const json_t *value, enum status (*add)(struct identity *holder, struct span text),
			   struct identity *holder)
{
	size_t i;
	const json_t *item;
	enum status status = json_is_string(value) ? add(holder, text_of(value)) : STATUS_OK;
	json_array_foreach(value, i, item)
	{
		if (status == STATUS_OK || status == STATUS_INVALID)
			status = json_is_string(item) ? add(holder, text_of(item)) : STATUS_OK;
	}
	return status == STATUS_INVALID ? STATUS_OK : status;
}

/* Microsoft leaves out long lists, and says where to ask for them. */
static bool is_elsewhere(const json_t *claims, const char *name)
{
	return json_object_get(json_object_get(claims, "_claim_names"), name) || json_object_get(claims, "hasgroups");
}

static enum status read_lists(const json_t *claims, const struct config_bearer *config, struct identity *holder)
{
	if (*config->groups_claim) {
		const json_t *groups = bearer_claims_find(claims, span_of(config->groups_claim));
		if (groups == NULL && is_elsewhere(claims, config->groups_claim))
			return STATUS_TOO_LARGE;
		TRY(add_all(groups, add_group, holder));
	}
	if (*config->senders_claim)
		TRY(add_all(bearer_claims_find(claims, span_of(config->senders_claim)), add_sender, holder));
	return STATUS_OK;
}

enum status bearer_claims_read(const json_t *claims, const struct config_bearer *config, bool introspected,
			       uint64_t now_s, struct identity *out_holder, uint64_t *out_expires_s,
			       const char **out_reason)
{
	const char *fault = judge_purpose(claims, config, introspected);
	if (fault == NULL)
		fault = judge_times(claims, introspected, now_s, out_expires_s);
	if (fault == NULL)
		fault = read_user(claims, config, out_holder);
	if (fault) {
		*out_reason = fault;
		return STATUS_INVALID;
	}
	return read_lists(claims, config, out_holder);
}

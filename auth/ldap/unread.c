/* One attribute after the other; what a server does not answer is shown to whoever wants an explanation, no more. */
#include "auth/ldap/unread.h"

#include <stdio.h>
#include <string.h>

#include "auth/ldap/standing.h"
#include "auth/ldap/steps.h"

#define NAMES_SIZE 256   /* bytes of all attributes of one kind of server */
#define NAMES_MAXIMUM 16 /* attributes of the table */

struct question {
	struct ldap_link *link;
	const struct ldap_entry *entry;
	char hidden[NAMES_SIZE]; /* names, or "" */
	char unknown[NAMES_SIZE];
};

static void add_name(char names[NAMES_SIZE], const char *name)
{
	size_t size = strlen(names);
	snprintf(names + size, NAMES_SIZE - size, "%s%s", size ? ", " : "", name);
}

static bool has_value(LDAP *handle, LDAPMessage *message, const char *attribute, const char *value)
{
	bool found = false;
	struct berval **values = ldap_get_values_len(handle, message, attribute);
	for (int i = 0; i < ldap_count_values_len(values) && !found; i++)
		found = value == NULL ||
			span_equal((struct span){ values[i]->bv_val, values[i]->bv_len }, span_of(value));
	ldap_value_free_len(values);
	return found;
}

/* ---- 389 Directory Server */

/* Whether "NAME:rsc, NAME:none" says that `attribute` may be read. STATUS_NOT_FOUND: it says nothing of it. */
static enum status find_right(struct span rights, const char *attribute, bool *out_may_read)
{
	while (!span_is_empty(rights)) {
		struct span item = rights;
		const char *comma = memchr(rights.data, ',', rights.size);
		item.size = comma ? (size_t)(comma - rights.data) : rights.size;
		rights = span_slice(rights, comma ? item.size + 1 : item.size, rights.size);
		item = span_trim(item);
		const char *colon = item.size ? memchr(item.data, ':', item.size) : NULL;
		size_t size = colon ? (size_t)(colon - item.data) : 0;
		if (colon && span_equal_nocase(span_slice(item, 0, size), span_of(attribute))) {
			*out_may_read = span_contains_byte(span_slice(item, size + 1, item.size), 'r');
			return STATUS_OK;
		}
	}
	return STATUS_NOT_FOUND;
}

static void judge_right(struct question *question, LDAPMessage *message, const char *attribute)
{
	bool may_read = false;
	enum status status = STATUS_NOT_FOUND;
	struct berval **values = ldap_get_values_len(question->link->handle, message, "attributeLevelRights");
	for (int i = 0; i < ldap_count_values_len(values) && status != STATUS_OK; i++)
		status = find_right((struct span){ values[i]->bv_val, values[i]->bv_len }, attribute, &may_read);
	ldap_value_free_len(values);
	if (status != STATUS_OK)
		add_name(question->unknown, attribute);
	else if (!may_read)
		add_name(question->hidden, attribute);
}

static bool is_of_389(const struct question *question, size_t index)
{
	enum standing_server server = standing_server(index);
	return server == STANDING_389DS ||
	       (server == STANDING_FREEIPA && question->entry->config->profile == PROFILE_FREEIPA);
}

static void ask_for_rights(struct question *question)
{
	char *attributes[NAMES_MAXIMUM + 1] = { 0 };
	size_t count = 0;
	LDAPMessage *result = NULL, *message = NULL;
	for (size_t i = 0; standing_attribute(i) && count < NAMES_MAXIMUM; i++)
		if (is_of_389(question, i))
			attributes[count++] = standing_attribute(i);
	if (ldap_link_search_rights(question->link, question->entry->dn, question->entry->config->bind_dn, attributes,
				    &result) == LDAP_SUCCESS)
		message = ldap_first_entry(question->link->handle, result);
	for (size_t i = 0; i < count; i++)
		if (message)
			judge_right(question, message, attributes[i]);
		else
			add_name(question->unknown, attributes[i]);
	ldap_msgfree(result);
}

/* ---- others */

/* At OpenLDAP, whoever may read an attribute may compare it. */
static void compare_attribute(struct question *question, size_t index)
{
	const char *attribute = standing_attribute(index);
	switch (ldap_link_compare(question->link, question->entry->dn, attribute, standing_sample(index))) {
	case LDAP_INSUFFICIENT_ACCESS:
		add_name(question->hidden, attribute);
		break;
	case LDAP_COMPARE_TRUE:
	case LDAP_COMPARE_FALSE:
	case LDAP_NO_SUCH_ATTRIBUTE:
	case LDAP_UNDEFINED_TYPE: /* without a password policy nobody has it */
		break;
	default:
		add_name(question->unknown, attribute);
		break;
	}
}

static void ask_by_comparing(struct question *question)
{
	for (size_t i = 0; standing_attribute(i); i++)
		if (standing_server(i) == STANDING_OPENLDAP)
			compare_attribute(question, i);
}

/* ---- */

static bool knows_rights(struct ldap_link *link)
{
	static char controls[] = "supportedControl";
	char *attributes[] = { controls, NULL };
	LDAPMessage *result = NULL;
	int code = ldap_link_search(link, "", LDAP_SCOPE_BASE, "(objectClass=*)", attributes, &result);
	LDAPMessage *root = code == LDAP_SUCCESS ? ldap_first_entry(link->handle, result) : NULL;
	bool known = root && has_value(link->handle, root, controls, LDAP_EFFECTIVE_RIGHTS);
	ldap_msgfree(result);
	return known;
}

static bool is_active_directory(const struct ldap_entry *entry)
{
	return has_value(entry->handle, entry->message, "objectGUID", NULL) ||
	       has_value(entry->handle, entry->message, "userAccountControl", NULL);
}

static void tell_hidden(const struct question *question)
{
	if (question->hidden[0])
		ldap_tell(question->entry->tell, LDAP_TELL_UNREADABLE, question->entry->dn,
			  "bind_dn may not read %s, so that nobody sees whether these keep an account out",
			  question->hidden);
	if (question->unknown[0])
		ldap_step("the server does not say whether bind_dn may read %s", question->unknown);
	if (!question->hidden[0] && !question->unknown[0])
		ldap_step("bind_dn may read what would keep an account out");
}

void ldap_unread_tell(struct ldap_link *link, const struct ldap_entry *entry, bool explains)
{
	struct question question = { .link = link, .entry = entry };
	if (atomic_exchange(&entry->tell->has_asked, true) && !explains)
		return;
	if (is_active_directory(entry))
		return;
	if (knows_rights(link))
		ask_for_rights(&question);
	else
		ask_by_comparing(&question);
	tell_hidden(&question);
}

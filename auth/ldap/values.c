/* Values, and the ranges that they come in. */
#include "auth/ldap/values.h"

#include <stdlib.h>

#define RANGES_MAXIMUM 64    /* of 1,500 values and more */
#define DESCRIPTION_SIZE 256 /* bytes of "attribute;range=1500-*" */

struct visit {
	struct ldap_link *link;
	const char *attribute;
	enum status (*take)(void *context, struct span value);
	void *context;
	uint64_t next; /* the first value that has not come; 0: all have */
};

int ldap_values_code(enum status status)
{
	if (status == STATUS_OK)
		return LDAP_SUCCESS;
	return status == STATUS_TOO_LARGE ? LDAP_SIZELIMIT_EXCEEDED : LDAP_NO_MEMORY;
}

/* Under this description of the attribute. */
static enum status take_values(struct visit *visit, LDAPMessage *entry, const char *description)
{
	struct berval **values = ldap_get_values_len(visit->link->handle, entry, description);
	enum status status = STATUS_OK;
	for (size_t i = 0; values && values[i] && status == STATUS_OK; i++)
		status = visit->take(visit->context, (struct span){ values[i]->bv_val, values[i]->bv_len });
	ldap_value_free_len(values);
	return status;
}

/* "memberOf;range=0-1499": then 1500 is next; "1500-*" was the last. False: no range of the attribute. */
static bool read_range(struct visit *visit, const char *description)
{
	struct span rest = span_of(description), attribute = span_of(visit->attribute), low, high;
	uint64_t last = 0;
	if (!span_starts_with_nocase(rest, attribute))
		return false;
	rest = span_slice(rest, attribute.size, rest.size);
	if (!span_starts_with_nocase(rest, SPAN(";range=")))
		return false;
	rest = span_slice(rest, 7, rest.size);
	if (!span_cut(&rest, '-', &low) || !span_cut(&rest, '\0', &high))
		return false;
	if (span_equal(high, SPAN("*")))
		visit->next = 0;
	else if (span_to_u64(high, &last) == STATUS_OK && last + 1 > visit->next)
		visit->next = last + 1;
	else
		return false;
	return true;
}

static enum status take_range(struct visit *visit, LDAPMessage *entry)
{
	BerElement *at = NULL;
	LDAP *handle = visit->link->handle;
	enum status status = STATUS_OK;
	bool is_found = false;
	visit->next = visit->next ? visit->next : 1; /* so that a range that goes back is none */
	for (char *name = ldap_first_attribute(handle, entry, &at); name;
	     name = ldap_next_attribute(handle, entry, at)) {
		if (!is_found && read_range(visit, name)) {
			is_found = true;
			status = take_values(visit, entry, name);
		}
		ldap_memfree(name);
	}
	ber_free(at, 0);
	if (!is_found)
		visit->next = 0;
	return status;
}

static int ask_on(struct visit *visit, const char *dn)
{
	char description[DESCRIPTION_SIZE];
	char *attributes[] = { description, NULL };
	LDAPMessage *result = NULL;
	int size = snprintf(description, sizeof(description), "%s;range=%llu-*", visit->attribute,
			    (unsigned long long)visit->next);
	if (size < 0 || (size_t)size >= sizeof(description))
		return LDAP_PARAM_ERROR;
	int code = ldap_link_search(visit->link, dn, LDAP_SCOPE_BASE, "(objectClass=*)", attributes, &result);
	LDAPMessage *entry = code == LDAP_SUCCESS ? ldap_first_entry(visit->link->handle, result) : NULL;
	if (code == LDAP_SUCCESS && entry == NULL)
		code = LDAP_NO_SUCH_OBJECT; /* gone since the search */
	if (code == LDAP_SUCCESS)
		code = ldap_values_code(take_range(visit, entry));
	ldap_msgfree(result);
	return code;
}

int ldap_values_visit(struct ldap_link *link, const char *dn, LDAPMessage *entry, const char *attribute,
		      enum status (*take)(void *context, struct span value), void *context)
{
	struct visit visit = { .link = link, .attribute = attribute, .take = take, .context = context };
	int code = ldap_values_code(take_values(&visit, entry, attribute));
	if (code == LDAP_SUCCESS)
		code = ldap_values_code(take_range(&visit, entry));
	for (unsigned i = 0; visit.next && code == LDAP_SUCCESS; i++)
		code = i < RANGES_MAXIMUM ? ask_on(&visit, dn) : LDAP_SIZELIMIT_EXCEEDED;
	return code;
}

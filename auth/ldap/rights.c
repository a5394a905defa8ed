/* The searches after that for the entry. Nobody is asked twice for what the entry already holds. */
#include "auth/ldap/rights.h"

#include <stdlib.h>

#include "auth/ldap/filter.h"
#include "auth/ldap/groups.h"
#include "auth/ldap/values.h"

#define PAGES_MAXIMUM 10 /* of 500 shared mailboxes */

struct rights {
	struct ldap_link *link;
	const struct ldap_entry *entry;
	const char *name;
	struct identity *identity;
};

static enum status take_sender(void *context, struct span value)
{
	const struct rights *rights = context;
	return ldap_entry_add_sender(rights->entry->config, value, rights->identity);
}

static int add_senders(struct rights *rights, const char *dn, LDAPMessage *message)
{
	const struct config_list *attributes = &rights->entry->config->sender_attributes;
	int code = LDAP_SUCCESS;
	for (size_t i = 0; i < attributes->count && code == LDAP_SUCCESS; i++)
		code = ldap_values_visit(rights->link, dn, message, attributes->items[i], take_sender, rights);
	return code;
}

/* The filter, with the person put in and a NUL at its end. */
static int expand_filter(const struct rights *rights, const char *template, struct buf *out)
{
	enum status status = ldap_filter_expand(template, span_of(rights->name), span_of(rights->entry->dn), out);
	if (status == STATUS_OK)
		status = buf_append_byte(out, '\0');
	return ldap_values_code(status);
}

/* ---- shared mailboxes */

static int add_mailboxes(struct rights *rights, LDAPMessage *result)
{
	LDAP *handle = rights->link->handle;
	int code = LDAP_SUCCESS;
	for (LDAPMessage *at = ldap_first_entry(handle, result); at && code == LDAP_SUCCESS;
	     at = ldap_next_entry(handle, at)) {
		char *dn = ldap_get_dn(handle, at);
		code = dn ? add_senders(rights, dn, at) : LDAP_NO_MEMORY;
		ldap_memfree(dn);
	}
	return code;
}

static int search_mailboxes(struct rights *rights)
{
	const struct config_ldap *config = rights->entry->config;
	struct buf filter BUF_AUTO;
	buf_init(&filter, LDAP_FILTER_MAXIMUM);
	if (config->send_as_filter[0] == '\0')
		return LDAP_SUCCESS;
	char **attributes = calloc(config->sender_attributes.count + 1, sizeof(*attributes));
	if (attributes == NULL)
		return LDAP_NO_MEMORY;
	for (size_t i = 0; i < config->sender_attributes.count; i++)
		attributes[i] = config->sender_attributes.items[i];
	int code = expand_filter(rights, config->send_as_filter, &filter);
	struct ldap_pages pages = {
		.base = ldap_filter_base(config->send_as_base, config->base),
		.filter = buf_span(&filter).data,
	};
	for (unsigned i = 0; code == LDAP_SUCCESS && !pages.done; i++) {
		LDAPMessage *result = NULL;
		code = i < PAGES_MAXIMUM ? ldap_link_search_page(rights->link, &pages, attributes, &result)
					 : LDAP_SIZELIMIT_EXCEEDED;
		if (code == LDAP_SUCCESS)
			code = add_mailboxes(rights, result);
		ldap_msgfree(result);
	}
	ldap_pages_free(&pages);
	free(attributes);
	return code;
}

/* ---- who is valid */

static int check_validity(struct rights *rights)
{
	static char no_attributes[] = LDAP_NO_ATTRS;
	char *attributes[] = { no_attributes, NULL };
	const struct config_ldap *config = rights->entry->config;
	LDAPMessage *result = NULL;
	struct buf filter BUF_AUTO;
	buf_init(&filter, LDAP_FILTER_MAXIMUM);
	if (config->valid_filter[0] == '\0' || rights->identity->standing != STANDING_GOOD)
		return LDAP_SUCCESS;
	int code = expand_filter(rights, config->valid_filter, &filter);
	if (code == LDAP_SUCCESS)
		code = ldap_link_search(rights->link, rights->entry->dn, LDAP_SCOPE_BASE, buf_span(&filter).data,
					attributes, &result);
	if (code == LDAP_SUCCESS && ldap_count_entries(rights->link->handle, result) != 1)
		rights->identity->standing = STANDING_INVALID;
	ldap_msgfree(result);
	return code;
}

int ldap_rights_read(struct ldap_link *link, const struct ldap_entry *entry, const char *name,
		     struct identity *identity)
{
	struct rights rights = { .link = link, .entry = entry, .name = name, .identity = identity };
	int code = check_validity(&rights);
	if (code == LDAP_SUCCESS)
		code = add_senders(&rights, entry->dn, entry->message);
	if (code == LDAP_SUCCESS)
		code = search_mailboxes(&rights);
	if (code == LDAP_SUCCESS)
		code = ldap_groups_read(link, entry, name, identity);
	if (code == LDAP_SIZELIMIT_EXCEEDED)
		ldap_tell(entry->tell, LDAP_TELL_TOO_LARGE, entry->dn,
			  "more groups or addresses than can be read, so that this person can't log in for now");
	return code;
}

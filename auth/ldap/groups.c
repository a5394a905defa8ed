/*
 * Groups, found breadth first: whose members are groups found before are asked for, many in one filter. A directory
 * that follows chains itself (Active Directory's matching rule) is asked once.
 */
#include "auth/ldap/groups.h"

#include <stdlib.h>
#include <string.h>

#include "auth/ldap/filter.h"
#include "auth/ldap/values.h"
#include "base/dn.h"
#include "base/map.h"

#define IN_CHAIN ":1.2.840.113556.1.4.1941:" /* MS-ADTS, 3.1.1.3.4.4.3 */
#define GROUPS_MAXIMUM 10000                 /* of one person */
#define PAGES_MAXIMUM 100                    /* of one search */

struct group {
	struct map_link by_name;
	struct group *next; /* in the order found */
	struct span name;   /* canonical; after the struct, as is: */
	struct span dn;     /* as the directory writes it */
	char text[];
};

struct groups {
	struct ldap_link *link;
	const struct ldap_entry *entry;
	struct identity *identity;
	struct map by_name;
	struct group *first, *last;
};

/* ---- the set */

static bool has_group(const struct groups *groups, struct span name)
{
	struct map_link *link = map_first(&groups->by_name, map_hash_text(&groups->by_name, name));
	while (link && !span_equal(MAP_OWNER(link, struct group, by_name)->name, name))
		link = map_next(link);
	return link != NULL;
}

static struct group *make_group(struct span name, struct span dn)
{
	struct group *group = malloc(sizeof(*group) + name.size + dn.size);
	if (group == NULL)
		return NULL;
	*group = (struct group){ .name = { group->text, name.size }, .dn = { group->text + name.size, dn.size } };
	memcpy(group->text, name.data, name.size);
	memcpy(group->text + name.size, dn.data, dn.size);
	return group;
}

static enum status insert_group(struct groups *groups, struct span name, struct span dn)
{
	if (groups->by_name.count == GROUPS_MAXIMUM)
		return STATUS_TOO_LARGE;
	TRY(identity_add(&groups->identity->groups, name));
	struct group *group = make_group(name, dn);
	if (group == NULL || map_add(&groups->by_name, &group->by_name, map_hash_text(&groups->by_name, name)) != 0) {
		free(group);
		return STATUS_NO_MEMORY;
	}
	*(groups->last ? &groups->last->next : &groups->first) = group;
	groups->last = group;
	return STATUS_OK;
}

static enum status take_group(void *context, struct span dn)
{
	struct groups *groups = context;
	struct buf name BUF_AUTO;
	buf_init(&name, DN_MAXIMUM);
	enum status status = dn_canonical(dn, &name);
	if (status == STATUS_INVALID)
		return STATUS_OK; /* an empty one */
	if (status != STATUS_OK || has_group(groups, buf_span(&name)))
		return status;
	return insert_group(groups, buf_span(&name), dn);
}

static void free_groups(struct groups *groups)
{
	for (struct group *group = groups->first, *next; group; group = next) {
		next = group->next;
		free(group);
	}
	map_free(&groups->by_name);
}

/* ---- the search */

static int take_entries(struct groups *groups, LDAPMessage *result)
{
	LDAP *handle = groups->link->handle;
	enum status status = STATUS_OK;
	for (LDAPMessage *at = ldap_first_entry(handle, result); at && status == STATUS_OK;
	     at = ldap_next_entry(handle, at)) {
		char *dn = ldap_get_dn(handle, at);
		status = dn ? take_group(groups, span_of(dn)) : STATUS_NO_MEMORY;
		ldap_memfree(dn);
	}
	return ldap_values_code(status);
}

/* `filter` ends with a NUL. */
static int search_groups(struct groups *groups, const struct buf *filter)
{
	static char no_attributes[] = LDAP_NO_ATTRS;
	char *attributes[] = { no_attributes, NULL };
	const struct config_ldap *config = groups->entry->config;
	struct ldap_pages pages = { .base = ldap_filter_base(config->group_base, config->base),
				    .filter = buf_span(filter).data };
	int code = LDAP_SUCCESS;
	for (unsigned i = 0; code == LDAP_SUCCESS && !pages.done; i++) {
		LDAPMessage *result = NULL;
		code = i < PAGES_MAXIMUM ? ldap_link_search_page(groups->link, &pages, attributes, &result)
					 : LDAP_SIZELIMIT_EXCEEDED;
		if (code == LDAP_SUCCESS)
			code = take_entries(groups, result);
		ldap_msgfree(result);
	}
	ldap_pages_free(&pages);
	return code;
}

/* The next that has not been asked about. */
static struct group *next_after(const struct groups *groups, const struct group *asked)
{
	return asked ? asked->next : groups->first;
}

/* A filter for the groups after *asked, as many as fit; *asked is then the last of them. `name` is the person's. */
static enum status make_filter(const struct groups *groups, const char *name, struct group **asked, struct buf *filter)
{
	const char *template = groups->entry->config->group_filter;
	TRY(buf_append_text(filter, "(|"));
	for (struct group *at = next_after(groups, *asked); at; at = at->next) {
		struct buf one BUF_AUTO;
		buf_init(&one, LDAP_FILTER_MAXIMUM);
		TRY(ldap_filter_expand(template, span_of(name), at->dn, &one));
		if (buf_room(filter) < buf_size(&one) + 2 && buf_size(filter) > 2)
			break;
		TRY(buf_append(filter, buf_span(&one)));
		*asked = at;
	}
	TRY(buf_append_byte(filter, ')'));
	return buf_append_byte(filter, '\0');
}

static int search_of_person(struct groups *groups, const char *name)
{
	struct buf filter BUF_AUTO;
	buf_init(&filter, LDAP_FILTER_MAXIMUM);
	enum status status = ldap_filter_expand(groups->entry->config->group_filter, span_of(name),
						span_of(groups->entry->dn), &filter);
	if (status == STATUS_OK)
		status = buf_append_byte(&filter, '\0');
	return status == STATUS_OK ? search_groups(groups, &filter) : ldap_values_code(status);
}

/* Until nothing new is found: whatever is appended to the list is asked about, too. */
static int search_of_groups(struct groups *groups, const char *name)
{
	struct group *asked = NULL;
	int code = LDAP_SUCCESS;
	while (code == LDAP_SUCCESS && next_after(groups, asked)) {
		struct buf filter BUF_AUTO;
		buf_init(&filter, LDAP_FILTER_MAXIMUM);
		enum status status = make_filter(groups, name, &asked, &filter);
		code = status == STATUS_OK ? search_groups(groups, &filter) : ldap_values_code(status);
	}
	return code;
}

static int search_all(struct groups *groups, const char *name)
{
	const char *filter = groups->entry->config->group_filter;
	if (filter[0] == '\0')
		return LDAP_SUCCESS;
	int code = search_of_person(groups, name);
	bool goes_on = strstr(filter, "%d") && !strstr(filter, IN_CHAIN);
	return code == LDAP_SUCCESS && goes_on ? search_of_groups(groups, name) : code;
}

int ldap_groups_read(struct ldap_link *link, const struct ldap_entry *entry, const char *name,
		     struct identity *identity)
{
	struct groups groups = { .link = link, .entry = entry, .identity = identity };
	int code = LDAP_SUCCESS;
	if (map_init(&groups.by_name) != STATUS_OK)
		return LDAP_NO_MEMORY;
	if (entry->config->group_attribute[0])
		code = ldap_values_visit(link, entry->dn, entry->message, entry->config->group_attribute, take_group,
					 &groups);
	if (code == LDAP_SUCCESS)
		code = search_all(&groups, name);
	free_groups(&groups);
	return code;
}

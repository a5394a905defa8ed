/* Reads entries. Surplus values of a list that is full are left out: fewer rights, never more. */
#include "auth/ldap/entry.h"

#include <stdlib.h>

#define ACCOUNT_DISABLED 2U /* bit of userAccountControl (Active Directory) */

/* How directories mark an account that an administrator has switched off. */
static char account_control[] = "userAccountControl"; /* Active Directory */
static char account_lock[] = "nsAccountLock";         /* 389 Directory Server: TRUE */
static char locked_time[] = "pwdAccountLockedTime";   /* OpenLDAP: for ever, where it begins with 0000 */

char **ldap_entry_attributes(const struct config_ldap *config)
{
	char **names = calloc(config->sender_attributes.count + 6, sizeof(*names));
	size_t count = 0;
	if (names == NULL)
		return NULL;
	names[count++] = config->user_attribute;
	if (config->group_attribute[0])
		names[count++] = config->group_attribute;
	for (size_t i = 0; i < config->sender_attributes.count; i++)
		names[count++] = config->sender_attributes.items[i];
	names[count++] = account_control;
	names[count++] = account_lock;
	names[count++] = locked_time;
	return names;
}

static void free_values(struct berval ***values)
{
	ldap_value_free_len(*values);
}

#define VALUES_AUTO __attribute__((cleanup(free_values)))

static struct span span_of_value(const struct berval *value)
{
	return (struct span){ value->bv_val, value->bv_len };
}

static struct berval **values_of(LDAP *handle, LDAPMessage *entry, const char *attribute)
{
	return attribute[0] ? ldap_get_values_len(handle, entry, attribute) : NULL;
}

static enum status add_values(LDAP *handle, LDAPMessage *entry, const char *attribute, bool addresses, struct buf *list)
{
	struct berval **values VALUES_AUTO = values_of(handle, entry, attribute);
	for (size_t i = 0; values && values[i]; i++) {
		struct span value = span_of_value(values[i]);
		if (addresses && !span_contains_byte(value, '@'))
			continue;
		enum status status = identity_add(list, value);
		if (status != STATUS_OK && status != STATUS_TOO_LARGE)
			return status;
	}
	return STATUS_OK;
}

static enum status read_user(LDAP *handle, LDAPMessage *entry, const struct config_ldap *config, const char *name,
			     struct identity *identity)
{
	struct berval **values VALUES_AUTO = values_of(handle, entry, config->user_attribute);
	struct span user = values && values[0] ? span_of_value(values[0]) : span_of(name);
	return name_canonical(user, identity->user);
}

static bool is_disabled(LDAP *handle, LDAPMessage *entry)
{
	struct berval **control VALUES_AUTO = values_of(handle, entry, account_control);
	struct berval **lock VALUES_AUTO = values_of(handle, entry, account_lock);
	struct berval **locked VALUES_AUTO = values_of(handle, entry, locked_time);
	uint64_t flags = 0;
	if (control && control[0] &&
	    (span_to_u64(span_of_value(control[0]), &flags) != STATUS_OK || flags & ACCOUNT_DISABLED))
		return true; /* an unreadable number disables, too: in doubt, no */
	if (lock && lock[0] && span_equal_nocase(span_of_value(lock[0]), SPAN("TRUE")))
		return true;
	return locked && locked[0] && span_starts_with(span_of_value(locked[0]), SPAN("0000"));
}

enum status ldap_entry_read(LDAP *handle, LDAPMessage *entry, const struct config_ldap *config, const char *name,
			    struct identity *out_identity)
{
	TRY(read_user(handle, entry, config, name, out_identity));
	for (size_t i = 0; i < config->sender_attributes.count; i++)
		TRY(add_values(handle, entry, config->sender_attributes.items[i], true, &out_identity->senders));
	TRY(add_values(handle, entry, config->group_attribute, false, &out_identity->groups));
	out_identity->disabled = is_disabled(handle, entry);
	return STATUS_OK;
}

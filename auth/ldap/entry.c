/* Reads entries. In doubt nobody is let in: an entry without an id, without one name, or with a mark that says no. */
#include "auth/ldap/entry.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/ldap/id.h"
#include "auth/ldap/standing.h"
#include "smtp/address.h"

#define MARK_MAXIMUM 63 /* bytes of a value that says how an account stands; longer ones are cut, and say no */

static char account_control[] = "userAccountControl"; /* Active Directory: each account has it */
static char grace_attribute[] = "pwdGraceUseTime";    /* OpenLDAP: when the password, too old, was used all the same */

/* Id, standing, and what the configuration names. */
char **ldap_entry_attributes(const struct config_ldap *config)
{
	size_t count = 0, maximum = config->sender_attributes.count + 32;
	char **names = calloc(maximum, sizeof(*names));
	if (names == NULL)
		return NULL;
	names[count++] = config->user_attribute;
	if (config->group_attribute[0])
		names[count++] = config->group_attribute;
	for (size_t i = 0; i < config->sender_attributes.count; i++)
		names[count++] = config->sender_attributes.items[i];
	if (config->language_attribute[0])
		names[count++] = config->language_attribute;
	if (config->id_attribute[0])
		names[count++] = config->id_attribute;
	for (size_t i = 0; !config->id_attribute[0] && ldap_id_attribute(i); i++)
		names[count++] = ldap_id_attribute(i);
	for (size_t i = 0; standing_attribute(i); i++)
		names[count++] = standing_attribute(i);
	names[count++] = grace_attribute;
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

static struct berval **values_of(const struct ldap_entry *entry, const char *attribute)
{
	return ldap_get_values_len(entry->handle, entry->message, attribute);
}

/* ---- id */

/* STATUS_NOT_FOUND: none there. */
static enum status read_id_from(const struct ldap_entry *entry, const char *attribute, struct identity *identity)
{
	char id[LDAP_ID_SIZE];
	struct berval **values VALUES_AUTO = values_of(entry, attribute);
	if (ldap_count_values_len(values) != 1)
		return STATUS_NOT_FOUND;
	TRY(ldap_id_format(attribute, span_of_value(values[0]), id));
	return identity_set_id(identity, entry->config->name, span_of(id));
}

static enum status read_id(const struct ldap_entry *entry, struct identity *identity)
{
	const char *configured = entry->config->id_attribute;
	enum status status = STATUS_NOT_FOUND;
	if (configured[0])
		status = read_id_from(entry, configured, identity);
	for (size_t i = 0; !configured[0] && ldap_id_attribute(i) && status == STATUS_NOT_FOUND; i++)
		status = read_id_from(entry, ldap_id_attribute(i), identity);
	if (status != STATUS_NOT_FOUND && status != STATUS_INVALID)
		return status;
	ldap_tell(entry->tell, LDAP_TELL_ID, entry->dn,
		  "no id that bind_dn may read%s%s, so that nobody can log in; expected id_attribute to name one that "
		  "each "
		  "entry has and keeps",
		  configured[0] ? " in " : " (objectGUID, nsUniqueId, entryUUID)", configured);
	return STATUS_INVALID;
}

/* ---- name */

static enum status read_name(const struct ldap_entry *entry, const char *name, struct identity *identity)
{
	const char *attribute = entry->config->user_attribute;
	struct berval **values VALUES_AUTO = values_of(entry, attribute);
	int count = ldap_count_values_len(values);
	enum status status = count == 1 ? name_canonical(span_of_value(values[0]), identity->user) : STATUS_INVALID;
	if (status == STATUS_OK || status == STATUS_NO_MEMORY)
		return status;
	if (count == 1)
		ldap_tell(entry->tell, LDAP_TELL_NAME, entry->dn,
			  "what user_attribute %s holds is no user's name, so that this person can't log in",
			  attribute);
	else
		ldap_tell(entry->tell, LDAP_TELL_NAME, entry->dn,
			  "user_attribute %s has %d values, so that this person can't log in; expected exactly one, or "
			  "another user_attribute, such as uid",
			  attribute, count);
	identity->standing = STANDING_NAMELESS;
	snprintf(identity->user, sizeof(identity->user), "%s", name);
	return STATUS_OK;
}

/* ---- language */

/* It chooses a text for them and no more: what is too long, or not ASCII, is left out. */
static void read_languages(const struct ldap_entry *entry, struct identity *identity)
{
	const char *attribute = entry->config->language_attribute;
	struct berval **values VALUES_AUTO = attribute[0] ? values_of(entry, attribute) : NULL;
	identity->languages[0] = '\0';
	if (ldap_count_values_len(values) < 1)
		return;
	struct span value = span_of_value(values[0]);
	if (value.size < sizeof(identity->languages) && span_is_printable(value))
		snprintf(identity->languages, sizeof(identity->languages), "%.*s", SPAN_ARGS(value));
}

/* ---- standing */

struct marks {
	const struct ldap_entry *entry;
	char value[MARK_MAXIMUM + 1];
};

static struct span read_mark(void *context, const char *attribute)
{
	struct marks *marks = context;
	struct berval **values VALUES_AUTO = values_of(marks->entry, attribute);
	if (ldap_count_values_len(values) == 0)
		return (struct span){ 0 };
	struct span value = span_slice(span_of_value(values[0]), 0, MARK_MAXIMUM);
	memcpy(marks->value, value.data, value.size);
	return (struct span){ marks->value, value.size };
}

/* Whether it is an account of Active Directory that does not show whether it is disabled. */
static void tell_unreadable(const struct ldap_entry *entry)
{
	struct berval **guid VALUES_AUTO = values_of(entry, ldap_id_attribute(0));
	struct berval **control VALUES_AUTO = values_of(entry, account_control);
	if (guid && !control)
		ldap_tell(entry->tell, LDAP_TELL_UNREADABLE, entry->dn,
			  "bind_dn may not read %s, so that nobody sees whether an account is disabled",
			  account_control);
}

enum status ldap_entry_read(const struct ldap_entry *entry, const char *name, struct identity *identity)
{
	struct marks marks = { .entry = entry };
	const struct standing_source source = { .value_of = read_mark, .context = &marks };
	TRY(read_id(entry, identity));
	identity->standing = standing_judge(&source, time(NULL));
	tell_unreadable(entry);
	read_languages(entry, identity);
	return read_name(entry, name, identity);
}

bool ldap_entry_has_grace(const struct ldap_entry *entry)
{
	struct berval **values VALUES_AUTO = values_of(entry, grace_attribute);
	return ldap_count_values_len(values) > 0;
}

/* ---- addresses */

static bool is_domain_pattern(struct span value)
{
	struct mailbox mailbox;
	char address[ADDRESS_MAXIMUM + 1];
	int size = snprintf(address, sizeof(address), "x%.*s", SPAN_ARGS(value));
	return size > 2 && (size_t)size < sizeof(address) && address[1] == '@' &&
	       address_read((struct span){ address, (size_t)size }, true, &mailbox) == STATUS_OK;
}

enum status ldap_entry_add_sender(const struct config_ldap *config, struct span value, struct identity *identity)
{
	struct span address = span_trim(value);
	if (span_starts_with_nocase(address, SPAN("smtp:")))
		address = span_slice(address, 5, address.size);
	if (span_contains_byte(address, '\0'))
		return STATUS_OK;
	if (is_domain_pattern(address) && !config->sender_domains_from_directory)
		return STATUS_OK;
	if (!is_domain_pattern(address) && !(span_contains_byte(address, '@') && address_is_valid(address, true)))
		return STATUS_OK;
	return identity_add(&identity->senders, address);
}

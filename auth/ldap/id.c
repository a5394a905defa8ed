/* Ids of entries: MS-DTYP, 2.3.4 for Active Directory's, RFC 4530 for entryUUID. */
#include "auth/ldap/id.h"

#include <stdio.h>

#include "base/ascii.h"

#define GUID_SIZE 16 /* bytes */

static char guid_attribute[] = "objectGUID";
static char unique_attribute[] = "nsUniqueId";
static char uuid_attribute[] = "entryUUID";

char *ldap_id_attribute(size_t index)
{
	static char *const attributes[] = { guid_attribute, unique_attribute, uuid_attribute };
	return index < sizeof(attributes) / sizeof(attributes[0]) ? attributes[index] : NULL;
}

static void format_guid(struct span value, char out_id[LDAP_ID_SIZE])
{
	static const unsigned char order[GUID_SIZE] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	size_t size = 0;
	for (size_t i = 0; i < GUID_SIZE; i++) {
		bool is_part = i == 4 || i == 6 || i == 8 || i == 10;
		size += (size_t)snprintf(out_id + size, LDAP_ID_SIZE - size, "%s%02x", is_part ? "-" : "",
					 (unsigned)(unsigned char)value.data[order[i]]);
	}
}

enum status ldap_id_format(const char *attribute, struct span value, char out_id[LDAP_ID_SIZE])
{
	if (value.size == 0 || value.size > LDAP_ID_MAXIMUM)
		return STATUS_INVALID;
	if (value.size == GUID_SIZE && span_equal_nocase(span_of(attribute), span_of(guid_attribute))) {
		format_guid(value, out_id);
		return STATUS_OK;
	}
	bool is_text = span_is_printable(value);
	for (size_t i = 0; i < value.size; i++) {
		if (is_text)
			out_id[i] = ascii_lower(value.data[i]);
		else
			snprintf(out_id + 2 * i, 3, "%02x", (unsigned)(unsigned char)value.data[i]);
	}
	out_id[is_text ? value.size : 2 * value.size] = '\0';
	return STATUS_OK;
}

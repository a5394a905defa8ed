/* Canonical user names. Owns nothing. */
#include "auth/name.h"

#include <string.h>

#include "base/ascii.h"

enum status name_canonical(struct span given, char out_name[NAME_SIZE])
{
	char name[NAME_SIZE] = { 0 };
	struct span trimmed = span_trim(given);
	if (span_is_empty(trimmed))
		return STATUS_INVALID;
	if (trimmed.size > NAME_MAXIMUM)
		return STATUS_TOO_LARGE;
	for (size_t i = 0; i < trimmed.size; i++) {
		char c = trimmed.data[i];
		if (ascii_is_control(c))
			return STATUS_INVALID;
		name[i] = ascii_lower(c);
	}
	memcpy(out_name, name, sizeof(name));
	return STATUS_OK;
}

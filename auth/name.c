/* Canonical user names. Owns nothing. */
#include "auth/name.h"

#include <string.h>

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

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
		if (is_control(c))
			return STATUS_INVALID;
		name[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	memcpy(out_name, name, sizeof(name));
	return STATUS_OK;
}

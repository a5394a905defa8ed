/* Canonical domains. Owns nothing. */
#include "base/domain.h"

#include <idn2.h>
#include <string.h>

#include "base/ascii.h"

static bool is_plain(struct span domain)
{
	for (size_t i = 0; i < domain.size; i++) {
		if (ascii_is_control(domain.data[i]) || domain.data[i] == ' ')
			return false;
	}
	return domain.size > 0;
}

static bool is_ascii(struct span domain)
{
	for (size_t i = 0; i < domain.size; i++) {
		if ((unsigned char)domain.data[i] >= 0x80)
			return false;
	}
	return true;
}

static enum status take_lower(struct span domain, char out_domain[DOMAIN_SIZE])
{
	if (!is_plain(domain))
		return STATUS_INVALID;
	if (domain.size > DOMAIN_MAXIMUM)
		return STATUS_TOO_LARGE;
	for (size_t i = 0; i < domain.size; i++)
		out_domain[i] = ascii_lower(domain.data[i]);
	out_domain[domain.size] = '\0';
	return STATUS_OK;
}

/* What mapping makes of full-width signs is no part of a name. */
static bool is_host(struct span domain)
{
	for (size_t i = 0; i < domain.size; i++) {
		char c = domain.data[i];
		if (!ascii_is_alphanumeric(c) && c != '-' && c != '_' && c != '.')
			return false;
	}
	return true;
}

static enum status map_domain(struct span domain, char out_domain[DOMAIN_SIZE])
{
	char text[DOMAIN_SIZE];
	uint8_t *mapped = NULL;
	if (!is_plain(domain))
		return STATUS_INVALID;
	memcpy(text, domain.data, domain.size);
	text[domain.size] = '\0';
	int code = idn2_lookup_u8((const uint8_t *)text, &mapped, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (code == IDN2_MALLOC)
		return STATUS_NO_MEMORY;
	if (code != IDN2_OK)
		return STATUS_INVALID;
	struct span result = span_of((const char *)mapped);
	enum status status = is_host(result) ? take_lower(result, out_domain) : STATUS_INVALID;
	idn2_free(mapped);
	return status;
}

enum status domain_canonical(struct span given, char out_domain[DOMAIN_SIZE])
{
	if (given.size > DOMAIN_MAXIMUM)
		return STATUS_TOO_LARGE;
	return is_ascii(given) ? take_lower(given, out_domain) : map_domain(given, out_domain);
}

bool domain_equal(struct span a, struct span b)
{
	char one[DOMAIN_SIZE], other[DOMAIN_SIZE];
	if (span_equal_nocase(a, b))
		return true;
	return !(is_ascii(a) && is_ascii(b)) && domain_canonical(a, one) == STATUS_OK &&
	       domain_canonical(b, other) == STATUS_OK && strcmp(one, other) == 0;
}

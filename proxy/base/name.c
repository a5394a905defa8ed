/* Canonical user names. Owns nothing. ASCII is mapped here, all else with libunistring. */
#include "base/name.h"

#include <string.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/ascii.h"
#include "base/domain.h"
#include "base/identifier.h"

#define MAPPINGS 4 /* applications of the rules until nothing changes; RFC 8264, 7 */

/* A name as it grows, never beyond NAME_MAXIMUM. */
struct growing {
	char text[NAME_SIZE];
	size_t size;
};

static enum status append_part(struct growing *name, struct span more)
{
	if (more.size > NAME_MAXIMUM - name->size)
		return STATUS_TOO_LARGE;
	memcpy(name->text + name->size, more.data, more.size);
	name->size += more.size;
	return STATUS_OK;
}

static bool is_ascii(struct span text)
{
	for (size_t i = 0; i < text.size; i++) {
		if ((unsigned char)text.data[i] >= 0x80)
			return false;
	}
	return true;
}

static enum status lower_ascii(struct span word, char *out_word)
{
	for (size_t i = 0; i < word.size; i++) {
		if (ascii_is_control(word.data[i]))
			return STATUS_INVALID;
		out_word[i] = ascii_lower(word.data[i]);
	}
	return STATUS_OK;
}

/* ---- UsernameCaseMapped: RFC 8265, 3.3.3 */

/* The rules once: width, case, composition. At most NAME_MAXIMUM code points come out. */
static enum status apply_rules(const uint32_t *given, size_t size, uint32_t out[NAME_MAXIMUM], size_t *out_size)
{
	uint32_t narrow[NAME_MAXIMUM], lower[NAME_MAXIMUM];
	size_t count = NAME_MAXIMUM;
	for (size_t i = 0; i < size; i++)
		narrow[i] = identifier_map_width(given[i]);
	uint32_t *mapped = u32_tolower(narrow, size, NULL, NULL, lower, &count);
	if (mapped != lower) {
		free(mapped);
		return mapped ? STATUS_TOO_LARGE : STATUS_NO_MEMORY;
	}
	*out_size = NAME_MAXIMUM;
	uint32_t *composed = u32_normalize(UNINORM_NFC, lower, count, out, out_size);
	if (composed == out)
		return STATUS_OK;
	free(composed);
	return composed ? STATUS_TOO_LARGE : STATUS_NO_MEMORY;
}

static enum status map_word(uint32_t points[NAME_MAXIMUM], size_t *size)
{
	for (unsigned i = 0; i < MAPPINGS; i++) {
		uint32_t mapped[NAME_MAXIMUM];
		size_t count;
		TRY(apply_rules(points, *size, mapped, &count));
		bool is_stable = count == *size && memcmp(mapped, points, count * sizeof(*points)) == 0;
		memcpy(points, mapped, count * sizeof(*points));
		*size = count;
		if (is_stable)
			return STATUS_OK;
	}
	return STATUS_INVALID;
}

static enum status add_wide_word(struct growing *name, struct span word)
{
	uint32_t points[NAME_MAXIMUM];
	size_t count = NAME_MAXIMUM;
	char text[NAME_SIZE];
	size_t size = NAME_MAXIMUM;
	const uint8_t *bytes = (const uint8_t *)word.data;
	if (u8_check(bytes, word.size) || !u8_to_u32(bytes, word.size, points, &count))
		return STATUS_INVALID;
	for (size_t i = 0; i < count; i++) {
		uint32_t mapped = identifier_map_width(points[i]);
		if (!identifier_allows(mapped) || (mapped == '@' && points[i] != '@')) /* it would be split elsewhere */
			return STATUS_INVALID;
	}
	TRY(map_word(points, &count));
	if (!identifier_is_valid(points, count))
		return STATUS_INVALID;
	uint8_t *out = u32_to_u8(points, count, (uint8_t *)text, &size);
	if (out != (uint8_t *)text) {
		free(out);
		return out ? STATUS_TOO_LARGE : STATUS_INVALID;
	}
	return append_part(name, (struct span){ text, size });
}

static enum status add_word(struct growing *name, struct span word)
{
	char text[NAME_MAXIMUM];
	if (word.size > NAME_MAXIMUM)
		return STATUS_TOO_LARGE;
	if (!is_ascii(word))
		return add_wide_word(name, word);
	TRY(lower_ascii(word, text));
	return append_part(name, (struct span){ text, word.size });
}

/* Words with one blank between them: RFC 8265, 3.1 and 3.4. */
static enum status add_words(struct growing *name, struct span given)
{
	struct span word;
	size_t before = name->size;
	while (span_cut(&given, ' ', &word)) {
		if (word.size == 0)
			continue;
		if (name->size > before)
			TRY(append_part(name, SPAN(" ")));
		TRY(add_word(name, word));
	}
	return name->size > before ? STATUS_OK : STATUS_INVALID;
}

/* ---- the whole */

static enum status add_domain(struct growing *name, struct span given)
{
	char domain[DOMAIN_SIZE];
	TRY(domain_canonical(given, domain));
	TRY(append_part(name, SPAN("@")));
	return append_part(name, span_of(domain));
}

enum status name_canonical(struct span given, char out_name[NAME_SIZE])
{
	struct growing name = { .size = 0 };
	struct span whole = span_trim(given);
	if (whole.size > NAME_MAXIMUM)
		return STATUS_TOO_LARGE;
	const char *at = whole.size ? memrchr(whole.data, '@', whole.size) : NULL;
	size_t local = at ? (size_t)(at - whole.data) : whole.size;
	TRY(add_words(&name, span_slice(whole, 0, local)));
	if (at)
		TRY(add_domain(&name, span_slice(whole, local + 1, whole.size)));
	memcpy(out_name, name.text, name.size);
	out_name[name.size] = '\0';
	return STATUS_OK;
}

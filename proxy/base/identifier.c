/* IdentifierClass by the properties of libunistring's version of Unicode. What that does not know is not allowed. */
#include "base/identifier.h"

#include <string.h>
#include <unictype.h>
#include <unigbrk.h>
#include <uninorm.h>

#define ZERO_WIDTH_NON_JOINER 0x200cU
#define ZERO_WIDTH_JOINER 0x200dU
#define VIRAMA 9 /* canonical combining class */

uint32_t identifier_map_width(uint32_t c)
{
	ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];
	int tag = UC_DECOMP_CANONICAL;
	int count = uc_decomposition(c, &tag, parts);
	return count == 1 && (tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW) ? parts[0] : c;
}

/* ---- one character: RFC 8264, 8 and 9; RFC 5892, 2.6 */

static bool is_one_of(uint32_t c, const uint32_t *list)
{
	while (*list && *list != c)
		list++;
	return *list != 0;
}

static bool is_arabic_digit(uint32_t c)
{
	return c >= 0x0660 && c <= 0x0669;
}

static bool is_extended_arabic_digit(uint32_t c)
{
	return c >= 0x06f0 && c <= 0x06f9;
}

static bool is_old_jamo(uint32_t c)
{
	int property = uc_graphemeclusterbreak_property(c);
	return property == GBP_L || property == GBP_V || property == GBP_T;
}

static bool has_compatible(uint32_t c)
{
	uint32_t parts[UC_DECOMPOSITION_MAX_LENGTH];
	size_t size = UC_DECOMPOSITION_MAX_LENGTH;
	uint32_t *normal = u32_normalize(UNINORM_NFKC, &c, 1, parts, &size);
	bool is_same = normal == parts && size == 1 && parts[0] == c;
	if (normal != parts)
		free(normal);
	return !is_same;
}

bool identifier_allows(uint32_t c)
{
	static const uint32_t exceptions[] = { 0xdf, 0x3c2, 0x6fd, 0x6fe, 0xf0b, 0x3007, 0 };
	static const uint32_t contextual[] = { 0xb7, 0x375, 0x5f3, 0x5f4, 0x30fb, 0 };
	static const uint32_t refused[] = { 0x640,  0x7fa,  0x302e, 0x302f, 0x3031, 0x3032,
					    0x3033, 0x3034, 0x3035, 0x303b, 0 };
	static const uint32_t letters_and_digits = UC_CATEGORY_MASK_Ll | UC_CATEGORY_MASK_Lu | UC_CATEGORY_MASK_Lo |
						   UC_CATEGORY_MASK_Nd | UC_CATEGORY_MASK_Lm | UC_CATEGORY_MASK_Mn |
						   UC_CATEGORY_MASK_Mc;
	if (c < 0x80)
		return c > 0x20 && c < 0x7f;
	if (is_one_of(c, exceptions) || is_one_of(c, contextual) || c == ZERO_WIDTH_NON_JOINER ||
	    c == ZERO_WIDTH_JOINER)
		return true;
	return !is_one_of(c, refused) && !is_old_jamo(c) && !uc_is_property_default_ignorable_code_point(c) &&
	       uc_is_general_category_withtable(c, letters_and_digits) && !has_compatible(c);
}

/* ---- in its place: RFC 5892, A */

static bool has_script(uint32_t c, const char *name)
{
	const uc_script_t *script = uc_script(c);
	return script && strcmp(script->name, name) == 0;
}

static bool is_kana_or_han(uint32_t c)
{
	return has_script(c, "Hiragana") || has_script(c, "Katakana") || has_script(c, "Han");
}

static bool has_any(const uint32_t *points, size_t count, bool (*is_wanted)(uint32_t c))
{
	for (size_t i = 0; i < count; i++) {
		if (is_wanted(points[i]))
			return true;
	}
	return false;
}

/* The next that joins, or does not, on one side of `at`, past what is transparent. */
static bool has_joining(const uint32_t *points, size_t count, size_t at, int step, int joining)
{
	for (size_t i = at + (size_t)step; i < count; i += (size_t)step) {
		int type = uc_joining_type(points[i]);
		if (type != UC_JOINING_TYPE_T)
			return type == UC_JOINING_TYPE_D || type == joining;
	}
	return false;
}

static bool may_stand(const uint32_t *points, size_t count, size_t at)
{
	bool is_first = at == 0, is_last = at + 1 == count;
	switch (points[at]) {
	case ZERO_WIDTH_NON_JOINER:
		return (!is_first && uc_combining_class(points[at - 1]) == VIRAMA) ||
		       (has_joining(points, count, at, -1, UC_JOINING_TYPE_L) &&
			has_joining(points, count, at, 1, UC_JOINING_TYPE_R));
	case ZERO_WIDTH_JOINER:
		return !is_first && uc_combining_class(points[at - 1]) == VIRAMA;
	case 0xb7: /* middle dot: between two l */
		return !is_first && !is_last && points[at - 1] == 'l' && points[at + 1] == 'l';
	case 0x375: /* Greek numeral sign */
		return !is_last && has_script(points[at + 1], "Greek");
	case 0x5f3: /* Hebrew geresh and gershayim */
	case 0x5f4:
		return !is_first && has_script(points[at - 1], "Hebrew");
	case 0x30fb: /* Katakana middle dot */
		return has_any(points, count, is_kana_or_han);
	default:
		return !is_arabic_digit(points[at]) || !has_any(points, count, is_extended_arabic_digit);
	}
}

/* ---- the direction: RFC 5893, 2 */

#define BIDI(name) (1U << UC_BIDI_##name)
#define BIDI_ANYWHERE (BIDI(EN) | BIDI(ES) | BIDI(CS) | BIDI(ET) | BIDI(ON) | BIDI(BN) | BIDI(NSM))

static unsigned bidi_bit(uint32_t c)
{
	int class = uc_bidi_class(c);
	return class >= 0 && class < 32 ? 1U << class : 0;
}

static bool has_one_direction(const uint32_t *points, size_t count)
{
	unsigned found = 0, last = 0;
	unsigned first = bidi_bit(points[0]);
	for (size_t i = 0; i < count; i++) {
		unsigned bit = bidi_bit(points[i]);
		found |= bit;
		last = bit == BIDI(NSM) ? last : bit;
	}
	if (!(found & (BIDI(R) | BIDI(AL) | BIDI(AN))))
		return true;
	if (first & (BIDI(R) | BIDI(AL)))
		return !(found & ~(BIDI_ANYWHERE | BIDI(R) | BIDI(AL) | BIDI(AN))) &&
		       (last & (BIDI(R) | BIDI(AL) | BIDI(EN) | BIDI(AN))) &&
		       !((found & BIDI(EN)) && (found & BIDI(AN)));
	return false; /* from left to right, nothing from right to left may stand in it */
}

bool identifier_is_valid(const uint32_t *points, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!identifier_allows(points[i]) || !may_stand(points, count, i))
			return false;
	}
	return count > 0 && has_one_direction(points, count);
}

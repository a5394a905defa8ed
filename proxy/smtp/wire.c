/* The walk over wire form in runs. Owns nothing; can't fail. */
#include "smtp/wire.h"

#include <string.h>

static const char *find_byte(const char *at, const char *end, char byte)
{
	const char *found = at < end ? memchr(at, byte, (size_t)(end - at)) : NULL;
	return found ? found : end;
}

/* `known` is the answer of an earlier search, good as long as we have not passed it; NULL: there was none. */
static const char *find_again(const char *known, const char *at, const char *end, char byte)
{
	return known && known >= at ? known : find_byte(at, end, byte);
}

static const char *least_of(const char *a, const char *b)
{
	return a < b ? a : b;
}

struct wire_cursor wire_look(struct span bytes)
{
	return (struct wire_cursor){ .at = bytes.data, .end = bytes.size ? bytes.data + bytes.size : bytes.data };
}

#define BLOCK 128 /* bytes: the compiler looks at many of them at a time */

/*
 * The first block with a byte to look at, or the last place before `limit` from where no block is left. Sees a byte
 * together with the one after it, also where that belongs to the next block.
 */
WIRE_FOR_EACH_CPU static const char *find_odd_block(const char *at, const char *limit)
{
	for (; limit - at > BLOCK; at += BLOCK) {
		unsigned char odd = 0;
		for (size_t i = 0; i < BLOCK; i++) {
			odd |= (unsigned char)((at[i] == '\r') ^ (at[i + 1] == '\n'));
			odd |= (unsigned char)((at[i] == '\n') & (at[i + 1] == '.'));
			odd |= (unsigned char)(at[i] == '\0');
		}
		if (odd)
			break;
	}
	return at;
}

static bool begins_plainly(const char *at, unsigned state)
{
	return *at != '\n' && (state == WIRE_TEXT || (state == WIRE_LINE && *at != '.'));
}

/* Text and whole line ends as far as blocks of them come: a search for each line's end takes several times as long. */
static void pass_blocks(struct wire_cursor *cursor, const char *limit, unsigned *state)
{
	if (cursor->at < cursor->odd_end || limit - cursor->at <= BLOCK || !begins_plainly(cursor->at, *state))
		return;
	const char *odd = find_odd_block(cursor->at, limit);
	cursor->odd_end = limit - odd > BLOCK ? odd + BLOCK : limit;
	if (odd == cursor->at)
		return;
	/* A CR may not be parted from its LF. */
	cursor->at = odd[-1] == '\r' ? odd - 1 : odd;
	*state = cursor->at[-1] == '\n' ? WIRE_LINE : WIRE_TEXT;
}

/* A dot that begins a line goes on only after CRLF and before text. */
static bool is_plain_dot(const char *at, const char *limit, unsigned state)
{
	return state == WIRE_LINE && limit - at >= 2 && at[1] != '\r' && at[1] != '\n';
}

size_t wire_pass(struct wire_cursor *cursor, size_t most, unsigned *state)
{
	size_t stuffed = 0;
	if (*state != WIRE_LINE && *state != WIRE_AFTER_LF && *state != WIRE_TEXT)
		return 0;
	const char *limit = cursor->end;
	if (most < (size_t)(limit - cursor->at))
		limit = cursor->at + most;
	pass_blocks(cursor, limit, state);
	cursor->nul = find_again(cursor->nul, cursor->at, cursor->end, '\0');
	limit = least_of(limit, cursor->nul);

	while (cursor->at < limit) {
		pass_blocks(cursor, limit, state);
		if (*cursor->at == '.' && *state != WIRE_TEXT) {
			if (!is_plain_dot(cursor->at, limit, *state))
				break;
			stuffed++;
		}
		cursor->lf = find_again(cursor->lf, cursor->at, cursor->end, '\n');
		cursor->cr = find_again(cursor->cr, cursor->at, cursor->end, '\r');
		const char *stop = least_of(limit, least_of(cursor->cr, cursor->lf));
		if (stop > cursor->at)
			*state = WIRE_TEXT;
		cursor->at = stop;
		if (limit - stop < 2 || stop != cursor->cr || stop + 1 != cursor->lf)
			break;
		cursor->at = stop + 2;
		*state = WIRE_LINE;
	}
	return stuffed;
}

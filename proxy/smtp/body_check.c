/*
 * The check of wire form that another process made: the relay believes no gate. Runs are walked as the scanner walks
 * them, and whatever the scanner would have to change is a fault here. Owns nothing; a fault is final.
 */
#include "smtp/body.h"
#include "smtp/wire.h"

/* WIRE_BROKEN where `byte` may not come. */
static enum wire_state follow_byte(unsigned state, char byte)
{
	switch ((enum wire_state)state) {
	case WIRE_LINE:
		if (byte == '.')
			return WIRE_DOT;
		__attribute__((fallthrough));
	case WIRE_TEXT:
		return byte == '\r' ? WIRE_CR : byte == '\n' || byte == '\0' ? WIRE_BROKEN : WIRE_TEXT;
	case WIRE_CR:
		return byte == '\n' ? WIRE_LINE : WIRE_BROKEN;
	case WIRE_DOT:
		return byte == '\r' ? WIRE_DOT_CR : byte == '\n' || byte == '\0' ? WIRE_BROKEN : WIRE_TEXT;
	case WIRE_DOT_CR: /* the end within, or a stray CR */
	case WIRE_AFTER_LF:
	case WIRE_BROKEN:
	default:
		return WIRE_BROKEN;
	}
}

#define BLOCK 64 /* bytes: a number that is known lets the compiler look at many of them at a time */

WIRE_FOR_EACH_CPU static bool has_eight_bit(struct span bytes)
{
	unsigned char all = 0;
	size_t at = 0;
	for (; bytes.size - at >= BLOCK; at += BLOCK)
		for (size_t i = 0; i < BLOCK; i++)
			all |= (unsigned char)bytes.data[at + i];
	for (; at < bytes.size; at++)
		all |= (unsigned char)bytes.data[at];
	return all > 127;
}

enum status body_check_feed(struct body_check *check, struct span bytes)
{
	check->has_eight_bit = check->has_eight_bit || has_eight_bit(bytes);
	struct wire_cursor cursor = wire_look(bytes);
	while (cursor.at < cursor.end && check->state != WIRE_BROKEN) {
		const char *from = cursor.at;
		size_t stuffed = wire_pass(&cursor, SIZE_MAX, &check->state);
		check->size += (size_t)(cursor.at - from) - stuffed;
		if (cursor.at == cursor.end)
			break;
		unsigned state = follow_byte(check->state, *cursor.at++);
		check->size += state == WIRE_DOT ? 0 : 1;
		check->state = state;
	}
	return check->state == WIRE_BROKEN ? STATUS_INVALID : STATUS_OK;
}

enum status body_check_finish(const struct body_check *check)
{
	return check->state == WIRE_LINE ? STATUS_OK : STATUS_INVALID;
}

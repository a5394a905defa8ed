/*
 * The end-of-data scanner: runs of good bytes are copied whole (wire.h), and only a byte that needs a look goes through
 * the table of moves below. It owns nothing; it fails when its output has no room, and stays where it was.
 *
 * What is held back (a CR, a dot that begins a line) is in the state alone, so the output does not depend on how the
 * input was cut.
 */
#include "smtp/body.h"

#include "smtp/wire.h"

/* What one byte does. */
struct move {
	enum wire_state state;
	const char *text; /* goes on; NULL: the byte itself */
	unsigned size;    /* bytes of text */
	unsigned counts;  /* bytes of the message, stuffed dots left out */
	bool is_stray;    /* a CR or NUL that may not be here */
	bool is_end;
};

static struct move hold_back(enum wire_state state)
{
	return (struct move){ .state = state, .text = "" };
}

/* A CR was held back, and no LF came. The byte after it can't begin a line. */
static struct move move_stray(char byte)
{
	return (struct move){ .state = byte == '\r' ? WIRE_CR : WIRE_TEXT, .text = "", .counts = 1, .is_stray = true };
}

static struct move move_line_feed(unsigned state)
{
	if (state == WIRE_DOT_CR)
		return (struct move){ .state = WIRE_LINE, .text = "", .is_end = true };
	/*
	 * A bare LF becomes CRLF. After a held dot too: the dot was stuffed (RFC 5321, 4.5.2) and is dropped, as
	 * CRLF.CRLF would be the end.
	 */
	return (struct move){
		.state = state == WIRE_CR ? WIRE_LINE : WIRE_AFTER_LF, .text = "\r\n", .size = 2, .counts = 2
	};
}

static struct move move_text(unsigned state, char byte)
{
	if (byte == '.' && state == WIRE_LINE)
		return hold_back(WIRE_DOT);
	if (byte == '.' && (state == WIRE_AFTER_LF || state == WIRE_DOT))
		return (struct move){ .state = WIRE_TEXT, .text = "..", .size = 2, .counts = 1 };
	return (struct move){ .state = WIRE_TEXT, .size = 1, .counts = 1 };
}

static struct move move_byte(unsigned state, char byte)
{
	if (byte == '\n')
		return move_line_feed(state);
	if (state == WIRE_CR || state == WIRE_DOT_CR || byte == '\0')
		return move_stray(byte);
	if (byte == '\r')
		return hold_back(state == WIRE_DOT ? WIRE_DOT_CR : WIRE_CR);
	return move_text(state, byte);
}

static enum status take_byte(struct body_scanner *scanner, struct wire_cursor *cursor, struct buf *out)
{
	char byte = *cursor->at;
	struct move move = move_byte(scanner->state, byte);
	scanner->has_cr_or_nul |= move.is_stray;
	if (!scanner->has_cr_or_nul) {
		char pair[2] = { '.', byte };
		struct span text = { move.text ? move.text : pair + 1, move.size };
		if (move.text == NULL && scanner->state == WIRE_DOT)
			text = (struct span){ pair, 2 };
		TRY(buf_append(out, text));
	}
	scanner->state = move.state;
	scanner->size += move.counts;
	cursor->at++;
	return move.is_end ? STATUS_OK : STATUS_AGAIN;
}

/* One run, or one byte. STATUS_AGAIN: go on; anything else is the answer. */
static enum status advance_scanner(struct body_scanner *scanner, struct wire_cursor *cursor, struct buf *out)
{
	size_t room = scanner->has_cr_or_nul ? SIZE_MAX : buf_room(out);
	if (room < BODY_ROOM_LEAST)
		return STATUS_TOO_LARGE;
	struct wire_cursor ahead = *cursor;
	unsigned state = scanner->state;
	size_t stuffed = wire_pass(&ahead, room, &state);
	size_t size = (size_t)(ahead.at - cursor->at);
	if (size && !scanner->has_cr_or_nul)
		TRY(buf_append(out, (struct span){ cursor->at, size }));
	*cursor = ahead; /* even where it did not move, as it knows more */
	if (size == 0)
		return take_byte(scanner, cursor, out);
	scanner->state = state;
	scanner->size += size - stuffed;
	return STATUS_AGAIN;
}

enum status body_scan(struct body_scanner *scanner, struct span in, struct buf *out, size_t *out_used)
{
	struct wire_cursor cursor = wire_look(in);
	enum status status = STATUS_AGAIN;
	while (status == STATUS_AGAIN && cursor.at < cursor.end)
		status = advance_scanner(scanner, &cursor, out);
	*out_used = in.size - (size_t)(cursor.end - cursor.at);
	return status;
}

size_t body_pass(struct body_scanner *scanner, struct span in)
{
	if (scanner->has_cr_or_nul)
		return 0;
	struct wire_cursor cursor = wire_look(in);
	size_t stuffed = wire_pass(&cursor, in.size, &scanner->state);
	size_t size = in.size - (size_t)(cursor.end - cursor.at);
	scanner->size += size - stuffed;
	return size;
}

/* Text that somebody else wrote, for the eyes of people: it must not steer their terminal. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>

#include "base/buf.h"

/*
 * Each byte of a control becomes '?': C0, DEL, and C1 as UTF-8 writes it (U+0080
 * to U+009F: U+009B is ESC [ to many terminals).
 */
void text_blank_controls(char *text, size_t size);

/*
 * The text in printable UTF-8: what is no UTF-8, and what is not seen or moves what is (controls, marks of direction,
 * blanks without a width), becomes \xNN or \u{NN}, a backslash two of them. STATUS_TOO_LARGE, STATUS_NO_MEMORY.
 */
MUST_USE enum status text_escape(struct span text, struct buf *out_text);

/*
 * How many columns of a terminal the text takes: two for a wide character, none for one that joins the one before
 * (Unicode, UAX 11); one for each byte that is no UTF-8.
 */
unsigned text_width(struct span text);

#endif

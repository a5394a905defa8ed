/* Text that somebody else wrote, for the eyes of people: it must not steer their terminal. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>

/*
 * Each byte of a control becomes '?': C0, DEL, and C1 as UTF-8 writes it (U+0080
 * to U+009F: U+009B is ESC [ to many terminals).
 */
void text_blank_controls(char *text, size_t size);

#endif

/* PRECIS's IdentifierClass (RFC 8264, 4.2): which characters may stand in a user's name, and where. Pure. */
#ifndef BASE_IDENTIFIER_H
#define BASE_IDENTIFIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A full-width or half-width character's usual form; others are their own (RFC 8265, 3.3.1). */
uint32_t identifier_map_width(uint32_t c);
/* Whether `c` may stand in an identifier at all, if the others allow it. */
bool identifier_allows(uint32_t c);
/* Each may stand where it stands (RFC 5892, A), and the whole can be shown in one direction (RFC 5893, 2). */
bool identifier_is_valid(const uint32_t *points, size_t count);

#endif

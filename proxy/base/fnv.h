/*
 * FNV-1a: the same number for a text in every process and on every day. Whoever
 * picks the text picks the number, too; a map's hashes (map.h) are seeded.
 */
#ifndef BASE_FNV_H
#define BASE_FNV_H

#include "base/span.h"

uint64_t fnv_hash(struct span text);
uint64_t fnv_hash_nocase(struct span text); /* ASCII case ignored */

#endif

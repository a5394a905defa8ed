/* FNV-1a of 64 bits. */
#include "base/fnv.h"

#include "base/ascii.h"

#define OFFSET_BASIS UINT64_C(0xcbf29ce484222325)
#define PRIME UINT64_C(0x100000001b3)

uint64_t fnv_hash(struct span text)
{
	uint64_t hash = OFFSET_BASIS;
	for (size_t i = 0; i < text.size; i++)
		hash = (hash ^ (unsigned char)text.data[i]) * PRIME;
	return hash;
}

uint64_t fnv_hash_nocase(struct span text)
{
	uint64_t hash = OFFSET_BASIS;
	for (size_t i = 0; i < text.size; i++)
		hash = (hash ^ (unsigned char)ascii_lower(text.data[i])) * PRIME;
	return hash;
}

/*
 * Places of two sizes, each in memory of their own. One that is given back gives its pages to the kernel, but for a few
 * that are taken next. A block that finds no place is the heap's. Owns the memory for the life of the process.
 */
#include "net/tls_places.h"

#include <openssl/crypto.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "net/tls_object.h"

#define PLACES 512U /* of a kind; a handshake takes two of each, and more at once are rare */
#define WARM 8U     /* free places of a kind that keep their pages */

/* Blocks of so many bytes, and where they go. What stays as long as a client is of neither kind. */
struct places {
	size_t least, most;
	size_t size;  /* bytes of a place: whole pages */
	char *memory; /* NULL: there are none */
	uint16_t warm[WARM], cold[PLACES];
	unsigned warm_count, cold_count; /* free ones */
};

static struct places kinds[] = {
	{ .least = 4096, .most = 5120, .size = 8192 },   /* what a server sends: a record, and a flight of messages */
	{ .least = 8192, .most = 24576, .size = 24576 }, /* what it reads: a record (17 KiB), messages (22 KiB) */
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* The kind that it is a place of, or NULL. */
static struct places *find_owner(const void *block)
{
	for (size_t i = 0; i < KINDS; i++)
		if (kinds[i].memory && (uintptr_t)block - (uintptr_t)kinds[i].memory < PLACES * kinds[i].size)
			return &kinds[i];
	return NULL;
}

static void *take_place(size_t size)
{
	for (size_t i = 0; i < KINDS; i++) {
		struct places *kind = &kinds[i];
		if (size < kind->least || size > kind->most)
			continue;
		if (kind->warm_count)
			return kind->memory + kind->warm[--kind->warm_count] * kind->size;
		if (kind->cold_count)
			return kind->memory + kind->cold[--kind->cold_count] * kind->size;
	}
	return NULL;
}

static void cool_place(struct places *kind, uint16_t number)
{
	madvise(kind->memory + number * kind->size, kind->size, MADV_DONTNEED);
	kind->cold[kind->cold_count++] = number;
}

static void give_place(struct places *kind, char *place)
{
	uint16_t number = (uint16_t)((size_t)(place - kind->memory) / kind->size);
	if (kind->warm_count < WARM)
		kind->warm[kind->warm_count++] = number;
	else
		cool_place(kind, number);
}

void tls_rest_places(void)
{
	for (size_t i = 0; i < KINDS; i++)
		while (kinds[i].warm_count)
			cool_place(&kinds[i], kinds[i].warm[--kinds[i].warm_count]);
}

/* ---- what OpenSSL calls */

static void *take_block(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	void *place = tls_object_take_room(size);
	if (place == NULL)
		place = take_place(size);
	return place ? place : malloc(size);
}

static void give_block(void *block, const char *file, int line)
{
	(void)file;
	(void)line;
	struct places *kind = find_owner(block);
	if (kind)
		give_place(kind, block);
	else if (tls_object_room(block))
		tls_object_give_room(block);
	else
		free(block);
}

static void *resize_block(void *block, size_t size, const char *file, int line)
{
	struct places *kind = find_owner(block);
	size_t room = kind ? kind->size : tls_object_room(block);
	if (block == NULL)
		return take_block(size, file, line);
	if (room == 0)
		return realloc(block, size);
	if (size && size <= room)
		return block;
	void *other = size ? take_block(size, file, line) : NULL;
	if (other)
		memcpy(other, block, room);
	if (other || size == 0)
		give_block(block, file, line);
	return other;
}

void tls_use_places(void)
{
	if (CRYPTO_set_mem_functions(take_block, resize_block, give_block) != 1)
		return;
	tls_object_reserve();
	for (size_t i = 0; i < KINDS; i++) {
		struct places *kind = &kinds[i];
		void *memory = mmap(NULL, PLACES * kind->size, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (memory == MAP_FAILED)
			continue;
		kind->memory = memory;
		for (; kind->cold_count < PLACES; kind->cold_count++)
			kind->cold[kind->cold_count] = (uint16_t)(PLACES - 1 - kind->cold_count);
	}
}

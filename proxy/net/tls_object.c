/*
 * Rooms of two pages for the objects of connections, in one piece of memory. Those in use are in a list, the one that
 * has not been used for longest first. Owns the memory for the life of the process.
 */
#include "net/tls_object.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>

#define ROOMS 16384U       /* connections of one process; of addresses they take 128 MiB, of memory what is used */
#define ROOM_SIZE 8192U    /* bytes */
#define ROOM_LEAST 2048U   /* bytes of an object worth the pages; SSL_new begins with it */
#define WARM 8U            /* free rooms that keep their pages, for the connections to come */
#define REST_BEATS 2U      /* without use, after which an object is packed */
#define PACKED_AT_ONCE 500 /* some 5 us each */
#define WORDS (ROOM_SIZE / sizeof(uint64_t))
#define MAP_WORDS (WORDS / 64)

/* What an object is while nobody uses it. */
struct packed {
	uint64_t map[MAP_WORDS]; /* a bit a word: whether it is among `words` */
	uint64_t words[];        /* those that are not 0, in order */
};

struct room {
	TAILQ_ENTRY(room) in_list; /* in_use or free_ones; neither while it is packed, or is not known as an object */
	struct packed *packed;     /* NULL: its bytes are in their place */
	uint64_t used;             /* the beat in which it was used last */
	bool is_listed;            /* in in_use */
};

TAILQ_HEAD(rooms, room);

static char *memory; /* NULL: there are no rooms */
static struct room rooms[ROOMS];
static unsigned begun; /* rooms that were ever taken */
static unsigned warm;  /* the first of free_ones: they still have their pages */
static struct rooms in_use = TAILQ_HEAD_INITIALIZER(in_use);
static struct rooms free_ones = TAILQ_HEAD_INITIALIZER(free_ones);
static uint64_t beat;
static bool is_making; /* the next large block is an object */

static struct room *find_room(const void *block)
{
	size_t at = (uintptr_t)block - (uintptr_t)memory;
	return memory && at < (size_t)ROOMS * ROOM_SIZE ? &rooms[at / ROOM_SIZE] : NULL;
}

static char *room_memory(const struct room *room)
{
	return memory + (size_t)(room - rooms) * ROOM_SIZE;
}

static void give_pages(const struct room *room)
{
	madvise(room_memory(room), ROOM_SIZE, MADV_DONTNEED);
}

/* ---- packing */

static struct packed *make_packed(const uint64_t *words)
{
	size_t count = 0;
	for (size_t i = 0; i < WORDS; i++)
		count += words[i] != 0;
	struct packed *packed = calloc(1, sizeof(*packed) + count * sizeof(uint64_t));
	if (packed == NULL)
		return NULL;
	count = 0;
	for (size_t i = 0; i < WORDS; i++) {
		if (words[i] == 0)
			continue;
		packed->map[i / 64] |= UINT64_C(1) << (i % 64);
		packed->words[count++] = words[i];
	}
	return packed;
}

static bool pack_room(struct room *room)
{
	room->packed = make_packed((const uint64_t *)(const void *)room_memory(room));
	if (room->packed == NULL)
		return false;
	TAILQ_REMOVE(&in_use, room, in_list);
	room->is_listed = false;
	give_pages(room);
	return true;
}

/* Every word is written, as the kernel may have left the pages as they were. */
static void unpack_room(struct room *room)
{
	struct packed *packed = room->packed;
	uint64_t *words = (uint64_t *)(void *)room_memory(room);
	size_t count = 0;
	for (size_t i = 0; i < WORDS; i++)
		words[i] = packed->map[i / 64] >> (i % 64) & 1 ? packed->words[count++] : 0;
	explicit_bzero(packed, sizeof(*packed) + count * sizeof(uint64_t)); /* there are keys among them */
	free(packed);
	room->packed = NULL;
}

static void note_use(struct room *room)
{
	if (room->is_listed)
		TAILQ_REMOVE(&in_use, room, in_list);
	TAILQ_INSERT_TAIL(&in_use, room, in_list);
	room->is_listed = true;
	room->used = beat;
}

/* ---- objects */

SSL *tls_object_make(SSL_CTX *context)
{
	is_making = memory != NULL;
	SSL *ssl = SSL_new(context);
	is_making = false;
	struct room *room = find_room(ssl);
	if (room)
		note_use(room);
	return ssl;
}

SSL *tls_object_use(SSL *ssl)
{
	struct room *room = find_room(ssl);
	if (room == NULL)
		return ssl;
	if (room->packed)
		unpack_room(room);
	if (!room->is_listed || room->used != beat)
		note_use(room);
	return ssl;
}

void tls_object_beat(void)
{
	beat++;
	for (unsigned i = 0; i < PACKED_AT_ONCE; i++) {
		struct room *room = TAILQ_FIRST(&in_use);
		if (room == NULL || room->used + REST_BEATS > beat || !pack_room(room))
			return;
	}
}

/* ---- rooms */

void tls_object_reserve(void)
{
	void *reserved = mmap(NULL, (size_t)ROOMS * ROOM_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reserved == MAP_FAILED)
		return;
	madvise(reserved, (size_t)ROOMS * ROOM_SIZE, MADV_NOHUGEPAGE); /* or what is given back stays in part of one */
	memory = reserved;
}

void *tls_object_take_room(size_t size)
{
	if (!is_making || size < ROOM_LEAST || size > ROOM_SIZE)
		return NULL;
	is_making = false;
	struct room *room = TAILQ_FIRST(&free_ones);
	if (room == NULL)
		return begun < ROOMS ? room_memory(&rooms[begun++]) : NULL;
	TAILQ_REMOVE(&free_ones, room, in_list);
	if (warm)
		warm--;
	return room_memory(room);
}

size_t tls_object_room(const void *block)
{
	return find_room(block) ? ROOM_SIZE : 0;
}

void tls_object_give_room(void *block)
{
	struct room *room = find_room(block);
	assert(room && room->packed == NULL);
	if (room->is_listed)
		TAILQ_REMOVE(&in_use, room, in_list);
	room->is_listed = false;
	if (warm < WARM) {
		warm++;
		TAILQ_INSERT_HEAD(&free_ones, room, in_list);
		return;
	}
	give_pages(room);
	TAILQ_INSERT_TAIL(&free_ones, room, in_list);
}

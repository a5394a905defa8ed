/*
 * Rests. Owns the mapping: a table by open addressing whose entries are never
 * locked. Two relay processes may write at once; each word is whole, a reason
 * may be torn and is cleaned when it is read. The clock is the wall's at the
 * start and runs on with the loop's, so that a clock that jumps ends no rest.
 */
#include "relay/upstream/rests.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"

#define ENTRIES 4096              /* accounts and relays with something to remember: a mebibyte */
#define PROBES 32                 /* places a key may stand in */
#define MAGIC 0x3173747365725f67U /* the format's name and version, in place of a key */
#define KEY_TEXT_MAXIMUM 1024

struct entry {
	_Atomic uint64_t key;       /* 0: free */
	_Atomic uint64_t until_ms;  /* wall clock; 0: it does not rest */
	_Atomic uint64_t length_ms; /* of the last rest; 0: all is well */
	_Atomic uint64_t spare;
	char reason[REST_REASON_SIZE + 16];
};

/* The first entry is the header: its key is MAGIC. */
struct rests {
	struct loop *loop;
	struct entry *entries;
	uint64_t wall_offset_ms; /* wall clock behind the loop's */
};

_Static_assert(sizeof(struct entry) == 256, "entries of a file that other versions read");

static uint64_t now_ms(const struct rests *rests)
{
	return loop_now_ms(rests->loop) + rests->wall_offset_ms;
}

/* ---- the mapping */

/* Room on disk first: a hole that can't be filled would be a bus error. */
static enum status map(struct rests *rests, int fd)
{
	size_t size = ENTRIES * sizeof(struct entry);
	struct stat info;
	bool is_new = fd < 0 || (fstat(fd, &info) == 0 && info.st_size == 0);
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	if (fd >= 0 && posix_fallocate(fd, 0, (off_t)size) != 0)
		return STATUS_SYSTEM;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (memory == MAP_FAILED)
		return STATUS_SYSTEM;
	rests->entries = memory;
	if (!is_new && atomic_load(&rests->entries[0].key) != MAGIC)
		memset(memory, 0, size); /* else its pages stay untouched, and cost nothing */
	atomic_store(&rests->entries[0].key, MAGIC);
	return STATUS_OK;
}

enum status rests_create(struct loop *loop, int fd, struct rests **out_rests)
{
	struct rests *rests = calloc(1, sizeof(*rests));
	enum status status = rests ? map(rests, fd) : STATUS_NO_MEMORY;
	if (fd >= 0)
		close(fd);
	if (status != STATUS_OK) {
		free(rests);
		return status;
	}
	rests->loop = loop;
	rests->wall_offset_ms = clock_wall_us() / 1000 - loop_now_ms(loop);
	*out_rests = rests;
	return STATUS_OK;
}

void rests_free(struct rests **rests)
{
	if (*rests == NULL)
		return;
	munmap((*rests)->entries, ENTRIES * sizeof(struct entry));
	free(*rests);
	*rests = NULL;
}

/* ---- keys and places */

uint64_t rests_key(const char *fact, const char *host, const char *name)
{
	char text[KEY_TEXT_MAXIMUM];
	unsigned char digest[HASH_SHA256_SIZE];
	uint64_t key;
	int size = snprintf(text, sizeof(text), "%s|%s|%s", fact, host, name);
	if (size < 0 || (size_t)size >= sizeof(text))
		size = (int)sizeof(text) - 1;
	if (hash_sha256((struct span){ text, (size_t)size }, digest) != STATUS_OK)
		return 0;
	memcpy(&key, digest, sizeof(key));
	return key > MAGIC || key < MAGIC ? key : 0;
}

static struct entry *place(const struct rests *rests, uint64_t key, size_t probe)
{
	return &rests->entries[1 + (key + probe) % (ENTRIES - 1)];
}

static struct entry *find(const struct rests *rests, uint64_t key)
{
	for (size_t i = 0; key && i < PROBES; i++) {
		struct entry *entry = place(rests, key, i);
		if (atomic_load(&entry->key) == key)
			return entry;
	}
	return NULL;
}

/* A free one, else the one that ends, or ended, first. */
static struct entry *make_room(struct rests *rests, uint64_t key)
{
	struct entry *first = NULL;
	for (size_t i = 0; i < PROBES; i++) {
		struct entry *entry = place(rests, key, i);
		uint64_t none = 0;
		if (atomic_compare_exchange_strong(&entry->key, &none, key))
			return entry;
		if (first == NULL || atomic_load(&entry->until_ms) < atomic_load(&first->until_ms))
			first = entry;
	}
	atomic_store(&first->until_ms, 0);
	atomic_store(&first->length_ms, 0);
	atomic_store(&first->key, key);
	return first;
}

/* ---- rests */

uint64_t rests_left_ms(const struct rests *rests, uint64_t key)
{
	const struct entry *entry = find(rests, key);
	uint64_t until_ms = entry ? atomic_load(&entry->until_ms) : 0;
	uint64_t now = now_ms(rests);
	if (until_ms == REST_UNTIL_ENDED)
		return REST_UNTIL_ENDED;
	return until_ms > now && until_ms - now <= REST_MAXIMUM_MS ? until_ms - now : 0;
}

uint64_t rests_length_ms(const struct rests *rests, uint64_t key)
{
	const struct entry *entry = find(rests, key);
	uint64_t length_ms = entry ? atomic_load(&entry->length_ms) : 0;
	return length_ms < REST_MAXIMUM_MS ? length_ms : REST_MAXIMUM_MS;
}

void rests_reason(const struct rests *rests, uint64_t key, char out_reason[REST_REASON_SIZE])
{
	const struct entry *entry = find(rests, key);
	size_t i = 0;
	for (; entry && i < REST_REASON_SIZE - 1 && entry->reason[i]; i++)
		out_reason[i] = entry->reason[i] < ' ' || entry->reason[i] > '~' ? ' ' : entry->reason[i];
	out_reason[i] = '\0';
}

void rests_begin(struct rests *rests, uint64_t key, uint64_t ms, const char *reason)
{
	struct entry *entry = find(rests, key);
	if (entry == NULL && key)
		entry = make_room(rests, key);
	if (entry == NULL)
		return;
	if (ms != REST_UNTIL_ENDED && ms > REST_MAXIMUM_MS)
		ms = REST_MAXIMUM_MS;
	snprintf(entry->reason, REST_REASON_SIZE, "%s", reason);
	atomic_store(&entry->length_ms, ms);
	atomic_store(&entry->until_ms, ms == REST_UNTIL_ENDED ? ms : now_ms(rests) + ms);
}

void rests_end(struct rests *rests, uint64_t key)
{
	struct entry *entry = find(rests, key);
	if (entry == NULL)
		return;
	atomic_store(&entry->until_ms, 0);
	atomic_store(&entry->length_ms, 0);
}

uint64_t rests_back_off(struct rests *rests, uint64_t key, uint64_t first_ms, uint64_t most_ms, const char *reason)
{
	uint64_t ms = 2 * rests_length_ms(rests, key);
	if (rests_left_ms(rests, key))
		return 0;
	if (ms < first_ms)
		ms = first_ms;
	if (ms > most_ms)
		ms = most_ms;
	rests_begin(rests, key, ms, reason);
	return ms;
}

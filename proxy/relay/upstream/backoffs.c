/*
 * The memory of back-offs. Owns the mapping: a table by open addressing whose
 * entries are never locked. Two relay processes may write at once; each word is
 * whole, but a reason may be torn, so it is cleaned when it is read. The clock
 * starts with the wall's time and runs on with the loop's, so that a clock that
 * jumps ends no back-off.
 */
#include "relay/upstream/backoffs.h"

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

#define ENTRIES 4096              /* upstreams and accounts with something to remember: a mebibyte */
#define PROBES 32                 /* places where a key may be */
#define MAGIC 0x3173747365725f67U /* the format's name and version, in place of a key */
#define KEY_TEXT_MAXIMUM 1024

struct backoff_entry {
	_Atomic uint64_t key;       /* 0: free */
	_Atomic uint64_t until_ms;  /* wall clock; 0: no back-off */
	_Atomic uint64_t length_ms; /* of the last back-off; 0: all is well */
	_Atomic uint64_t spare;
	char reason[BACKOFF_REASON_SIZE + 16];
};

/* The first entry is the header: its key is MAGIC. */
struct backoffs {
	struct loop *loop;
	struct backoff_entry *entries;
	uint64_t wall_offset_ms; /* from the loop's clock to the wall's */
};

_Static_assert(sizeof(struct backoff_entry) == 256, "entries of a file that other versions read");

static uint64_t now_ms(const struct backoffs *backoffs)
{
	return loop_now_ms(backoffs->loop) + backoffs->wall_offset_ms;
}

/* ---- the mapping */

/* Allocates the file on disk first: a hole that can't be filled would be a bus error. */
static enum status map_file(struct backoffs *backoffs, int fd)
{
	size_t size = ENTRIES * sizeof(struct backoff_entry);
	struct stat info;
	bool is_new = fd < 0 || (fstat(fd, &info) == 0 && info.st_size == 0);
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	if (fd >= 0 && posix_fallocate(fd, 0, (off_t)size) != 0)
		return STATUS_SYSTEM;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (memory == MAP_FAILED)
		return STATUS_SYSTEM;
	backoffs->entries = memory;
	if (!is_new && atomic_load(&backoffs->entries[0].key) != MAGIC)
		memset(memory, 0, size); /* else its pages stay untouched, and cost nothing */
	atomic_store(&backoffs->entries[0].key, MAGIC);
	return STATUS_OK;
}

enum status backoffs_create(struct loop *loop, int fd, struct backoffs **out_backoffs)
{
	struct backoffs *backoffs = calloc(1, sizeof(*backoffs));
	enum status status = backoffs ? map_file(backoffs, fd) : STATUS_NO_MEMORY;
	if (fd >= 0)
		close(fd);
	if (status != STATUS_OK) {
		free(backoffs);
		return status;
	}
	backoffs->loop = loop;
	backoffs->wall_offset_ms = clock_wall_us() / 1000 - loop_now_ms(loop);
	*out_backoffs = backoffs;
	return STATUS_OK;
}

void backoffs_free(struct backoffs **backoffs)
{
	if (*backoffs == NULL)
		return;
	munmap((*backoffs)->entries, ENTRIES * sizeof(struct backoff_entry));
	free(*backoffs);
	*backoffs = NULL;
}

/* ---- keys and places */

uint64_t backoffs_key(const char *fact, const char *host, const char *name)
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

static struct backoff_entry *entry_at(const struct backoffs *backoffs, uint64_t key, size_t probe)
{
	return &backoffs->entries[1 + (key + probe) % (ENTRIES - 1)];
}

/* Nobody sets an entry free again, so there is none beyond a free one. */
static struct backoff_entry *find_entry(const struct backoffs *backoffs, uint64_t key)
{
	for (size_t i = 0; key && i < PROBES; i++) {
		struct backoff_entry *entry = entry_at(backoffs, key, i);
		uint64_t found = atomic_load(&entry->key);
		if (found == key)
			return entry;
		if (found == 0)
			return NULL;
	}
	return NULL;
}

/* A free entry, or else the one that ends, or ended, first. */
static struct backoff_entry *make_room(struct backoffs *backoffs, uint64_t key)
{
	struct backoff_entry *first = NULL;
	for (size_t i = 0; i < PROBES; i++) {
		struct backoff_entry *entry = entry_at(backoffs, key, i);
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

/* ---- back-offs */

uint64_t backoffs_left_ms(const struct backoffs *backoffs, uint64_t key)
{
	const struct backoff_entry *entry = find_entry(backoffs, key);
	uint64_t until_ms = entry ? atomic_load(&entry->until_ms) : 0;
	uint64_t now = now_ms(backoffs);
	if (until_ms == BACKOFF_UNTIL_ENDED)
		return BACKOFF_UNTIL_ENDED;
	return until_ms > now && until_ms - now <= BACKOFF_MAXIMUM_MS ? until_ms - now : 0;
}

uint64_t backoffs_length_ms(const struct backoffs *backoffs, uint64_t key)
{
	const struct backoff_entry *entry = find_entry(backoffs, key);
	uint64_t length_ms = entry ? atomic_load(&entry->length_ms) : 0;
	return length_ms < BACKOFF_MAXIMUM_MS ? length_ms : BACKOFF_MAXIMUM_MS;
}

/* No blank stands for what is none: those who look for a quoted password pass over blanks (base/mask.h). */
static char show_byte(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f ? ' ' : (unsigned char)c > '~' ? '?' : c;
}

void backoffs_reason(const struct backoffs *backoffs, uint64_t key, char out_reason[BACKOFF_REASON_SIZE])
{
	const struct backoff_entry *entry = find_entry(backoffs, key);
	size_t i = 0;
	for (; entry && i < BACKOFF_REASON_SIZE - 1 && entry->reason[i]; i++)
		out_reason[i] = show_byte(entry->reason[i]);
	out_reason[i] = '\0';
}

void backoffs_begin(struct backoffs *backoffs, uint64_t key, uint64_t ms, const char *reason)
{
	struct backoff_entry *entry = find_entry(backoffs, key);
	if (entry == NULL && key)
		entry = make_room(backoffs, key);
	if (entry == NULL)
		return;
	if (ms != BACKOFF_UNTIL_ENDED && ms > BACKOFF_MAXIMUM_MS)
		ms = BACKOFF_MAXIMUM_MS;
	snprintf(entry->reason, BACKOFF_REASON_SIZE, "%s", reason);
	atomic_store(&entry->length_ms, ms);
	atomic_store(&entry->until_ms, ms == BACKOFF_UNTIL_ENDED ? ms : now_ms(backoffs) + ms);
}

void backoffs_end(struct backoffs *backoffs, uint64_t key)
{
	struct backoff_entry *entry = find_entry(backoffs, key);
	if (entry == NULL)
		return;
	atomic_store(&entry->until_ms, 0);
	atomic_store(&entry->length_ms, 0);
}

uint64_t backoffs_begin_longer(struct backoffs *backoffs, uint64_t key, uint64_t first_ms, uint64_t most_ms,
			       const char *reason)
{
	uint64_t ms = 2 * backoffs_length_ms(backoffs, key);
	if (backoffs_left_ms(backoffs, key))
		return 0;
	if (ms < first_ms)
		ms = first_ms;
	if (ms > most_ms)
		ms = most_ms;
	backoffs_begin(backoffs, key, ms, reason);
	return ms;
}

/*
 * Rings. A position counts all bytes ever put. The reader writes how far it has come into the shared memory, and reads
 * nothing there but pieces. Owns the mappings; the descriptor goes to the other end.
 */
#include "door/ring.h"

#include <assert.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) /* or a gate could take the memory from under the relay */

struct ring_memory {
	_Alignas(64) _Atomic uint64_t taken; /* the position after the last piece that the reader has copied */
	_Alignas(64) char bytes[RING_SIZE];
};

static struct ring_memory *map_memory(int fd)
{
	void *memory = mmap(NULL, sizeof(struct ring_memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

static void unmap_memory(struct ring_memory *memory)
{
	if (memory)
		munmap(memory, sizeof(*memory));
}

/* ---- the relay's end */

static enum status make_memory(int *out_fd)
{
	int fd = memfd_create("ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return STATUS_SYSTEM;
	if (ftruncate(fd, sizeof(struct ring_memory)) != 0 || fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
		close(fd);
		return STATUS_SYSTEM;
	}
	*out_fd = fd;
	return STATUS_OK;
}

enum status ring_open(struct ring_reader *reader, int *out_fd)
{
	*reader = (struct ring_reader){ 0 };
	TRY(make_memory(out_fd));
	reader->memory = map_memory(*out_fd);
	reader->piece = malloc(RING_PIECE);
	if (reader->memory && reader->piece)
		return STATUS_OK;
	ring_close(reader);
	close(*out_fd);
	return STATUS_NO_MEMORY;
}

enum status ring_take(struct ring_reader *reader, uint64_t position, uint64_t size, struct span *out_bytes)
{
	size_t at = position % RING_SIZE;
	if (reader->memory == NULL || size == 0 || size > RING_PIECE || size > RING_SIZE - at)
		return STATUS_INVALID;
	memcpy(reader->piece, reader->memory->bytes + at, (size_t)size);
	atomic_store_explicit(&reader->memory->taken, position + size, memory_order_release);
	*out_bytes = (struct span){ reader->piece, (size_t)size };
	return STATUS_OK;
}

void ring_close(struct ring_reader *reader)
{
	unmap_memory(reader->memory);
	free(reader->piece);
	*reader = (struct ring_reader){ 0 };
}

/* ---- the gate's end */

enum status ring_join(struct ring_writer *writer, int fd)
{
	ring_leave(writer);
	writer->memory = map_memory(fd);
	close(fd);
	return writer->memory ? STATUS_OK : STATUS_SYSTEM;
}

bool ring_put(struct ring_writer *writer, struct span piece, uint64_t *out_position)
{
	struct ring_memory *memory = writer->memory;
	assert(piece.size <= RING_PIECE);
	if (memory == NULL)
		return false;
	uint64_t head = writer->head;
	size_t at = head % RING_SIZE;
	if (piece.size > RING_SIZE - at) {
		head += RING_SIZE - at; /* a piece is in one part */
		at = 0;
	}
	uint64_t held = head - atomic_load_explicit(&memory->taken, memory_order_acquire);
	if (held > RING_SIZE || piece.size > RING_SIZE - held)
		return false;
	memcpy(memory->bytes + at, piece.data, piece.size);
	writer->head = head + piece.size;
	*out_position = head;
	return true;
}

void ring_leave(struct ring_writer *writer)
{
	unmap_memory(writer->memory);
	*writer = (struct ring_writer){ 0 };
}

/* Reads, and unpacks by zlib or libzstd. Owns what those need, and a buffer of packed bytes. */
#include "audit/reader/unpack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define PACKED_SIZE (256U << 10) /* bytes a read */
#define GZIP_WINDOW (15 + 16)    /* the largest, with gzip's header */

/* Invariant: `packed` from `at` to `end` is read and not unpacked yet. */
struct unpack {
	int fd;
	off_t position; /* of the next read: the descriptor's own moves where somebody else uses it; -1: of a pipe */
	enum status (*read)(struct unpack *unpack, char *at, size_t room, size_t *out_size);
	z_stream gzip;
	ZSTD_DStream *zstd;
	bool is_amid; /* a packed part has begun and not ended */
	bool is_full; /* there was no room for all that is unpacked */
	size_t at, end;
	unsigned char packed[PACKED_SIZE];
};

/* STATUS_END: there is nothing more. */
static enum status read_some(struct unpack *unpack, void *at, size_t room, size_t *out_size)
{
	ssize_t got;
	do
		got = unpack->position < 0 ? read(unpack->fd, at, room) : pread(unpack->fd, at, room, unpack->position);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return STATUS_SYSTEM;
	unpack->position += unpack->position < 0 ? 0 : got;
	*out_size = (size_t)got;
	return got ? STATUS_OK : STATUS_END;
}

static enum status read_plain(struct unpack *unpack, char *at, size_t room, size_t *out_size)
{
	size_t ready = unpack->end - unpack->at;
	if (ready == 0)
		return read_some(unpack, at, room, out_size);
	*out_size = ready < room ? ready : room;
	memcpy(at, unpack->packed + unpack->at, *out_size);
	unpack->at += *out_size;
	return STATUS_OK;
}

/* More packed bytes, if all are used. The end amid a part is one that came too early. */
static enum status refill_packed(struct unpack *unpack)
{
	size_t got;
	if (unpack->at < unpack->end)
		return STATUS_OK;
	enum status status = read_some(unpack, unpack->packed, PACKED_SIZE, &got);
	if (status == STATUS_END && unpack->is_amid)
		return STATUS_INVALID;
	TRY(status);
	unpack->at = 0;
	unpack->end = got;
	return STATUS_OK;
}

/* One step: it may unpack nothing. A file may be several parts, one after the other. */
static enum status step_gzip(struct unpack *unpack, char *at, size_t room, size_t *out_size)
{
	z_stream *gzip = &unpack->gzip;
	if (!unpack->is_amid && inflateReset(gzip) != Z_OK)
		return STATUS_INVALID;
	gzip->next_in = unpack->packed + unpack->at;
	gzip->avail_in = (uInt)(unpack->end - unpack->at);
	gzip->next_out = (unsigned char *)at;
	gzip->avail_out = (uInt)room;
	int result = inflate(gzip, Z_NO_FLUSH);
	if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
		return result == Z_MEM_ERROR ? STATUS_NO_MEMORY : STATUS_INVALID;
	unpack->is_amid = result != Z_STREAM_END;
	unpack->at = unpack->end - gzip->avail_in;
	*out_size = room - gzip->avail_out;
	return STATUS_OK;
}

static enum status step_zstd(struct unpack *unpack, char *at, size_t room, size_t *out_size)
{
	ZSTD_inBuffer in = { unpack->packed, unpack->end, unpack->at };
	ZSTD_outBuffer out = { at, room, 0 };
	size_t result = ZSTD_decompressStream(unpack->zstd, &out, &in);
	if (ZSTD_isError(result))
		return ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation ? STATUS_NO_MEMORY : STATUS_INVALID;
	unpack->is_amid = result != 0;
	unpack->at = in.pos;
	*out_size = out.pos;
	return STATUS_OK;
}

static enum status read_packed(struct unpack *unpack, char *at, size_t room, size_t *out_size)
{
	size_t got = 0;
	while (got == 0) {
		if (!unpack->is_amid || !unpack->is_full)
			TRY(refill_packed(unpack));
		TRY(unpack->zstd ? step_zstd(unpack, at, room, &got) : step_gzip(unpack, at, room, &got));
		unpack->is_full = got == room;
	}
	*out_size = got;
	return STATUS_OK;
}

static bool begins_with(const struct unpack *unpack, const char *bytes, size_t size)
{
	return unpack->end >= size && memcmp(unpack->packed, bytes, size) == 0;
}

static enum status choose_reader(struct unpack *unpack)
{
	size_t got = 0;
	enum status status = read_some(unpack, unpack->packed, PACKED_SIZE, &got);
	if (status != STATUS_OK && status != STATUS_END)
		return status;
	unpack->end = got;
	unpack->read = read_packed;
	if (begins_with(unpack, "\x1f\x8b", 2))
		return inflateInit2(&unpack->gzip, GZIP_WINDOW) == Z_OK ? STATUS_OK : STATUS_NO_MEMORY;
	if (begins_with(unpack, "\x28\xb5\x2f\xfd", 4)) {
		unpack->zstd = ZSTD_createDStream();
		return unpack->zstd ? STATUS_OK : STATUS_NO_MEMORY;
	}
	unpack->read = read_plain;
	return STATUS_OK;
}

enum status unpack_open(int fd, struct unpack **out_unpack)
{
	bool is_pipe = lseek(fd, 0, SEEK_CUR) < 0;
	if (is_pipe && errno != ESPIPE)
		return STATUS_SYSTEM;
	struct unpack *unpack = calloc(1, sizeof(*unpack));
	if (unpack == NULL)
		return STATUS_NO_MEMORY;
	unpack->fd = fd;
	unpack->position = is_pipe ? -1 : 0;
	enum status status = choose_reader(unpack);
	if (status != STATUS_OK)
		unpack_close(&unpack);
	else
		*out_unpack = unpack;
	return status;
}

void unpack_close(struct unpack **unpack)
{
	if (*unpack == NULL)
		return;
	inflateEnd(&(*unpack)->gzip); /* refused, and well so, where it never began */
	ZSTD_freeDStream((*unpack)->zstd);
	free(*unpack);
	*unpack = NULL;
}

enum status unpack_read(struct unpack *unpack, char *at, size_t room, size_t *out_size)
{
	return unpack->read(unpack, at, room, out_size);
}

/* Packs one file, by zlib or libzstd. Owns what those need, and two buffers. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "audit/archive/archive.h"

#define PIECE_SIZE (128U << 10) /* bytes a read, and a write */
#define GZIP_LEVEL 6
#define GZIP_WINDOW (15 + 16) /* the largest, with gzip's header */
#define GZIP_MEMORY 8         /* zlib's own default */
#define ZSTD_LEVEL 3

struct packing {
	int from, to;
	const struct archive_work *work;
	z_stream gzip;
	ZSTD_CStream *zstd;
	unsigned char in[PIECE_SIZE], out[PIECE_SIZE];
};

static enum status write_whole(int fd, const unsigned char *bytes, size_t size)
{
	while (size) {
		ssize_t put = write(fd, bytes, size);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0) {
			errno = put < 0 ? errno : EIO;
			return STATUS_SYSTEM;
		}
		bytes += put;
		size -= (size_t)put;
	}
	return STATUS_OK;
}

/* 0 bytes: that was all. */
static enum status read_piece(const struct packing *packing, unsigned char *at, size_t *out_size)
{
	ssize_t got;
	do
		got = read(packing->from, at, PIECE_SIZE);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return STATUS_SYSTEM;
	*out_size = (size_t)got;
	return STATUS_OK;
}

static enum status pack_piece_gzip(struct packing *packing, size_t size)
{
	z_stream *gzip = &packing->gzip;
	int result;
	gzip->next_in = packing->in;
	gzip->avail_in = (uInt)size;
	do {
		gzip->next_out = packing->out;
		gzip->avail_out = PIECE_SIZE;
		result = deflate(gzip, size ? Z_NO_FLUSH : Z_FINISH);
		if (result == Z_STREAM_ERROR)
			return STATUS_NO_MEMORY;
		TRY(write_whole(packing->to, packing->out, PIECE_SIZE - gzip->avail_out));
	} while (gzip->avail_out == 0 || (size == 0 && result != Z_STREAM_END));
	return STATUS_OK;
}

static enum status pack_piece_zstd(struct packing *packing, size_t size)
{
	ZSTD_inBuffer in = { packing->in, size, 0 };
	size_t left;
	do {
		ZSTD_outBuffer out = { packing->out, PIECE_SIZE, 0 };
		left = ZSTD_compressStream2(packing->zstd, &out, &in, size ? ZSTD_e_continue : ZSTD_e_end);
		if (ZSTD_isError(left))
			return STATUS_NO_MEMORY;
		TRY(write_whole(packing->to, packing->out, out.pos));
	} while (in.pos < in.size || (size == 0 && left != 0));
	return STATUS_OK;
}

static enum status pack_pieces(struct packing *packing)
{
	size_t size;
	do {
		life_begin(packing->work->sign, ARCHIVE_DISK_LIMIT_MS);
		if (atomic_load(packing->work->stop))
			return STATUS_REFUSED;
		TRY(read_piece(packing, packing->in, &size));
		TRY(packing->zstd ? pack_piece_zstd(packing, size) : pack_piece_gzip(packing, size));
	} while (size);
	return STATUS_OK;
}

static enum status begin_packing(struct packing *packing, enum config_audit_compress compress)
{
	if (compress == AUDIT_COMPRESS_GZIP)
		return deflateInit2(&packing->gzip, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
				    Z_DEFAULT_STRATEGY) == Z_OK
			       ? STATUS_OK
			       : STATUS_NO_MEMORY;
	packing->zstd = ZSTD_createCStream();
	if (packing->zstd == NULL ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(packing->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(packing->zstd, ZSTD_c_checksumFlag, 1)))
		return STATUS_NO_MEMORY;
	return STATUS_OK;
}

enum status archive_pack(int from, int to, enum config_audit_compress compress, const struct archive_work *work)
{
	struct packing *packing = calloc(1, sizeof(*packing));
	if (packing == NULL)
		return STATUS_NO_MEMORY;
	packing->from = from;
	packing->to = to;
	packing->work = work;
	enum status status = begin_packing(packing, compress);
	if (status == STATUS_OK)
		status = pack_pieces(packing);
	int error = errno;
	(void)deflateEnd(&packing->gzip); /* refused, and well so, where it never began */
	ZSTD_freeCStream(packing->zstd);
	free(packing);
	errno = error;
	return status;
}

/*
 * The codec of payloads, in the machine's byte order, as both ends are processes of one binary on one machine. Owns
 * nothing; what is read are views.
 */
#include "door/codec.h"

#include <string.h>

/* ---- reading */

static bool take_bytes(struct codec_reader *reader, size_t size, struct span *out_bytes)
{
	if (reader->failed || reader->rest.size < size) {
		reader->failed = true;
		return false;
	}
	*out_bytes = span_slice(reader->rest, 0, size);
	reader->rest = span_slice(reader->rest, size, reader->rest.size);
	return true;
}

static void take_number(struct codec_reader *reader, void *out_value, size_t size)
{
	struct span bytes;
	if (take_bytes(reader, size, &bytes))
		memcpy(out_value, bytes.data, size);
}

void codec_read_u8(struct codec_reader *reader, uint8_t *out_value)
{
	take_number(reader, out_value, sizeof(*out_value));
}

void codec_read_u16(struct codec_reader *reader, uint16_t *out_value)
{
	take_number(reader, out_value, sizeof(*out_value));
}

void codec_read_u32(struct codec_reader *reader, uint32_t *out_value)
{
	take_number(reader, out_value, sizeof(*out_value));
}

void codec_read_u64(struct codec_reader *reader, uint64_t *out_value)
{
	take_number(reader, out_value, sizeof(*out_value));
}

void codec_read_span(struct codec_reader *reader, struct span *out_value)
{
	uint32_t size = 0;
	codec_read_u32(reader, &size);
	struct span value;
	if (take_bytes(reader, size, &value))
		*out_value = value;
}

void codec_read_tail(struct codec_reader *reader, struct span *out_value)
{
	struct span value;
	if (take_bytes(reader, reader->rest.size, &value))
		*out_value = value;
}

void codec_read_list(struct codec_reader *reader, struct codec_list *out_value)
{
	struct span encoded = { NULL, 0 };
	codec_read_span(reader, &encoded);
	struct codec_reader items = { .rest = encoded };
	while (items.rest.size && !items.failed) {
		struct span item;
		codec_read_span(&items, &item);
	}
	if (items.failed)
		reader->failed = true;
	if (!reader->failed)
		out_value->encoded = encoded;
}

void codec_read_client_facts(struct codec_reader *reader, struct client_facts *out_value)
{
	codec_read_span(reader, &out_value->address);
	codec_read_u16(reader, &out_value->port);
	codec_read_span(reader, &out_value->listener);
	codec_read_span(reader, &out_value->tls_version);
	codec_read_span(reader, &out_value->tls_cipher);
	codec_read_span(reader, &out_value->tls_client_subject);
	codec_read_span(reader, &out_value->helo);
}

enum status codec_reader_finish(const struct codec_reader *reader)
{
	return reader->failed || reader->rest.size ? STATUS_INVALID : STATUS_OK;
}

/* ---- writing */

static enum status put_number(struct buf *b, const void *value, size_t size)
{
	return buf_append(b, (struct span){ value, size });
}

enum status codec_write_u8(struct buf *b, uint8_t value)
{
	return put_number(b, &value, sizeof(value));
}

enum status codec_write_u16(struct buf *b, uint16_t value)
{
	return put_number(b, &value, sizeof(value));
}

enum status codec_write_u32(struct buf *b, uint32_t value)
{
	return put_number(b, &value, sizeof(value));
}

enum status codec_write_u64(struct buf *b, uint64_t value)
{
	return put_number(b, &value, sizeof(value));
}

enum status codec_write_span(struct buf *b, struct span value)
{
	if (value.size > UINT32_MAX)
		return STATUS_TOO_LARGE;
	TRY(codec_write_u32(b, (uint32_t)value.size));
	return buf_append(b, value);
}

enum status codec_write_tail(struct buf *b, struct span value)
{
	return buf_append(b, value);
}

enum status codec_write_list(struct buf *b, struct codec_list value)
{
	return codec_write_span(b, value.encoded);
}

enum status codec_write_client_facts(struct buf *b, struct client_facts value)
{
	TRY(codec_write_span(b, value.address));
	TRY(codec_write_u16(b, value.port));
	TRY(codec_write_span(b, value.listener));
	TRY(codec_write_span(b, value.tls_version));
	TRY(codec_write_span(b, value.tls_cipher));
	TRY(codec_write_span(b, value.tls_client_subject));
	return codec_write_span(b, value.helo);
}

/* ---- lists */

enum status codec_list_add(struct buf *b, struct span item)
{
	size_t needed;
	if (__builtin_add_overflow(item.size, sizeof(uint32_t), &needed) || needed > buf_room(b))
		return STATUS_TOO_LARGE;
	return codec_write_span(b, item);
}

struct codec_list codec_list_of(const struct buf *b)
{
	return (struct codec_list){ buf_span(b) };
}

bool codec_list_next(struct codec_list *rest, struct span *out_item)
{
	struct codec_reader reader = { .rest = rest->encoded };
	struct span item = { NULL, 0 };
	if (rest->encoded.size == 0)
		return false;
	codec_read_span(&reader, &item);
	if (reader.failed)
		return false;
	rest->encoded = reader.rest;
	*out_item = item;
	return true;
}

size_t codec_list_count(struct codec_list list)
{
	size_t count = 0;
	struct span item;
	while (codec_list_next(&list, &item))
		count++;
	return count;
}

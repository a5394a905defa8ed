/*
 * Reading and writing the payload of a frame. The reader is bounded, and remembers a fault: after it everything reads
 * as nothing, and codec_reader_finish() returns STATUS_INVALID, as it does for leftovers.
 */
#ifndef DOOR_CODEC_H
#define DOOR_CODEC_H

#include <stdint.h>

#include "base/buf.h"
#include "base/client_facts.h"
#include "base/span.h"

/* A list of spans, kept encoded: each a 32-bit length and its bytes. */
struct codec_list {
	struct span encoded;
};

/* ---- field types of the .def files */
typedef uint8_t codec_u8;
typedef uint16_t codec_u16;
typedef uint32_t codec_u32;
typedef uint64_t codec_u64;
typedef struct span codec_span;
typedef struct span codec_tail; /* the rest of the payload: the last field, and without a size of its own */
typedef struct codec_list codec_list;
typedef struct client_facts codec_client_facts;

struct codec_reader {
	struct span rest;
	bool failed;
};

void codec_read_u8(struct codec_reader *reader, uint8_t *out_value);
void codec_read_u16(struct codec_reader *reader, uint16_t *out_value);
void codec_read_u32(struct codec_reader *reader, uint32_t *out_value);
void codec_read_u64(struct codec_reader *reader, uint64_t *out_value);
void codec_read_span(struct codec_reader *reader, struct span *out_value);                 /* a view into the payload */
void codec_read_tail(struct codec_reader *reader, struct span *out_value);                 /* likewise */
void codec_read_list(struct codec_reader *reader, struct codec_list *out_value);           /* checked as a whole here */
void codec_read_client_facts(struct codec_reader *reader, struct client_facts *out_value); /* views, too */
MUST_USE enum status codec_reader_finish(const struct codec_reader *reader);

MUST_USE enum status codec_write_u8(struct buf *b, uint8_t value);
MUST_USE enum status codec_write_u16(struct buf *b, uint16_t value);
MUST_USE enum status codec_write_u32(struct buf *b, uint32_t value);
MUST_USE enum status codec_write_u64(struct buf *b, uint64_t value);
MUST_USE enum status codec_write_span(struct buf *b, struct span value);
MUST_USE enum status codec_write_tail(struct buf *b, struct span value);
MUST_USE enum status codec_write_list(struct buf *b, struct codec_list value);
MUST_USE enum status codec_write_client_facts(struct buf *b, struct client_facts value);

/* ---- lists */

/* Adds one item to a list that is being built in `b`; codec_list_of(b) then is the list. */
MUST_USE enum status codec_list_add(struct buf *b, struct span item);
struct codec_list codec_list_of(const struct buf *b);
/* Takes the first item off *rest (a copy of a list that was read). False at its end. */
bool codec_list_next(struct codec_list *rest, struct span *out_item);
size_t codec_list_count(struct codec_list list);

#endif

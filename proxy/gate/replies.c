/* The reply queue: a list of slots; owns the texts of those after a waiting one. */
#include "gate/replies.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/stream.h"
#include "smtp/reply.h"

#define WIRE_MAXIMUM (4 * REPLY_SIZE_MAXIMUM) /* bytes: each line gets its codes back */

struct reply_slot {
	struct reply_slot *next;
	bool waiting;
	size_t size;
	char text[];
};

void replies_init(struct replies *replies, struct stream *stream)
{
	*replies = (struct replies){ .stream = stream };
}

static void drop_first(struct replies *replies)
{
	struct reply_slot *first = replies->first;
	replies->first = first->next;
	if (replies->first == NULL)
		replies->last = NULL;
	replies->count--;
	free(first);
}

void replies_free(struct replies *replies)
{
	while (replies->first)
		drop_first(replies);
	replies->waiting = 0;
}

static enum status write_out(struct replies *replies, struct span text)
{
	struct buf wire BUF_AUTO;
	buf_init(&wire, WIRE_MAXIMUM);
	if (replies->stream == NULL)
		return STATUS_OK;
	TRY(reply_write_wire(&wire, text, false));
	return stream_write(replies->stream, buf_span(&wire));
}

static enum status add_slot(struct replies *replies, bool waiting, struct span text)
{
	struct reply_slot *slot = malloc(sizeof(*slot) + text.size);
	if (slot == NULL)
		return STATUS_NO_MEMORY;
	*slot = (struct reply_slot){ .waiting = waiting, .size = text.size };
	if (text.size)
		memcpy(slot->text, text.data, text.size);
	if (replies->last)
		replies->last->next = slot;
	else
		replies->first = slot;
	replies->last = slot;
	replies->count++;
	return STATUS_OK;
}

enum status replies_push(struct replies *replies, struct span text)
{
	if (replies->first == NULL)
		return write_out(replies, text);
	return add_slot(replies, false, text);
}

enum status replies_push_waiting(struct replies *replies)
{
	TRY(add_slot(replies, true, (struct span){ 0 }));
	replies->waiting++;
	return STATUS_OK;
}

enum status replies_fill(struct replies *replies, struct span text)
{
	assert(replies->first && replies->first->waiting);
	TRY(write_out(replies, text));
	drop_first(replies);
	replies->waiting--;
	while (replies->first && !replies->first->waiting) {
		TRY(write_out(replies, (struct span){ replies->first->text, replies->first->size }));
		drop_first(replies);
	}
	return STATUS_OK;
}

enum status replies_fill_all(struct replies *replies, struct span text)
{
	while (replies->waiting)
		TRY(replies_fill(replies, text));
	return STATUS_OK;
}

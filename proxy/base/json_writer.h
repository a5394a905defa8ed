/*
 * JSON written straight into a buffer, byte for byte as jansson's JSON_COMPACT has it: no tree, and no memory but the
 * buffer's. For objects of ours, whose names are known and come once; json_text.h is for everything else.
 *
 * Texts may be any bytes. What is not UTF-8 becomes U+FFFD, and so does each C1 control (U+0080 to U+009F): JSON says
 * nothing of them, and to a terminal that shows them they are commands.
 */
#ifndef BASE_JSON_WRITER_H
#define BASE_JSON_WRITER_H

#include "base/buf.h"

struct json_writer {
	struct buf *out;    /* borrowed */
	enum status status; /* the first failure, after which nothing is written; there may be a part of the object */
	bool is_first;      /* no comma is due */
};

/* An object begins. */
void json_writer_begin(struct json_writer *writer, struct buf *out);

/*
 * Members of the innermost object; in an array, with an empty `name`, its elements. `name` needs no escaping.
 * STATUS_TOO_LARGE (also where some hundred bytes more would have been enough), STATUS_NO_MEMORY: in `status`.
 */
void json_put_text(struct json_writer *writer, struct span name, struct span text);
void json_put_number(struct json_writer *writer, struct span name, int64_t number);
void json_put_true(struct json_writer *writer, struct span name);
void json_open_object(struct json_writer *writer, struct span name);
void json_open_array(struct json_writer *writer, struct span name);
/* Members of such an object once more: bytes that a writer has put after its first member, to the end of another. */
void json_put_again(struct json_writer *writer, struct span members);
void json_close_object(struct json_writer *writer);
void json_close_array(struct json_writer *writer);

#endif

/*
 * The messages of all doors, generated from the .def files: for each MESSAGE a number, a struct, a sender and a reader.
 *
 *   enum door_type        DOOR_SASL_START, …        (all doors share one number space)
 *   struct door_sasl_start     the fields
 *   door_send_sasl_start(door, &message)                 as door_send_payload
 *   door_write_sasl_start(buf, &message)                 the payload alone
 *   door_read_sasl_start(payload, &out_message)          STATUS_INVALID for anything but exactly one such message
 *
 * Spans and lists in a read message are views into the payload.
 */
#ifndef DOOR_MESSAGES_H
#define DOOR_MESSAGES_H

#include "door/codec.h"
#include "door/door.h"

enum door_type {
#define MESSAGE(NUMBER, name, fields) DOOR_##NUMBER,
#include "door/all.def"
#undef MESSAGE
	DOOR_TYPE_COUNT
};

#define FIELD(type, name) codec_##type name;
#define MESSAGE(NUMBER, name, fields) \
	struct door_##name {          \
		fields                \
	};
#include "door/all.def"
#undef MESSAGE
#undef FIELD

#define MESSAGE(NUMBER, name, fields)                                                                \
	MUST_USE enum status door_write_##name(struct buf *b, const struct door_##name *message);    \
	MUST_USE enum status door_send_##name(struct door *door, const struct door_##name *message); \
	MUST_USE enum status door_read_##name(struct span payload, struct door_##name *out_message);
#include "door/all.def"
#undef MESSAGE

/* What RECHECKED says of a session's right. */
enum recheck_verdict {
	RECHECK_UNKNOWN, /* the directory can't be asked now */
	RECHECK_HOLDS,
	RECHECK_ENDED,
};

/* "sasl_start"; "unknown" past the end. Static. */
const char *door_type_text(uint16_t type);

#endif

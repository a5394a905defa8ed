/* Senders and readers of all door messages, from the .def files. */
#include "door/messages.h"

#define FIELD(type, name) TRY(codec_write_##type(b, message->name));
#define MESSAGE(NUMBER, name, fields)                                                   \
	enum status door_write_##name(struct buf *b, const struct door_##name *message) \
	{                                                                               \
		fields return STATUS_OK;                                                \
	}
#include "door/all.def"
#undef MESSAGE
#undef FIELD

#define MESSAGE(NUMBER, name, fields)                                                      \
	enum status door_send_##name(struct door *door, const struct door_##name *message) \
	{                                                                                  \
		enum status written = door_write_##name(door_payload(door), message);      \
		return door_send_payload(door, DOOR_##NUMBER, written);                    \
	}
#include "door/all.def"
#undef MESSAGE

#define FIELD(type, name) codec_read_##type(&reader, &message.name);
#define MESSAGE(NUMBER, name, fields)                                                      \
	enum status door_read_##name(struct span payload, struct door_##name *out_message) \
	{                                                                                  \
		struct codec_reader reader = { .rest = payload };                          \
		struct door_##name message = { 0 };                                        \
		fields TRY(codec_reader_finish(&reader));                                  \
		*out_message = message;                                                    \
		return STATUS_OK;                                                          \
	}
#include "door/all.def"
#undef MESSAGE
#undef FIELD

const char *door_type_text(uint16_t type)
{
	static const char *const names[] = {
#define MESSAGE(NUMBER, name, fields) #name,
#include "door/all.def"
#undef MESSAGE
	};
	return type < DOOR_TYPE_COUNT ? names[type] : "unknown";
}

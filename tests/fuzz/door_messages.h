/*
 * Frames of one door with any payload: DOOR names its .def file. What a reader
 * takes is written again as the very same bytes, so nothing is left over,
 * made up or read in two ways; and a payload that is cut, or has a byte more,
 * is none, but where the last field takes what there is.
 *
 * The first byte of the input chooses the message.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "door/messages.h"

typedef bool read_again(struct span payload);

static bool has_tail; /* the message that was read last */

static void expect_list_within(struct codec_list list)
{
	struct codec_list rest = list;
	struct span item;
	size_t count = 0;
	while (codec_list_next(&rest, &item)) {
		assert(item.size == 0 || (item.data >= list.encoded.data &&
					  item.data + item.size <= list.encoded.data + list.encoded.size));
		count++;
	}
	assert(count == codec_list_count(list));
}

#define FIELD(type, name) field_##type(message->name);
static inline void field_u8(uint8_t value)
{
	(void)value;
}
static inline void field_u16(uint16_t value)
{
	(void)value;
}
static inline void field_u32(uint32_t value)
{
	(void)value;
}
static inline void field_u64(uint64_t value)
{
	(void)value;
}
static inline void field_span(struct span value)
{
	assert(value.size <= DOOR_FRAME_MAXIMUM);
}
static inline void field_tail(struct span value)
{
	field_span(value);
	has_tail = true;
}
static inline void field_list(struct codec_list value)
{
	expect_list_within(value);
}

static inline void field_client_facts(struct client_facts value)
{
	field_span(value.address);
	field_u16(value.port);
	field_span(value.listener);
	field_span(value.tls_version);
	field_span(value.tls_cipher);
	field_span(value.tls_client_subject);
	field_span(value.helo);
}

#define MESSAGE(NUMBER, name, fields)                                   \
	static void look_at_##name(const struct door_##name *message)   \
	{                                                               \
		(void)message;                                          \
		fields                                                  \
	}                                                               \
	static bool again_##name(struct span payload)                   \
	{                                                               \
		struct door_##name message;                             \
		struct buf written BUF_AUTO;                            \
		buf_init(&written, DOOR_FRAME_MAXIMUM);                 \
		if (door_read_##name(payload, &message) != STATUS_OK)   \
			return false;                                   \
		look_at_##name(&message);                               \
		if (door_write_##name(&written, &message) != STATUS_OK) \
			abort();                                        \
		assert(span_equal(buf_span(&written), payload));        \
		return true;                                            \
	}
#include DOOR
#undef MESSAGE
#undef FIELD

static read_again *const readers[] = {
#define MESSAGE(NUMBER, name, fields) again_##name,
#include DOOR
#undef MESSAGE
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > DOOR_FRAME_MAXIMUM)
		return 0;
	read_again *reader = readers[data[0] % (sizeof(readers) / sizeof(readers[0]))];
	struct span payload = { (const char *)data + 1, size - 1 };
	has_tail = false;
	if (!reader(payload) || has_tail)
		return 0;
	if (payload.size)
		assert(!reader(span_slice(payload, 0, payload.size - 1)));
	char *longer = malloc(size);
	assert(longer);
	memcpy(longer, payload.data, payload.size);
	longer[payload.size] = '\0';
	assert(!reader((struct span){ longer, size }));
	free(longer);
	return 0;
}

/* Handshake messages of any bytes: what is said of them doesn't hang on the pieces they come in. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/hello.h"

/* In pieces of `piece` bytes, each from a block of exactly its size. */
static bool takes(const uint8_t *data, size_t size, size_t piece, bool is_old, struct hello_watch *out_watch)
{
	*out_watch = (struct hello_watch){ 0 };
	for (size_t at = 0; at < size; at += piece) {
		size_t now = size - at < piece ? size - at : piece;
		char *copy = malloc(now);
		assert(copy);
		memcpy(copy, data + at, now);
		bool taken = hello_take(out_watch, (struct span){ copy, now }, is_old);
		free(copy);
		if (!taken)
			return false;
		assert(out_watch->over || out_watch->message_left <= HELLO_MAXIMUM);
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hello_watch whole, pieces;
	if (size < 2)
		return 0;
	bool is_old = data[0] & 1;
	size_t piece = 1 + (data[0] >> 1);
	bool taken = takes(data + 1, size - 1, size - 1, is_old, &whole);
	assert(takes(data + 1, size - 1, piece, is_old, &pieces) == taken);
	assert(!taken || whole.over == pieces.over);
	return 0;
}

/*
 * A PROXY header of any bytes: what is taken for one has no byte too few and none too many, and names a client
 * that can be written.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy_header.h"

/* From a block of exactly that size. */
static enum status parse(const uint8_t *data, size_t size, struct proxy_header *out_header, size_t *out_used)
{
	char *copy = malloc(size ? size : 1);
	assert(copy);
	memcpy(copy, data, size);
	enum status status = proxy_header_parse((struct span){ copy, size }, out_header, out_used);
	free(copy);
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header header, again;
	size_t used = 0, used_again = 0;
	char text[ENDPOINT_TEXT_SIZE];
	enum status status = parse(data, size, &header, &used);
	if (status == STATUS_AGAIN)
		assert(size < PROXY_HEADER_MAXIMUM);
	if (status != STATUS_OK)
		return 0;
	assert(used > 0 && used <= size && used <= PROXY_HEADER_MAXIMUM);
	status = parse(data, used - 1, &again, &used_again);
	assert(status == STATUS_AGAIN);
	status = parse(data, used, &again, &used_again);
	assert(status == STATUS_OK && used_again == used && again.has_client == header.has_client);
	if (header.has_client) {
		endpoint_format(&header.client, text);
		assert(text[0] != '\0');
	}
	return 0;
}

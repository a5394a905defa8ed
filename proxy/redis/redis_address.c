/* Where a Redis or a Sentinel is, as the configuration writes it. Pure. */
#include "redis/redis_private.h"

static enum status read_port(struct span text, uint16_t *out_port)
{
	uint64_t port;
	TRY(span_to_u64(text, &port));
	if (port == 0 || port > 65535)
		return STATUS_INVALID;
	*out_port = (uint16_t)port;
	return STATUS_OK;
}

/* "host:port", "[literal]:port", or without a port. */
static enum status read_host(struct span text, uint16_t default_port, struct redis_address *out_address)
{
	size_t colon = text.size;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == ':')
			colon = i;
		if (text.data[i] == ']')
			colon = text.size;
	}
	struct span host = span_slice(text, 0, colon);
	out_address->port = default_port;
	if (colon < text.size)
		TRY(read_port(span_slice(text, colon + 1, text.size), &out_address->port));
	if (host.size > 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
		host = span_slice(host, 1, host.size - 1);
	if (host.size == 0 || host.size >= REDIS_HOST_SIZE)
		return STATUS_INVALID;
	out_address->host = host;
	return STATUS_OK;
}

bool redis_address_is_secure(struct span text)
{
	return span_starts_with(text, SPAN("rediss://"));
}

enum status redis_address_read(struct span text, uint16_t default_port, struct redis_address *out_address)
{
	static const struct span path = SPAN("unix:"), clear = SPAN("redis://");
	struct redis_address address = { 0 };
	if (span_starts_with(text, path)) {
		address.path = span_slice(text, path.size, text.size);
		*out_address = address;
		return STATUS_OK;
	}
	address.is_secure = redis_address_is_secure(text);
	if (address.is_secure)
		text = span_slice(text, clear.size + 1, text.size);
	else if (span_starts_with(text, clear))
		text = span_slice(text, clear.size, text.size);
	TRY(read_host(text, default_port, &address));
	*out_address = address;
	return STATUS_OK;
}

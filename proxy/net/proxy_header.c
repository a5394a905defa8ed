/* The PROXY header, read to the letter. Owns nothing. Section numbers are those of proxy-protocol.txt. */
#include "net/proxy_header.h"

#include <arpa/inet.h>
#include <string.h>

static enum status read_port(struct span text, in_port_t *out_port)
{
	uint64_t port;
	if (text.size > 1 && text.data[0] == '0')
		return STATUS_INVALID;
	TRY(span_to_u64(text, &port));
	if (port > UINT16_MAX)
		return STATUS_INVALID;
	*out_port = htons((uint16_t)port);
	return STATUS_OK;
}

/* Whether these bytes are `wanted`, as far as they go. */
static bool may_become(struct span bytes, struct span wanted)
{
	return bytes.size < wanted.size ? span_starts_with(wanted, bytes) : span_starts_with(bytes, wanted);
}

/* ---- version 1, section 2.1: one line of text */

#define V1_MAXIMUM 107 /* bytes, CRLF included: UNKNOWN with two IPv6 addresses */
#define V1_PREFIX SPAN("PROXY ")

static enum status read_v1_address(int family, struct span text, struct in6_addr *out_address)
{
	char copy[INET6_ADDRSTRLEN];
	if (text.size >= sizeof(copy) || span_contains_byte(text, '\0'))
		return STATUS_INVALID;
	memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	return inet_pton(family, copy, out_address) == 1 ? STATUS_OK : STATUS_INVALID;
}

/* "SOURCE DESTINATION SOURCE-PORT DESTINATION-PORT": the destination must be valid too, and is not used. */
static enum status read_v1_ends(int family, struct span text, struct endpoint *out_client)
{
	struct span parts[4] = { 0 };
	struct in6_addr source, destination;
	in_port_t port, destination_port;
	for (size_t i = 0; i < 4; i++) {
		if (!span_cut(&text, ' ', &parts[i]))
			return STATUS_INVALID;
	}
	if (text.data != NULL) /* a fifth part, even an empty one */
		return STATUS_INVALID;
	TRY(read_v1_address(family, parts[0], &source));
	TRY(read_v1_address(family, parts[1], &destination));
	TRY(read_port(parts[2], &port));
	TRY(read_port(parts[3], &destination_port));
	*out_client = endpoint_make(family, &source, port);
	return STATUS_OK;
}

static enum status read_v1_line(struct span line, struct proxy_header *out_header)
{
	struct proxy_header header = { .has_client = true };
	struct span protocol;
	line = span_slice(line, V1_PREFIX.size, line.size);
	if (!span_cut(&line, ' ', &protocol))
		return STATUS_INVALID;
	if (span_equal(protocol, SPAN("TCP4"))) {
		TRY(read_v1_ends(AF_INET, line, &header.client));
	} else if (span_equal(protocol, SPAN("TCP6"))) {
		TRY(read_v1_ends(AF_INET6, line, &header.client));
	} else if (span_equal(protocol, SPAN("UNKNOWN"))) {
		header.has_client = false; /* whatever follows up to the end of the line is ignored */
	} else {
		return STATUS_INVALID;
	}
	*out_header = header;
	return STATUS_OK;
}

static enum status parse_v1(struct span bytes, struct proxy_header *out_header, size_t *out_used)
{
	struct span start = span_slice(bytes, 0, V1_MAXIMUM);
	size_t end = span_find_byte(start, '\n');
	if (end == start.size)
		return bytes.size < V1_MAXIMUM ? STATUS_AGAIN : STATUS_INVALID;
	if (end < V1_PREFIX.size || bytes.data[end - 1] != '\r')
		return STATUS_INVALID;
	TRY(read_v1_line(span_slice(bytes, 0, end - 1), out_header));
	*out_used = end + 1;
	return STATUS_OK;
}

/* ---- version 2, section 2.2: binary */

#define V2_SIGNATURE SPAN("\r\n\r\n\0\r\nQUIT\n")
#define V2_FIXED 16 /* bytes: signature, version and command, family, size of the rest */

enum {
	V2_LOCAL = 0x20, /* version 2 in the upper half */
	V2_PROXY = 0x21,
	V2_UNSPEC = 0x00,
	V2_TCP4 = 0x11,
	V2_TCP6 = 0x21,
	V2_TCP4_ADDRESSES = 12, /* bytes: two addresses, two ports */
	V2_TCP6_ADDRESSES = 36,
};

static unsigned byte_at(struct span bytes, size_t index)
{
	return (unsigned char)bytes.data[index];
}

static struct endpoint read_v2_source(struct span addresses, bool v6)
{
	in_port_t port; /* in network order already */
	memcpy(&port, addresses.data + (v6 ? 32 : 8), sizeof(port));
	return endpoint_make(v6 ? AF_INET6 : AF_INET, addresses.data, port);
}

/* The address block's size; SIZE_MAX: a family that no mail client has. */
static size_t addresses_size(unsigned command, unsigned family)
{
	if (command == V2_LOCAL || family == V2_UNSPEC)
		return 0;
	return family == V2_TCP4 ? V2_TCP4_ADDRESSES : family == V2_TCP6 ? V2_TCP6_ADDRESSES : SIZE_MAX;
}

static enum status parse_v2(struct span bytes, struct proxy_header *out_header, size_t *out_used)
{
	size_t known = V2_SIGNATURE.size;
	if (bytes.size > known && byte_at(bytes, known) != V2_LOCAL && byte_at(bytes, known) != V2_PROXY)
		return STATUS_INVALID;
	if (bytes.size < V2_FIXED)
		return STATUS_AGAIN;
	size_t rest = byte_at(bytes, 14) << 8 | byte_at(bytes, 15);
	size_t addresses = addresses_size(byte_at(bytes, 12), byte_at(bytes, 13));
	if (rest > PROXY_HEADER_MAXIMUM - V2_FIXED || addresses > rest)
		return STATUS_INVALID;
	if (bytes.size < V2_FIXED + rest)
		return STATUS_AGAIN;
	struct proxy_header header = { .has_client = addresses > 0 };
	if (header.has_client)
		header.client =
			read_v2_source(span_slice(bytes, V2_FIXED, V2_FIXED + rest), addresses == V2_TCP6_ADDRESSES);
	*out_header = header;
	*out_used = V2_FIXED + rest;
	return STATUS_OK;
}

enum status proxy_header_parse(struct span bytes, struct proxy_header *out_header, size_t *out_used)
{
	if (bytes.size == 0)
		return STATUS_AGAIN;
	if (may_become(bytes, V1_PREFIX))
		return parse_v1(bytes, out_header, out_used);
	if (may_become(bytes, V2_SIGNATURE))
		return parse_v2(bytes, out_header, out_used);
	return STATUS_INVALID;
}

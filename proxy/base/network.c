/* Addresses and prefixes. Owns nothing. */
#include "base/network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define IPV4_OFFSET 12 /* bytes of ::ffff:0:0/96 before an IPv4 address */

static const unsigned char mapped_prefix[IPV4_OFFSET] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool is_ipv4(const unsigned char address[16])
{
	return memcmp(address, mapped_prefix, IPV4_OFFSET) == 0;
}

static bool read_address(struct span text, unsigned char out_address[16], bool *out_dotted)
{
	char copy[INET6_ADDRSTRLEN];
	if (text.size == 0 || text.size >= sizeof(copy) || span_contains_byte(text, '\0'))
		return false;
	memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	if (inet_pton(AF_INET, copy, out_address + IPV4_OFFSET) == 1) {
		memcpy(out_address, mapped_prefix, IPV4_OFFSET);
		*out_dotted = true;
		return true;
	}
	*out_dotted = false;
	return inet_pton(AF_INET6, copy, out_address) == 1;
}

static void keep_bits(unsigned char address[16], unsigned bits)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned kept = bits >= 8 * (i + 1) ? 8 : bits > 8 * i ? bits - 8 * i : 0;
		address[i] &= (unsigned char)(0xff00U >> kept);
	}
}

enum status network_parse(struct span text, struct network *out_network)
{
	struct network network = { .bits = 128 };
	size_t slash = span_find_byte(text, '/');
	bool dotted = false;
	if (!read_address(span_slice(text, 0, slash), network.address, &dotted))
		return STATUS_INVALID;
	if (slash < text.size) {
		uint64_t bits = 0;
		if (span_to_u64(span_slice(text, slash + 1, text.size), &bits) != STATUS_OK || bits > 128)
			return STATUS_INVALID;
		network.bits = (unsigned)bits + (dotted ? 8 * IPV4_OFFSET : 0);
	}
	if (network.bits > 128)
		return STATUS_INVALID;
	unsigned char masked[16];
	memcpy(masked, network.address, sizeof(masked));
	keep_bits(masked, network.bits);
	if (memcmp(masked, network.address, sizeof(masked)) != 0)
		return STATUS_INVALID;
	*out_network = network;
	return STATUS_OK;
}

bool network_contains(const struct network *network, struct span address)
{
	unsigned char bytes[16];
	bool dotted = false;
	if (!read_address(address, bytes, &dotted))
		return false;
	keep_bits(bytes, network->bits);
	return memcmp(bytes, network->address, sizeof(bytes)) == 0;
}

unsigned network_shares(unsigned width)
{
	static const unsigned shares[NETWORK_WIDTHS] = { 1, 4, 16 };
	return shares[width];
}

static void write_network(unsigned char address[16], unsigned bits, char out_text[NETWORK_TEXT_SIZE])
{
	char text[INET6_ADDRSTRLEN];
	keep_bits(address, bits);
	inet_ntop(AF_INET6, address, text, sizeof(text));
	snprintf(out_text, NETWORK_TEXT_SIZE, "%s/%u", text, bits);
}

bool network_of_client_in(struct span address, unsigned width, char out_text[NETWORK_TEXT_SIZE])
{
	static const unsigned bits[NETWORK_WIDTHS] = { 64, 56, 48 };
	unsigned char bytes[16];
	bool dotted = false;
	bool known = read_address(address, bytes, &dotted);
	if (known && !is_ipv4(bytes)) {
		write_network(bytes, bits[width], out_text);
		return true;
	}
	if (width > 0)
		return false;
	if (known)
		inet_ntop(AF_INET, bytes + IPV4_OFFSET, out_text, NETWORK_TEXT_SIZE);
	else
		snprintf(out_text, NETWORK_TEXT_SIZE, "%.*s", SPAN_ARGS(span_slice(address, 0, NETWORK_TEXT_SIZE - 1)));
	return true;
}

void network_of_client(struct span address, char out_text[NETWORK_TEXT_SIZE])
{
	(void)network_of_client_in(address, 0, out_text);
}

void network_of_home(struct span address, char out_text[NETWORK_TEXT_SIZE])
{
	unsigned char bytes[16];
	char text[INET_ADDRSTRLEN];
	bool dotted = false;
	if (!read_address(address, bytes, &dotted) || !is_ipv4(bytes)) {
		network_of_client(address, out_text);
		return;
	}
	keep_bits(bytes, 8 * IPV4_OFFSET + 24);
	inet_ntop(AF_INET, bytes + IPV4_OFFSET, text, sizeof(text));
	snprintf(out_text, NETWORK_TEXT_SIZE, "%s/24", text);
}

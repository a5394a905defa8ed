/*
 * What Subgate says of many From: fields: for the test that compares it with what readers of mail show.
 * Each field on standard input is its size (4 bytes, little-endian) and its bytes, wire form; for each one a line
 * is written: "taken" or "refused". The argument is the user's one address; its "+" is a delimiter.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "smtp/address.h"
#include "smtp/header.h"

/* Whether all authors of `header` are `own`. */
static bool is_taken(struct span header, struct span own)
{
	struct buf addresses BUF_AUTO;
	struct header_facts facts;
	struct span address, rest;
	buf_init(&addresses, HEADER_MAXIMUM);
	if (header_read(header, &facts, &addresses) != STATUS_OK || buf_size(&addresses) == 0)
		return false;
	for (rest = buf_span(&addresses); span_cut(&rest, '\n', &address);) {
		if (!address_matches(address, own, SPAN("+")))
			return false;
	}
	return true;
}

int main(int count, char **arguments)
{
	static char header[HEADER_MAXIMUM];
	unsigned char raw[4];
	if (count != 2)
		return 2;
	while (fread(raw, sizeof(raw), 1, stdin) == 1) {
		size_t size = raw[0] | (size_t)raw[1] << 8 | (size_t)raw[2] << 16 | (size_t)raw[3] << 24;
		if (size > sizeof(header) || fread(header, 1, size, stdin) != size)
			return 1;
		bool taken = is_taken((struct span){ header, size }, span_of(arguments[1]));
		puts(taken ? "taken" : "refused");
	}
	return 0;
}

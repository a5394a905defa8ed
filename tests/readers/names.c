/*
 * What Subgate makes of many names: for the test that compares it with what Python makes of them. Each on standard
 * input is a letter (u: of a user, d: of a domain, g: of a group), its size (4 bytes, little-endian) and its bytes; for
 * each one a line is written, its canonical form in hexadecimal, or "-".
 */
#include <stdint.h>
#include <stdio.h>

#include "base/dn.h"
#include "base/domain.h"
#include "base/name.h"

static enum status canonicalize_name(char kind, struct span given, struct buf *out)
{
	char name[NAME_SIZE], domain[DOMAIN_SIZE];
	switch (kind) {
	case 'u':
		TRY(name_canonical(given, name));
		return buf_append_text(out, name);
	case 'd':
		TRY(domain_canonical(given, domain));
		return buf_append_text(out, domain);
	default:
		return dn_canonical(given, out);
	}
}

int main(void)
{
	static char given[DN_MAXIMUM];
	unsigned char head[5];
	while (fread(head, sizeof(head), 1, stdin) == 1) {
		struct buf out BUF_AUTO;
		buf_init(&out, DN_MAXIMUM);
		size_t size = head[1] | (size_t)head[2] << 8 | (size_t)head[3] << 16 | (size_t)head[4] << 24;
		if (size > sizeof(given) || fread(given, 1, size, stdin) != size)
			return 1;
		if (canonicalize_name((char)head[0], (struct span){ given, size }, &out) != STATUS_OK)
			fputs("-", stdout);
		for (size_t i = 0; i < buf_size(&out); i++)
			printf("%02x", (unsigned)(unsigned char)buf_span(&out).data[i]);
		putchar('\n');
	}
	return 0;
}

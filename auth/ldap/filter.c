/* Filter text: what a client typed never becomes filter syntax. */
#include "auth/ldap/filter.h"

static bool is_plain(char c)
{
	return c > 0x20 && c < 0x7f && c != '*' && c != '(' && c != ')' && c != '\\';
}

enum status ldap_filter_escape(struct span value, struct buf *out)
{
	for (size_t i = 0; i < value.size; i++) {
		if (is_plain(value.data[i]))
			TRY(buf_append_byte(out, value.data[i]));
		else
			TRY(buf_printf(out, "\\%02x", (unsigned)(unsigned char)value.data[i]));
	}
	return STATUS_OK;
}

enum status ldap_filter_expand(const char *template, struct span name, struct buf *out)
{
	for (const char *c = template; *c; c++) {
		if (c[0] == '%' && c[1] == 'u') {
			TRY(ldap_filter_escape(name, out));
			c++;
		} else {
			TRY(buf_append_byte(out, *c));
		}
	}
	return STATUS_OK;
}

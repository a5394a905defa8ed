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

enum status ldap_filter_expand(const char *template, struct span name, struct span dn, struct buf *out)
{
	for (const char *c = template; *c; c++) {
		if (c[0] == '%' && (c[1] == 'u' || c[1] == 'd')) {
			TRY(ldap_filter_escape(c[1] == 'u' ? name : dn, out));
			c++;
		} else {
			TRY(buf_append_byte(out, *c));
		}
	}
	return STATUS_OK;
}

const char *ldap_filter_base(const char *base, const char *users)
{
	if (base[0])
		return base;
	for (const char *at = users; *at; at++) {
		bool is_start = at == users || at[-1] == ',' || at[-1] == ' ';
		if (is_start && span_starts_with_nocase(span_of(at), SPAN("dc=")))
			return at;
	}
	return users;
}

/* Unescaping. */
#include "auth/sasl/saslname.h"

#include "base/buf.h"

enum status saslname_read(struct span escaped, struct secret *out_name)
{
	struct buf name BUF_AUTO;
	buf_init_sensitive(&name, escaped.size + 1);
	if (span_is_empty(escaped))
		return STATUS_INVALID;
	for (size_t i = 0; i < escaped.size; i++) {
		struct span code = span_slice(escaped, i, i + 3);
		bool is_comma = span_equal(code, SPAN("=2C")), is_equals = span_equal(code, SPAN("=3D"));
		if (escaped.data[i] == '=' && !is_comma && !is_equals)
			return STATUS_INVALID;
		TRY(buf_append_byte(&name, is_comma ? ',' : escaped.data[i]));
		i += is_comma || is_equals ? 2 : 0;
	}
	return secret_from_span(buf_span(&name), out_name);
}

/* Redirected mail. Owns nothing; out of memory there is no field, and the message does not go. */
#include "relay/redirection.h"

#define FIELD_NAME "X-Original-Recipients:"
#define FIELD_MAXIMUM (512U << 10) /* bytes: 1,000 recipients of the longest addresses */

struct span redirection_address(const struct grant *grant)
{
	const struct config_recipients *rule = grant->rule;
	return rule ? span_of(rule->redirect) : (struct span){ 0 };
}

/* A line each, as a long list must be folded anyway (RFC 5322, 2.1.1). */
enum status redirection_write_field(const struct recipients *recipients, struct span *out_field)
{
	struct buf field BUF_AUTO;
	const char *separator = FIELD_NAME;
	buf_init(&field, FIELD_MAXIMUM);
	for (size_t i = 0; i < recipients->count; i++) {
		const struct recipient *recipient = &recipients->items[i];
		if (!recipient->accepted)
			continue;
		TRY(buf_printf(&field, "%s <%.*s>", separator, SPAN_ARGS(recipient->address)));
		separator = ",\r\n";
	}
	TRY(buf_append(&field, SPAN("\r\n")));
	return arena_copy(recipients->arena, buf_span(&field), out_field);
}

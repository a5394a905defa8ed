/* The header's fields are those of RFC 5424, 6.2; what does not fit into one becomes "-", its nil value. */
#include "export/syslog_format.h"

#include <string.h>

#define FACILITY_AUDIT 13U   /* "log audit", RFC 5424, 6.2.1 */
#define HOSTNAME_MAXIMUM 255 /* bytes */
#define MSGID_MAXIMUM 32
#define MESSAGE_MAXIMUM (16U << 20) /* bytes: the longest record, in any format */

enum severity { SEVERITY_ERROR = 3, SEVERITY_WARNING = 4, SEVERITY_NOTICE = 5, SEVERITY_INFORMATIONAL = 6 };

static enum severity severity_of(struct span type)
{
	static const struct {
		const char *type;
		enum severity severity;
	} rows[] = {
		{ "auth.failure", SEVERITY_WARNING },    { "session.refused", SEVERITY_WARNING },
		{ "message.failed", SEVERITY_WARNING },  { "message.refused", SEVERITY_WARNING },
		{ "message.unknown", SEVERITY_WARNING }, { "quota.warning", SEVERITY_NOTICE },
		{ "quota.exceeded", SEVERITY_WARNING },  { "quota.lost", SEVERITY_ERROR },
		{ "user.alert", SEVERITY_WARNING },      { "user.locked", SEVERITY_WARNING },
		{ "admin.command", SEVERITY_NOTICE },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (span_equal(type, span_of(rows[i].type)))
			return rows[i].severity;
	return SEVERITY_INFORMATIONAL;
}

/* As it is, if the field may hold it. */
static struct span field_of(struct span text, size_t maximum)
{
	bool fits = text.size && text.size <= maximum && span_is_printable(text) && !span_contains_byte(text, ' ');
	return fits ? text : SPAN("-");
}

static enum status write_header(const struct record_line *line, const char *node, struct buf *out)
{
	struct span host = field_of(span_of(node), HOSTNAME_MAXIMUM);
	struct span id = field_of(line->type, MSGID_MAXIMUM);
	return buf_printf(out, "<%u>1 %.*s %.*s subgate - %.*s - ",
			  FACILITY_AUDIT * 8 + (unsigned)severity_of(line->type), SPAN_ARGS(line->ts), SPAN_ARGS(host),
			  SPAN_ARGS(id));
}

enum status syslog_format_message(const struct record_line *line, struct span payload, const char *node,
				  struct buf *out)
{
	TRY(write_header(line, node, out));
	return buf_append(out, payload);
}

enum status syslog_format_frame(const struct record_line *line, struct span payload, const char *node, struct buf *out)
{
	struct buf header BUF_AUTO;
	buf_init(&header, MESSAGE_MAXIMUM);
	TRY(write_header(line, node, &header));
	TRY(buf_printf(out, "%zu ", buf_size(&header) + payload.size));
	TRY(buf_append(out, buf_span(&header)));
	return buf_append(out, payload);
}

enum status syslog_format_datagram(const struct record_line *line, struct span payload, const char *node,
				   struct buf *out)
{
	struct buf cut BUF_AUTO;
	buf_init(&cut, SYSLOG_DATAGRAM_MAXIMUM);
	if (payload.size <= SYSLOG_DATAGRAM_MAXIMUM)
		return syslog_format_message(line, payload, node, out);
	TRY(buf_printf(&cut,
		       "{\"ts\":\"%.*s\",\"type\":\"%.*s\",\"cut\":true,\"chain\":{\"id\":\"%.*s\",\"seq\":%llu}}",
		       SPAN_ARGS(line->ts), SPAN_ARGS(line->type), SPAN_ARGS(line->chain_id),
		       (unsigned long long)line->chain_seq));
	return syslog_format_message(line, buf_span(&cut), node, out);
}

/* Owns nothing. */
#include "console/pages/events.h"

enum status events_add_retry(unsigned milliseconds, struct buf *stream)
{
	return buf_printf(stream, "retry: %u\n\n", milliseconds);
}

/* Up to the line's end, which is left out; `text` begins after it then. */
static struct span cut_line(struct span *text)
{
	size_t size = 0, after;
	while (size < text->size && text->data[size] != '\n' && text->data[size] != '\r')
		size++;
	struct span line = span_slice(*text, 0, size);
	bool is_crlf = size + 1 < text->size && text->data[size] == '\r' && text->data[size + 1] == '\n';
	after = size + (is_crlf ? 2 : 1);
	*text = span_slice(*text, after < text->size ? after : text->size, text->size);
	return line;
}

enum status events_add_message(struct span text, struct buf *stream)
{
	while (text.size > 0) {
		struct span line = cut_line(&text);
		TRY(buf_append_text(stream, "data: "));
		TRY(buf_append(stream, line));
		TRY(buf_append_byte(stream, '\n'));
	}
	return buf_append_byte(stream, '\n');
}

enum status events_add_nothing(struct buf *stream)
{
	return buf_append_text(stream, ":\n\n");
}

/*
 * Letters of ours. The input is SUBJECT NUL TEXT: whatever they hold, the letter is
 * sound, of ASCII, in short lines, and has the fields that it has for any other.
 */
#include <assert.h>
#include <string.h>

#include "base/utf8.h"
#include "relay/letter.h"
#include "smtp/body.h"

static size_t count_fields(struct span letter)
{
	size_t count = 0;
	struct span line;
	while (span_cut(&letter, '\n', &line) && !span_equal(line, SPAN("\r")))
		count += line.data[0] != ' ';
	return count;
}

static void expect_short_lines(struct span letter)
{
	struct span line;
	while (span_cut(&letter, '\n', &line))
		assert(line.size <= 90);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size }, subject;
	struct buf bytes BUF_AUTO;
	struct body_check check = { 0 };
	buf_init(&bytes, LETTER_SIZE_MAXIMUM);
	if (size == 0 || size > 4096 || !span_cut(&text, '\0', &subject))
		return 0;
	const struct letter letter = {
		.from = SPAN("a@example.com"),
		.to = SPAN("b@example.com"),
		.subject = subject,
		.text = text,
		.language = subject,
		.id = SPAN("1"),
		.host = SPAN("mx"),
	};
	enum status status = letter_write(&letter, &bytes);
	assert(status == STATUS_OK);
	status = body_check_feed(&check, buf_span(&bytes));
	assert(status == STATUS_OK && body_check_finish(&check) == STATUS_OK && utf8_is_ascii(buf_span(&bytes)));
	size_t fields = count_fields(buf_span(&bytes));
	assert(fields == 9 || fields == 10); /* with Content-Language */
	expect_short_lines(buf_span(&bytes));
	return 0;
}

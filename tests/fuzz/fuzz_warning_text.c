/*
 * Texts of warnings. The input is LANGUAGES NUL TEXT: what is taken as a text is found again in a pack of texts and by
 * its language, and what it says holds none of its variables any more.
 */
#include <assert.h>
#include <string.h>

#include "relay/warning_text.h"

static void expect_filled(const struct warning_text *text)
{
	struct buf subject BUF_AUTO, body BUF_AUTO;
	const struct warning_values values = { .user = SPAN("u"), .host = SPAN("h"), .resets = SPAN("t") };
	buf_init(&subject, 1 << 20);
	buf_init(&body, 1 << 20);
	enum status status = warning_text_write(text, &values, &subject, &body);
	assert(status == STATUS_OK);
	if (buf_size(&body))
		assert(memmem(buf_span(&body).data, buf_size(&body), "{percent}", 9) == NULL);
	if (buf_size(&subject)) /* else it is made of a variable alone, which is empty */
		assert(memmem(buf_span(&subject).data, buf_size(&subject), "{used}", 6) == NULL);
}

static void read_pack(struct span pack)
{
	struct warning_text texts[WARNING_TEXTS_MAXIMUM];
	size_t count;
	if (warning_texts_read(pack, texts, &count) == STATUS_OK)
		assert(count <= WARNING_TEXTS_MAXIMUM);
}

static void pack_text(struct span text, struct span languages)
{
	struct buf pack BUF_AUTO;
	struct warning_text texts[WARNING_TEXTS_MAXIMUM];
	size_t count;
	buf_init(&pack, 1 << 20);
	enum status status = warning_texts_add(&pack, SPAN("de"), text);
	assert(status == STATUS_OK);
	status = warning_texts_read(buf_span(&pack), texts, &count);
	assert(status == STATUS_OK && count == 1);
	struct warning_text found = warning_text_find(texts, count, languages);
	assert(span_equal(found.language, SPAN("de")) || span_equal(found.language, SPAN("en")));
	expect_filled(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size }, languages;
	struct warning_text read;
	const char *fault;
	read_pack(text);
	if (size == 0 || !span_cut(&text, '\0', &languages) || text.data == NULL)
		return 0;
	if (warning_text_read(text, &read, &fault) != STATUS_OK) {
		assert(fault);
		return 0;
	}
	expect_filled(&read);
	pack_text(text, languages);
	return 0;
}

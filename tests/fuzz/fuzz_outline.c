/*
 * Lines of any bytes in an audit file: of whatever record a search finds there, the outline does not say that its block
 * lacks it. The input is filled up with empty lines until it is a whole block, or two.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/reader/outline.h"
#include "audit/reader/record.h"

#define PIECE 4096

static const char *const members[] = { "type", "session", "message", "user", "user_id" };
static const char *const criteria[] = { "result", "id", "id", "user", "user" };

static void expect_not_lacking(struct outline *outline, uint64_t block, struct span line, const json_t *record)
{
	const char *fault;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		struct query query;
		json_t *request = json_pack("{s:s}", criteria[i], record_text(record, members[i]));
		bool is_found = request && query_read(request, &query, &fault) == STATUS_OK;
		if (is_found && query_may_match(&query, line) && query_matches(&query, record))
			assert(!outline_lacks(outline, 0, block, &query));
		if (is_found)
			query_free(&query);
		json_decref(request);
	}
}

static void look_at_lines(struct outline *outline, struct span rest)
{
	const char *lf, *begin = rest.data;
	while (rest.size && (lf = memchr(rest.data, '\n', rest.size)) != NULL) {
		json_t *record = NULL;
		struct span line = { rest.data, (size_t)(lf - rest.data) };
		if (line.size && record_parse(line, &record) == STATUS_OK)
			expect_not_lacking(outline, (uint64_t)(lf - begin) / OUTLINE_BLOCK_SIZE, line, record);
		json_decref(record);
		rest = span_slice(rest, line.size + 1, rest.size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char bytes[2 * OUTLINE_BLOCK_SIZE];
	struct outline *outline;
	size_t before = size > 0 && data[0] % 2 ? OUTLINE_BLOCK_SIZE - size / 2 : 0; /* across a block's edge */
	if (size > PIECE)
		return 0;
	memset(bytes, '\n', sizeof(bytes));
	if (size)
		memcpy(bytes + before, data, size);
	int fd = memfd_create("audit", MFD_CLOEXEC);
	assert(fd >= 0 && write(fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes));
	enum status status = outline_create(&outline);
	assert(status == STATUS_OK);
	status = outline_begin(outline, &fd, 1);
	assert(status == STATUS_OK);
	look_at_lines(outline, (struct span){ bytes, sizeof(bytes) });
	outline_free(&outline);
	close(fd);
	return 0;
}

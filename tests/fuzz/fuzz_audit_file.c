/*
 * An audit file of any bytes, plain or packed: each line is read in bounds, and a plain file has the same lines forward
 * and backward.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/reader/lines.h"
#include "audit/reader/query.h"
#include "audit/reader/record.h"

#define LINES_MAXIMUM 100000 /* of what little bytes unpack to */

struct sums {
	size_t count, bytes;
	uint64_t mixed;
};

static void read_line(struct span line, const struct query *query, struct sums *sums)
{
	struct span ts, type = record_read_type(line);
	assert(line.size > 0 && line.size <= LINES_LINE_MAXIMUM + (1U << 20) && !span_contains_byte(line, '\n'));
	assert(type.size == 0 || (type.data > line.data && type.data + type.size < line.data + line.size));
	if (record_read_time(line, &ts) == STATUS_OK)
		assert(ts.data > line.data && ts.data + ts.size < line.data + line.size);
	(void)query_may_match(query, line);
	sums->count++;
	sums->bytes += line.size;
	sums->mixed += (uint64_t)(unsigned char)line.data[0] * line.size;
}

static enum status read_all(struct lines *lines, const struct query *query, struct sums *sums)
{
	struct span line;
	enum status status = lines_next(lines, &line);
	for (; status == STATUS_OK && sums->count < LINES_MAXIMUM; status = lines_next(lines, &line))
		read_line(line, query, sums);
	lines_close(&lines);
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct query query;
	const char *fault;
	struct lines *lines;
	struct sums forward = { 0 }, backward = { 0 };
	json_t *request = json_loads("{\"user\":\"anna\",\"to\":\"@example.net\",\"text\":\"x\"}", 0, NULL);
	int fd = memfd_create("audit", MFD_CLOEXEC);
	enum status status = query_read(request, &query, &fault);
	assert(status == STATUS_OK && write(fd, data, size) == (ssize_t)size);
	bool is_packed = size > 1 && ((data[0] == 0x1f && data[1] == 0x8b) || (data[0] == 0x28 && data[1] == 0xb5));
	if (lines_open(fd, &lines) == STATUS_OK)
		(void)read_all(lines, &query, &forward);
	if (lines_open_backward(fd, &lines) == STATUS_OK)
		(void)read_all(lines, &query, &backward);
	if (!is_packed && forward.count < LINES_MAXIMUM)
		assert(forward.count == backward.count && forward.bytes == backward.bytes &&
		       forward.mixed == backward.mixed);
	close(fd);
	query_free(&query);
	json_decref(request);
	return 0;
}

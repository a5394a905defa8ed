/*
 * Bloom filters, filled by walking through the texts of each line. A line counts as the block's in which its LF stands,
 * so that blocks begin at fixed places, and a file can be read from its end. Whatever can't be told for certain makes a
 * block one that may have anything: a name that is written with escapes, a line that begins too far before.
 */
#include "audit/reader/outline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILTER_WORDS 64 /* 4096 bits: of a block's usual 300 names, 1 in 200 that are not there looks as if it were */
#define FILTER_MARKS 4  /* bits of a name */
#define FILTERS_MAXIMUM 4096
#define LEAD_SIZE (16U << 10) /* bytes before a block, in which its first line begins, as a rule */
#define FIRST_SIZE 256        /* bytes of a file by which it is known: its first record's time is among them */
#define KEY_SIZE 256          /* bytes of what is searched for */

/* What a name is of: one that is no user's may be an id. */
enum outline_kind { OUTLINE_NONE, OUTLINE_TYPE, OUTLINE_ID, OUTLINE_USER };

struct filter {
	uint64_t words[FILTER_WORDS];
	bool is_open; /* it may have anything */
};

struct outline_file {
	dev_t device;
	ino_t inode;
	uint64_t size;
	char first[FIRST_SIZE];
	size_t first_size;
	struct filter **filters; /* by block; NULL: none was made */
	size_t room;
};

struct outline {
	struct outline_file *files;
	const int *fds; /* the search's */
	size_t count;
	size_t filter_count;
	char *bytes; /* of a block and what comes before it */
};

/* ---- filters */

/* ASCII letters in either case are the same, and some other bytes, too, which does no harm. */
static uint64_t hash_name(enum outline_kind kind, struct span name)
{
	static const uint64_t either_case = UINT64_C(0x2020202020202020), factor = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t hash = (uint64_t)kind * factor + name.size;
	for (size_t at = 0; at < name.size; at += sizeof(uint64_t)) {
		uint64_t word = 0;
		size_t left = name.size - at;
		memcpy(&word, name.data + at, left < sizeof(word) ? left : sizeof(word));
		hash = (hash ^ (word | either_case)) * factor;
		hash ^= hash >> 29;
	}
	hash *= factor;
	return hash ^ hash >> 32;
}

static void mark_name(struct filter *filter, enum outline_kind kind, struct span name)
{
	uint64_t hash = hash_name(kind, name);
	for (unsigned i = 0; i < FILTER_MARKS; i++, hash >>= 16)
		filter->words[hash / 64 % FILTER_WORDS] |= UINT64_C(1) << hash % 64;
}

static bool may_have_name(const struct filter *filter, enum outline_kind kind, struct span name)
{
	uint64_t hash = hash_name(kind, name);
	for (unsigned i = 0; i < FILTER_MARKS; i++, hash >>= 16)
		if ((filter->words[hash / 64 % FILTER_WORDS] & UINT64_C(1) << hash % 64) == 0)
			return false;
	return true;
}

/* ---- lines */

static enum outline_kind kind_of_member(struct span name)
{
	static const struct {
		struct span name;
		enum outline_kind kind;
	} members[] = { { { "type", 4 }, OUTLINE_TYPE },
			{ { "session", 7 }, OUTLINE_ID },
			{ { "message", 7 }, OUTLINE_ID },
			{ { "user", 4 }, OUTLINE_USER },
			{ { "user_id", 7 }, OUTLINE_USER } };
	if (name.size != 4 && name.size != 7)
		return OUTLINE_NONE;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (span_equal(name, members[i].name))
			return members[i].kind;
	return OUTLINE_NONE;
}

/* What stands between the quotes, the first of which is before the rest; cuts it off with its end. */
static bool cut_text(struct span *rest, struct span *out_text)
{
	const char *begin = rest->data, *at = begin, *end = begin + rest->size, *quote;
	while (at < end && (quote = memchr(at, '"', (size_t)(end - at))) != NULL) {
		const char *escape = quote;
		while (escape > begin && escape[-1] == '\\')
			escape--;
		at = quote + 1;
		if ((quote - escape) % 2)
			continue;
		*out_text = (struct span){ begin, (size_t)(quote - begin) };
		*rest = (struct span){ at, (size_t)(end - at) };
		return true;
	}
	return false;
}

static void skip_blanks(struct span *rest)
{
	while (rest->size && (rest->data[0] == ' ' || rest->data[0] == '\t' || rest->data[0] == '\r'))
		*rest = span_slice(*rest, 1, rest->size);
}

static bool skip_byte(struct span *rest, char byte)
{
	skip_blanks(rest);
	if (rest->size == 0 || rest->data[0] != byte)
		return false;
	*rest = span_slice(*rest, 1, rest->size);
	return true;
}

/* Written in the one way in which query_read writes it, too: of escapes, only those of a quote and of a backslash. */
static bool is_plain(struct span text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] != '\\')
			continue;
		if (++i == text.size || (text.data[i] != '\\' && text.data[i] != '"'))
			return false;
	}
	return true;
}

/* Members of objects within the record, too: that does no harm. False: it can't be told what the line has. */
static bool mark_line(struct filter *filter, struct span line)
{
	struct span rest = line, name, value;
	const char *quote;
	while (rest.size && (quote = memchr(rest.data, '"', rest.size)) != NULL) {
		rest = span_slice(rest, (size_t)(quote - rest.data) + 1, rest.size);
		if (!cut_text(&rest, &name))
			return true; /* it is no JSON */
		if (!skip_byte(&rest, ':'))
			continue;
		if (span_contains_byte(name, '\\'))
			return false;
		enum outline_kind kind = kind_of_member(name);
		if (!skip_byte(&rest, '"'))
			continue;
		if (!cut_text(&rest, &value))
			return true;
		if (kind != OUTLINE_NONE && !is_plain(value))
			return false;
		if (kind != OUTLINE_NONE)
			mark_name(filter, kind, value);
	}
	return true;
}

/* ---- blocks */

/* False: they can't be read, or the file ends before. */
static bool read_bytes(int fd, char *at, size_t size, uint64_t from)
{
	while (size) {
		ssize_t got = pread(fd, at, size, (off_t)from);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		size -= (size_t)got;
		from += (uint64_t)got;
	}
	return true;
}

/* The lines that end in the block; the first of them begins before it. False: not to be found. */
static bool find_lines(struct outline *outline, int fd, uint64_t block, struct span *out_lines)
{
	uint64_t from = block * OUTLINE_BLOCK_SIZE;
	size_t lead = from < LEAD_SIZE ? (size_t)from : LEAD_SIZE;
	if (!read_bytes(fd, outline->bytes, lead + OUTLINE_BLOCK_SIZE, from - lead))
		return false;
	const char *first = outline->bytes;
	if (lead) {
		const char *lf = memrchr(first, '\n', lead);
		if (lf == NULL)
			return false;
		first = lf + 1;
	}
	*out_lines = (struct span){ first, (size_t)(outline->bytes + lead + OUTLINE_BLOCK_SIZE - first) };
	return true;
}

static void fill_filter(struct outline *outline, int fd, uint64_t block, struct filter *filter)
{
	struct span rest;
	const char *lf;
	filter->is_open = !find_lines(outline, fd, block, &rest);
	while (!filter->is_open && rest.size && (lf = memchr(rest.data, '\n', rest.size)) != NULL) {
		size_t size = (size_t)(lf - rest.data);
		filter->is_open = !mark_line(filter, span_slice(rest, 0, size));
		rest = span_slice(rest, size + 1, rest.size);
	}
}

/* Where there are as many as there may be, the oldest makes room for one that is younger. */
static struct filter *take_filter(struct outline *outline, size_t file, uint64_t block)
{
	struct filter *filter = NULL;
	if (outline->filter_count < FILTERS_MAXIMUM) {
		filter = malloc(sizeof(*filter));
		outline->filter_count += filter != NULL;
		return filter;
	}
	for (size_t i = 0; i <= file && filter == NULL; i++) {
		struct outline_file *older = &outline->files[i];
		size_t end = i < file || block > older->room ? older->room : (size_t)block;
		for (size_t k = 0; k < end && filter == NULL; k++) {
			filter = older->filters[k];
			older->filters[k] = NULL;
		}
	}
	return filter;
}

static bool make_filter_room(struct outline_file *file)
{
	size_t blocks = (size_t)(file->size / OUTLINE_BLOCK_SIZE);
	if (file->room >= blocks)
		return true;
	struct filter **filters = reallocarray(file->filters, blocks, sizeof(struct filter *));
	if (filters == NULL)
		return false;
	memset(filters + file->room, 0, (blocks - file->room) * sizeof(struct filter *));
	file->filters = filters;
	file->room = blocks;
	return true;
}

/* NULL: none can be made, or the block is not written to its end. */
static const struct filter *find_filter(struct outline *outline, size_t index, uint64_t block)
{
	struct outline_file *file = &outline->files[index];
	if (block >= file->size / OUTLINE_BLOCK_SIZE || !make_filter_room(file))
		return NULL;
	if (file->filters[block] == NULL) {
		struct filter *filter = take_filter(outline, index, block);
		if (filter == NULL)
			return NULL;
		*filter = (struct filter){ 0 };
		fill_filter(outline, outline->fds[index], block, filter);
		file->filters[block] = filter;
	}
	return file->filters[block];
}

/* ---- what is searched for */

static bool is_asked(const struct query *query, enum query_by by)
{
	size_t size = buf_size(&query->by[by].needle);
	return query->by[by].text && size > 0 && size < KEY_SIZE;
}

/* "sent" may be short for "message.sent". */
static bool may_have_result(const struct filter *filter, struct span result)
{
	static const char prefix[] = "message.";
	char whole[sizeof(prefix) + KEY_SIZE];
	memcpy(whole, prefix, sizeof(prefix) - 1);
	memcpy(whole + sizeof(prefix) - 1, result.data, result.size);
	return may_have_name(filter, OUTLINE_TYPE, result) ||
	       may_have_name(filter, OUTLINE_TYPE, (struct span){ whole, sizeof(prefix) - 1 + result.size });
}

static bool may_match(const struct filter *filter, const struct query *query)
{
	if (is_asked(query, QUERY_BY_RESULT) && !may_have_result(filter, buf_span(&query->by[QUERY_BY_RESULT].needle)))
		return false;
	if (is_asked(query, QUERY_BY_ID) &&
	    !may_have_name(filter, OUTLINE_ID, buf_span(&query->by[QUERY_BY_ID].needle)))
		return false;
	return !is_asked(query, QUERY_BY_USER) ||
	       may_have_name(filter, OUTLINE_USER, buf_span(&query->by[QUERY_BY_USER].needle));
}

bool outline_helps(const struct query *query)
{
	return is_asked(query, QUERY_BY_RESULT) || is_asked(query, QUERY_BY_ID) || is_asked(query, QUERY_BY_USER);
}

bool outline_lacks(struct outline *outline, size_t file, uint64_t block, const struct query *query)
{
	const struct filter *filter = file < outline->count ? find_filter(outline, file, block) : NULL;
	return filter && !filter->is_open && !may_match(filter, query);
}

/* ---- files */

static void drop_filters(struct outline *outline, struct outline_file *file)
{
	for (size_t i = 0; i < file->room; i++) {
		outline->filter_count -= file->filters[i] != NULL;
		free(file->filters[i]);
	}
	free(file->filters);
	file->filters = NULL;
	file->room = 0;
}

static void look_at_file(int fd, struct outline_file *file)
{
	struct stat about;
	*file = (struct outline_file){ 0 };
	if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
		return;
	ssize_t got = pread(fd, file->first, sizeof(file->first), 0);
	if (got <= 0)
		return;
	file->device = about.st_dev;
	file->inode = about.st_ino;
	file->size = (uint64_t)about.st_size;
	file->first_size = (size_t)got;
}

/* A file that has grown is the same. */
static bool is_same_file(const struct outline_file *before, const struct outline_file *now)
{
	return before->first_size > 0 && before->device == now->device && before->inode == now->inode &&
	       before->size <= now->size && before->first_size <= now->first_size &&
	       memcmp(before->first, now->first, before->first_size) == 0;
}

static void take_over_filters(struct outline *outline, struct outline_file *file)
{
	for (size_t i = 0; i < outline->count; i++) {
		struct outline_file *before = &outline->files[i];
		if (before->filters == NULL || !is_same_file(before, file))
			continue;
		file->filters = before->filters;
		file->room = before->room;
		before->filters = NULL;
		before->room = 0;
		return;
	}
}

static void drop_files(struct outline *outline)
{
	for (size_t i = 0; i < outline->count; i++)
		drop_filters(outline, &outline->files[i]);
	free(outline->files);
	outline->files = NULL;
	outline->count = 0;
}

enum status outline_begin(struct outline *outline, const int *fds, size_t count)
{
	struct outline_file *files = calloc(count + 1, sizeof(*files));
	if (files == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < count; i++) {
		look_at_file(fds[i], &files[i]);
		take_over_filters(outline, &files[i]);
	}
	drop_files(outline);
	outline->files = files;
	outline->fds = fds;
	outline->count = count;
	return STATUS_OK;
}

/* ---- life */

enum status outline_create(struct outline **out_outline)
{
	struct outline *outline = calloc(1, sizeof(*outline));
	char *bytes = malloc(LEAD_SIZE + OUTLINE_BLOCK_SIZE);
	if (outline == NULL || bytes == NULL) {
		free(outline);
		free(bytes);
		return STATUS_NO_MEMORY;
	}
	outline->bytes = bytes;
	*out_outline = outline;
	return STATUS_OK;
}

void outline_free(struct outline **outline)
{
	if (*outline == NULL)
		return;
	drop_files(*outline);
	free((*outline)->bytes);
	free(*outline);
	*outline = NULL;
}

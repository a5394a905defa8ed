/* Files of one line: what editors leave in them that no server takes for the password. Pure but for reading. */
#include "config/line_file.h"

#define GROUPED_SIZE 19 /* "abcd efgh ijkl mnop": how Google shows an app password */

enum status line_file_read(const char *path, struct secret *out_secret)
{
	if (*path == '\0')
		return STATUS_NOT_FOUND;
	return secret_from_path(path, out_secret);
}

/* Less the line end that is left out where the secret is used. */
static struct span first_line(struct span text)
{
	if (text.size && text.data[text.size - 1] == '\n')
		text.size--;
	if (text.size && text.data[text.size - 1] == '\r')
		text.size--;
	return text;
}

const char *line_file_find_fault(struct span text)
{
	struct span line = first_line(text);
	if (span_starts_with(text, SPAN("\xEF\xBB\xBF")))
		return "begins with a byte order mark; expected the secret alone, saved without one";
	if (span_starts_with(text, SPAN("\xFF\xFE")) || span_starts_with(text, SPAN("\xFE\xFF")) ||
	    span_contains_byte(text, '\0'))
		return "is UTF-16, or has NUL bytes; expected the secret alone, saved as ASCII or UTF-8";
	if (span_contains_byte(line, '\n') || span_contains_byte(line, '\r'))
		return "has a second line; expected the secret alone";
	return line.size ? NULL : "is an empty line; expected a secret";
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_grouped(struct span line)
{
	for (size_t i = 0; i < line.size; i++) {
		if (is_blank(line.data[i]) != (i % 5 == 4))
			return false;
	}
	return line.size == GROUPED_SIZE;
}

const char *line_file_find_doubt(struct span text)
{
	struct span line = first_line(text);
	if (line.size && (is_blank(line.data[0]) || is_blank(line.data[line.size - 1])))
		return "begins or ends with a blank, which counts as part of the secret";
	if (is_grouped(line))
		return "has blanks between groups of four, as Google shows app passwords; they go without";
	return NULL;
}

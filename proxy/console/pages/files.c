/* Made from the files by the Makefile. */
#include "console/pages/files.h"

static const struct {
	const char *name;
	struct span text;
} files[] = {
#define PAGES_FILE(name, text) { name, SPAN(text) },
#include "console/pages/all.h"
#undef PAGES_FILE
};

struct span files_find(struct span name)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (span_equal(name, span_of(files[i].name)))
			return files[i].text;
	return (struct span){ 0 };
}

bool files_at(size_t index, const char **out_name, struct span *out_text)
{
	if (index >= sizeof(files) / sizeof(files[0]))
		return false;
	*out_name = files[index].name;
	*out_text = files[index].text;
	return true;
}

/* Gathering and writing faults. Owns their texts until faults_free. */
#include "config/faults.h"

#include <stdlib.h>

void faults_add_list(struct faults *faults, unsigned line, const char *format, va_list args)
{
	unsigned order = faults->found++;
	if (faults->kept == FAULTS_MAXIMUM)
		return;
	if (!faults->items)
		faults->items = calloc(FAULTS_MAXIMUM, sizeof(*faults->items));
	if (!faults->items)
		return;
	struct fault *fault = &faults->items[faults->kept++];
	fault->line = line;
	fault->order = order;
	vsnprintf(fault->text, sizeof(fault->text), format, args);
}

void faults_add(struct faults *faults, unsigned line, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	faults_add_list(faults, line, format, args);
	va_end(args);
}

static int compare_lines(const void *left, const void *right)
{
	const struct fault *a = left;
	const struct fault *b = right;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

enum status faults_report(struct faults *faults, const char *file, FILE *out)
{
	if (faults->found == 0)
		return STATUS_OK;
	if (faults->items)
		qsort(faults->items, faults->kept, sizeof(*faults->items), compare_lines);
	for (unsigned i = 0; i < faults->kept; i++)
		fprintf(out, "%s:%u: %s\n", file, faults->items[i].line, faults->items[i].text);
	if (faults->found > faults->kept)
		fprintf(out, "%s: %u more faults\n", file, faults->found - faults->kept);
	return STATUS_INVALID;
}

void faults_free(struct faults *faults)
{
	free(faults->items);
	*faults = (struct faults){ 0 };
}

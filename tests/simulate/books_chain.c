/* The books' last page: the audits of all nodes, as whoever has only the files would verify them (conf/audit.md). */
#include "audit/reader/verify.h"
#include "tests/simulate/books.h"

/* Not what is wrong: no node says another key than its first, and a fault is told of at once. */
static void fail_for_fault(void *context, const char *file, uint64_t line, const char *what)
{
	(void)context;
	sim_fail("%s:%llu: %s (promise 5)", file, (unsigned long long)line, what);
}

static void show_note(void *context, const char *file, uint64_t line, const char *what)
{
	(void)context;
	sim_note("%s:%llu: %s", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, (unsigned long long)line, what);
}

static void show_node(void *context, const struct verify_node *node)
{
	uint64_t *records = context;
	*records += node->records;
	sim_note("%s: %llu records, %llu statements, %llu records after the last one", node->name,
		 (unsigned long long)node->records, (unsigned long long)node->last.number,
		 (unsigned long long)node->unsigned_records);
	if (node->former)
		sim_fail("%llu records of %s are not linked (promise 5)", (unsigned long long)node->former, node->name);
}

uint64_t books_verify(const char *const *paths, size_t count)
{
	struct audit_files files;
	uint64_t records = 0;
	const struct verify_options options = {
		.on_fault = fail_for_fault, .on_note = show_note, .on_node = show_node, .context = &records
	};
	for (size_t i = 0; i < count; i++)
		if ((i == 0 ? audit_files_open(paths[0], true, &files) : audit_files_add(&files, paths[i])) !=
		    STATUS_OK)
			sim_fail("%s: %s", paths[i], files.fault);
	enum status status = audit_files_sort(&files);
	if (status == STATUS_OK)
		status = verify_files(&files, &options);
	if (status != STATUS_OK)
		sim_fail("the audit can't be verified: %s", status_text(status));
	audit_files_close(&files);
	return records;
}

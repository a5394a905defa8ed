/* Finds and opens the audit's files for subgatectl. */
#include "admin/ctl_records.h"

#include <grp.h>
#include <string.h>
#include <unistd.h>

json_t *ctl_records_refuse(const char *error)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", error);
}

static void tell_fault(void *context, const char *name, const char *what)
{
	struct ctl_reading *reading = context;
	if (!reading->has_walked)
		fprintf(reading->errors, "subgatectl: %s: %s\n", name, what);
	reading->is_incomplete = true;
}

/* The running daemon's; owned by *out_status. */
static enum status ask_for_path(const struct ctl_call *call, FILE *errors, json_t **out_status, const char **out_path)
{
	json_t *request = json_pack("{s:s}", "command", "status");
	enum status status = ctl_exchange(call->socket, request, errors, out_status);
	json_decref(request);
	TRY(status);
	*out_path = json_string_value(json_object_get(*out_status, "audit_file"));
	return STATUS_OK;
}

static bool is_root(void)
{
	return geteuid() == 0;
}

static enum status become_owner(const struct audit_files *files)
{
	if (!is_root() || files->owner == 0)
		return STATUS_OK;
	bool done = setgroups(0, NULL) == 0 && setresgid(files->group, files->group, files->group) == 0 &&
		    setresuid(files->owner, files->owner, files->owner) == 0;
	return done ? STATUS_OK : STATUS_SYSTEM;
}

/* `more`: the names of further files; NULL: none. */
static enum status open_paths(const char *path, bool is_named, const json_t *more, struct audit_files *out_files)
{
	TRY(audit_files_open(path, !is_named, out_files));
	for (size_t i = 1; i < json_array_size(more); i++)
		TRY(audit_files_add(out_files, json_string_value(json_array_get(more, i))));
	return STATUS_OK;
}

static enum status open_files(const char *path, bool is_named, const json_t *more, struct audit_files *out_files,
			      json_t **out_reply)
{
	const char *fault = NULL;
	if (path == NULL)
		fault = "the daemon does not say where its audit is";
	else if (open_paths(path, is_named, more, out_files) != STATUS_OK)
		fault = out_files->fault[0] ? out_files->fault : "out of memory";
	else if (!is_named && become_owner(out_files) != STATUS_OK)
		fault = "the rights of the audit's owner can't be taken on";
	else if (audit_files_sort(out_files) != STATUS_OK)
		fault = "the audit's files can't be read";
	if (fault)
		*out_reply = ctl_records_refuse(fault);
	return fault ? STATUS_REFUSED : STATUS_OK;
}

static enum status open_audit(const struct ctl_call *call, FILE *errors, struct audit_files *out_files,
			      json_t **out_reply)
{
	json_t *node = NULL;
	const json_t *wanted = json_object_get(call->request, "file");
	const char *named = json_string_value(json_is_array(wanted) ? json_array_get(wanted, 0) : wanted);
	const char *path = named;
	enum status status = named ? STATUS_OK : ask_for_path(call, errors, &node, &path);
	if (status == STATUS_OK)
		status = open_files(path, named != NULL, wanted, out_files, out_reply);
	json_decref(node);
	return status;
}

enum status ctl_records_open(const struct ctl_call *call, struct ctl_reading *reading, json_t **out_reply)
{
	return open_audit(call, reading->errors, &reading->files, out_reply);
}

enum status ctl_records_walk(const struct ctl_call *call, struct walk walk, json_t **out_reply)
{
	struct ctl_reading *reading = walk.context;
	enum status status = STATUS_OK;
	*out_reply = NULL;
	if (reading->files.count == 0)
		status = ctl_records_open(call, reading, out_reply);
	walk.files = &reading->files;
	walk.on_fault = tell_fault;
	if (status == STATUS_OK && walk_records(&walk) == STATUS_NO_MEMORY)
		*out_reply = ctl_records_refuse("out of memory");
	reading->has_walked = true;
	return status == STATUS_REFUSED ? STATUS_OK : status;
}

void ctl_records_close(struct ctl_reading *reading)
{
	audit_files_close(&reading->files);
}

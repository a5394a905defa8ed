/* Makes of each what a role would make of it, and throws it away. */
#include "supervise/certificates.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/tls.h"
#include "net/tls_look.h"
#include "supervise/expiry.h"

/* One of the list, with what stands in it. */
struct look {
	const struct secret_files *files;
	const struct secret *contents;
	size_t at;
	FILE *faults;
};

static const struct secret_file *file_of(const struct look *look)
{
	return &look->files->items[look->at];
}

/* The one after it, if it holds this and belongs to it; else NULL. */
static const struct secret *follower_of(const struct look *look, enum secret_content content)
{
	size_t next = look->at + 1;
	bool is_there = next < look->files->count && look->files->items[next].content == content;
	return is_there ? &look->contents[next] : NULL;
}

/* "tls", "certificate old": the label without its option. */
static struct span section_of(const struct secret_file *file)
{
	const char *dot = strrchr(file->label, '.');
	return span_slice(span_of(file->label), 0, dot ? (size_t)(dot - file->label) : SIZE_MAX);
}

/* Frees `error`. */
static enum status report_pair(const struct look *look, const char *role, enum status status, char *error)
{
	const struct secret_file *file = file_of(look);
	fprintf(look->faults, "%s:%u: %.*s: %s and %s make no %s: %s\n", look->files->config_file, file->line,
		SPAN_ARGS(section_of(file)), file->path, look->files->items[look->at + 1].path, role,
		error ? error : status_text(status));
	free(error);
	return STATUS_INVALID;
}

/* Tried as a server of its own, so that its faults show whatever the other certificates are. */
static enum status check_server(const struct look *look, const struct secret *certificate, const struct secret *key)
{
	const struct tls_server_options options = {
		.certificate_pem = secret_reveal(certificate),
		.private_key = key,
		.session_id_context = SPAN("check"),
		.allow_tls13_only = look->files->tls13_only,
	};
	struct tls_context *context = NULL;
	char *error = NULL;
	enum status status = tls_server_create(&options, &context, &error);
	if (status == STATUS_OK && file_of(look)->content == SECRET_CONTENT_NAMED)
		status = tls_server_add(context, &options, &error);
	tls_context_free(&context);
	return status == STATUS_OK ? STATUS_OK : report_pair(look, "server", status, error);
}

static enum status check_client(const struct look *look, const struct secret *certificate, const struct secret *key)
{
	char *error = NULL;
	enum status status = tls_look_at_pair(secret_reveal(certificate), key, &error);
	return status == STATUS_OK ? STATUS_OK : report_pair(look, "client", status, error);
}

static enum status check_authorities(const struct look *look)
{
	const struct secret *revoked = follower_of(look, SECRET_CONTENT_REVOKED);
	const struct secret_file *file = file_of(look);
	char *error = NULL;
	enum status status = tls_look_at_authorities(secret_reveal(&look->contents[look->at]),
						     revoked ? secret_reveal(revoked) : SPAN(""), &error);
	if (status != STATUS_OK)
		fprintf(look->faults, "%s:%u: %s: %s%s%s: %s\n", look->files->config_file, file->line, file->label,
			file->path, revoked ? ", " : "", revoked ? look->files->items[look->at + 1].path : "",
			error ? error : status_text(status));
	free(error);
	return status == STATUS_OK ? STATUS_OK : STATUS_INVALID;
}

static enum status check_one(const struct look *look)
{
	const struct secret *content = &look->contents[look->at];
	const enum secret_content kind = file_of(look)->content;
	const bool is_server = kind == SECRET_CONTENT_SERVER || kind == SECRET_CONTENT_NAMED;
	if (secret_is_empty(content))
		return STATUS_OK;
	if (kind == SECRET_CONTENT_AUTHORITIES)
		return check_authorities(look);
	if (!is_server && kind != SECRET_CONTENT_CLIENT)
		return STATUS_OK;
	const struct secret *key = follower_of(look, SECRET_CONTENT_KEY);
	if (key == NULL || secret_is_empty(key))
		return STATUS_OK;
	return is_server ? check_server(look, content, key) : check_client(look, content, key);
}

enum status certificates_check(const struct secret_files *files, const struct secret *contents, FILE *faults)
{
	struct look look = { .files = files, .contents = contents, .faults = faults };
	enum status worst = STATUS_OK;
	for (; look.at < files->count; look.at++) {
		enum status status = check_one(&look);
		worst = worst == STATUS_OK ? status : worst;
	}
	return worst;
}

/* A warning, as it is valid still, or will be again. */
static void warn_of_expiry(const struct secret_files *files, size_t at, const struct secret *content, FILE *faults)
{
	const struct secret_file *file = &files->items[at];
	uint64_t at_s = 0, now_s = clock_wall_us() / 1000000;
	char text[EXPIRY_TEXT_SIZE];
	if (!secret_content_is_ours(file->content) || secret_is_empty(content) ||
	    tls_look_at_expiry(secret_reveal(content), &at_s) != STATUS_OK || at_s > now_s + EXPIRY_WARNING_S)
		return;
	expiry_describe(at_s, now_s, text);
	fprintf(faults, "%s:%u: warning: %s: %s %s\n", files->config_file, file->line, file->label, file->path, text);
}

enum status certificates_check_files(const struct config *config, FILE *faults)
{
	struct secret_files files SECRET_FILES_AUTO = { 0 };
	TRY(secret_files_list(config, true, &files));
	struct secret *contents = calloc(files.count + 1, sizeof(*contents));
	if (contents == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < files.count; i++)
		if (secret_from_path(files.items[i].path, &contents[i]) != STATUS_OK)
			secret_wipe(&contents[i]);
	enum status status = certificates_check(&files, contents, faults);
	for (size_t i = 0; i < files.count; i++) {
		warn_of_expiry(&files, i, &contents[i], faults);
		secret_wipe(&contents[i]);
	}
	free(contents);
	return status;
}

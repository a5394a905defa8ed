/* Reads and checks the config. Owns nothing for longer than a call. Every fault is a line for the administrator. */
#include "supervise/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "auth/oauth/service_account.h"
#include "base/secret.h"
#include "net/tls.h"
#include "supervise/identities.h"

/* Bytes asked of one read(2). */
#define READ_PIECE 16384

/* ---- reading */

static enum status read_all(int fd, struct buf *text)
{
	for (;;) {
		char *at;
		size_t room = buf_room(text) < READ_PIECE ? buf_room(text) : READ_PIECE;
		if (room == 0)
			return STATUS_TOO_LARGE;
		TRY(buf_reserve(text, room, &at));
		ssize_t got = read(fd, at, room);
		if (got == 0)
			return STATUS_OK;
		if (got < 0 && errno != EINTR)
			return STATUS_SYSTEM;
		buf_commit(text, got > 0 ? (size_t)got : 0);
	}
}

enum status config_file_load(const char *file, FILE *faults, struct buf *out_text, struct config **out_config)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		fprintf(faults, "%s:1: %s\n", file, strerror(errno));
		return STATUS_NOT_FOUND;
	}
	enum status status = read_all(fd, out_text);
	if (status != STATUS_OK)
		fprintf(faults, "%s:1: can't be read: %s\n", file,
			status == STATUS_SYSTEM ? strerror(errno) : status_text(status));
	close(fd);
	TRY(status);
	return config_load(buf_span(out_text), file, faults, out_config);
}

/* ---- checking */

/* A certificate and its key, and where the config names them. */
struct pair {
	const char *section, *name;
	unsigned line;
	const char *certificate, *key;
	bool is_named; /* the client chooses it by name, so it must have one */
};

static void report_pair(const struct config *config, const struct pair *pair, FILE *faults, const char *why)
{
	fprintf(faults, "%s:%u: %s%s%s: %s and %s make no server: %s\n", config->file, pair->line, pair->section,
		*pair->name ? " " : "", pair->name, pair->certificate, pair->key, why);
}

/* Tried as a server of its own, so that its faults show whatever the other certificates are. */
static enum status make_context(const struct config *config, const struct pair *pair, const struct secret *certificate,
				const struct secret *key, FILE *faults)
{
	const struct tls_server_options options = {
		.certificate_pem = secret_reveal(certificate),
		.private_key = key,
		.session_id_context = SPAN("check"),
		.allow_tls13_only = config->tls.min_version == TLS_VERSION_13,
	};
	struct tls_context *context = NULL;
	char *error = NULL;
	enum status status = tls_server_create(&options, &context, &error);
	if (status == STATUS_OK && pair->is_named)
		status = tls_server_add(context, &options, &error);
	if (status != STATUS_OK)
		report_pair(config, pair, faults, error ? error : status_text(status));
	tls_context_free(&context);
	free(error);
	return status;
}

/* Unreadable files are reported by config_check. */
static enum status check_pair(const struct config *config, const struct pair *pair, FILE *faults)
{
	struct secret certificate SECRET_AUTO = { 0 };
	struct secret key SECRET_AUTO = { 0 };
	if (secret_from_path(pair->certificate, &certificate) != STATUS_OK ||
	    secret_from_path(pair->key, &key) != STATUS_OK)
		return STATUS_OK;
	return make_context(config, pair, &certificate, &key, faults);
}

static enum status check_tls(const struct config *config, FILE *faults)
{
	const struct config_tls *tls = &config->tls;
	const struct pair own = { "tls", "", tls->line, tls->certificate, tls->private_key, false };
	enum status worst = check_pair(config, &own, faults);
	for (size_t i = 0; i < config->certificate.count; i++) {
		const struct config_certificate *section = &config->certificate.items[i];
		const struct pair pair = { "certificate",        section->name,        section->line,
					   section->certificate, section->private_key, true };
		enum status status = check_pair(config, &pair, faults);
		worst = worst == STATUS_OK ? status : worst;
	}
	return worst;
}

/* Checks that the file is a service account's, and that its key signs. */
static enum status check_accounts(const struct config *config, FILE *faults)
{
	enum status worst = STATUS_OK;
	for (size_t i = 0; i < config->oauth.count; i++) {
		const struct config_oauth *oauth = &config->oauth.items[i];
		struct secret json SECRET_AUTO = { 0 };
		struct service_account account = { 0 };
		const char *fault = NULL;
		if (oauth->grant != OAUTH_SERVICE_ACCOUNT ||
		    secret_from_path(oauth->service_account_file, &json) != STATUS_OK)
			continue;
		worst = service_account_read(secret_reveal(&json), &account, &fault) == STATUS_OK ? worst
												  : STATUS_INVALID;
		if (fault)
			fprintf(faults, "%s:%u: oauth %s.service_account_file: %s: %s\n", config->file, oauth->line,
				oauth->name, oauth->service_account_file, fault);
		service_account_wipe(&account);
	}
	return worst;
}

enum status config_file_check(const struct config *config, FILE *faults)
{
	struct identities identities;
	enum status machine = config_check(config, faults);
	enum status users = identities_find(config, faults, &identities);
	enum status tls = check_tls(config, faults);
	enum status accounts = check_accounts(config, faults);
	config_warn(config, faults);
	bool is_right = machine == STATUS_OK && users == STATUS_OK && tls == STATUS_OK && accounts == STATUS_OK;
	return is_right ? STATUS_OK : STATUS_INVALID;
}

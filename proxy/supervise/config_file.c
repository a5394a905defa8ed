/* Reads and checks the config. Owns nothing for longer than a call. Every fault is a line for the administrator. */
#include "supervise/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "auth/oauth/service_account.h"
#include "base/secret.h"
#include "supervise/certificates.h"
#include "supervise/identities.h"
#include "supervise/notify_texts.h"

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

static enum status check_texts(const struct config *config, FILE *faults)
{
	struct handover none = { 0 };
	enum status status = notify_texts_open(config, faults, &none);
	handover_close(&none);
	return status;
}

enum status config_file_check(const struct config *config, FILE *faults)
{
	struct identities identities;
	enum status machine = config_check(config, faults);
	enum status users = identities_find(config, faults, &identities);
	enum status tls = certificates_check_files(config, faults);
	enum status accounts = check_accounts(config, faults);
	enum status texts = check_texts(config, faults);
	config_warn(config, faults);
	bool is_right = machine == STATUS_OK && users == STATUS_OK && tls == STATUS_OK && accounts == STATUS_OK &&
			texts == STATUS_OK;
	return is_right ? STATUS_OK : STATUS_INVALID;
}

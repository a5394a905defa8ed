/* Owns the stage and the accounts made, until they are kept or undone. */
#include "setup/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "setup/accounts.h"
#include "setup/interrupt.h"
#include "setup/run.h"
#include "setup/stage.h"

#define CONFIG_MODE 0640
#define SECRET_MODE 0600
#define CERTIFICATE_MODE 0644
#define TEXT_MAXIMUM 1048576U

struct applying {
	struct ask *ask;
	const struct plan *plan;
	struct stage stage;
	struct accounts accounts;
	int lock;
};

/* ---- one at a time */

static enum status lock_folder(struct applying *applying)
{
	applying->lock = open(applying->plan->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (applying->lock >= 0 && flock(applying->lock, LOCK_EX | LOCK_NB) == 0)
		return STATUS_OK;
	fprintf(applying->ask->errors, "%s: another setup is at work there\n", applying->plan->folder);
	return STATUS_REFUSED;
}

/* Whoever edits the file while we ask shall not lose that. */
static enum status check_unchanged(const struct applying *applying)
{
	struct secret text SECRET_AUTO = { 0 };
	const struct plan *plan = applying->plan;
	bool is_there = access(plan->file, F_OK) == 0;
	enum status status = is_there ? secret_from_path(plan->file, &text) : STATUS_OK;
	if (status == STATUS_OK && span_equal(secret_reveal(&text), buf_span(&plan->text)))
		return STATUS_OK;
	fprintf(applying->ask->errors, "%s: was changed in the meantime; run setup again\n", plan->file);
	return STATUS_REFUSED;
}

/* ---- files */

static enum status stage_in_folder(struct applying *applying, const char *path, mode_t folder_mode, struct span content,
				   mode_t mode)
{
	char folder[PATH_MAX];
	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	if (*folder)
		TRY(stage_folder(&applying->stage, folder, folder_mode));
	return stage_file(&applying->stage, path, content, mode);
}

/* With its line end, as an editor would leave it. */
static enum status stage_line(struct applying *applying, const char *path, const struct secret *secret)
{
	struct buf line BUF_AUTO;
	buf_init_sensitive(&line, SECRET_MAXIMUM);
	TRY(buf_append(&line, secret_reveal(secret)));
	TRY(buf_append_byte(&line, '\n'));
	return stage_in_folder(applying, path, 0700, buf_span(&line), SECRET_MODE);
}

static enum status stage_secrets(struct applying *applying)
{
	const struct plan *plan = applying->plan;
	char path[PATH_MAX];
	if (!secret_is_empty(&plan->certificate_pem)) {
		TRY(stage_in_folder(applying, plan->key, 0755, secret_reveal(&plan->key_pem), SECRET_MODE));
		TRY(stage_in_folder(applying, plan->certificate, 0755, secret_reveal(&plan->certificate_pem),
				    CERTIFICATE_MODE));
	}
	if (!secret_is_empty(&plan->directory.password)) {
		TRY(plan_directory_secret(plan, path));
		TRY(stage_line(applying, path, &plan->directory.password));
	}
	if (!secret_is_empty(&plan->relay.password)) {
		TRY(plan_relay_secret(plan, path));
		TRY(stage_line(applying, path, &plan->relay.password));
	}
	return STATUS_OK;
}

/* The last of the files, so that until it is in its place nothing points to the others. */
static enum status stage_config(struct applying *applying, bool is_staged)
{
	struct buf text BUF_AUTO;
	buf_init(&text, TEXT_MAXIMUM);
	TRY(plan_write(applying->plan, is_staged, &text));
	return stage_file(&applying->stage, applying->plan->file, buf_span(&text), CONFIG_MODE);
}

/* ---- users */

static enum status make_accounts(struct applying *applying)
{
	const struct plan *plan = applying->plan;
	const char *prefix = plan->config ? plan->config->global.user : PLAN_USER;
	if (geteuid() != 0 || *prefix == '\0') /* all roles stay one user */
		return STATUS_OK;
	TRY(accounts_make_users(&applying->accounts, prefix));
	if (*plan->admin_group == '\0')
		return STATUS_OK;
	TRY(accounts_make_group(&applying->accounts, plan->admin_group));
	if (*plan->admin_user == '\0')
		return STATUS_OK;
	enum status status = accounts_add_member(&applying->accounts, plan->admin_user, plan->admin_group);
	if (status == STATUS_NOT_FOUND)
		fprintf(applying->ask->errors, "there is no user %s here\n", plan->admin_user);
	return status;
}

/* ---- the check */

/* The names of what was written at first mean nothing to anybody. */
static void show_output(FILE *out, struct span text, const char *written, const char *target)
{
	size_t size = strlen(written);
	while (text.size) {
		const char *found = memmem(text.data, text.size, written, size);
		size_t before = found ? (size_t)(found - text.data) : text.size;
		fprintf(out, "%.*s%s", (int)before, text.data, found ? target : "");
		text = span_slice(text, before + (found ? size : 0), text.size);
	}
}

static enum status check_config(struct applying *applying)
{
	struct ask *ask = applying->ask;
	char program[PATH_MAX], written[PATH_MAX];
	struct buf output BUF_AUTO;
	int code = 1;
	buf_init(&output, RUN_OUTPUT_MAXIMUM);
	TRY(stage_name(applying->plan->file, ".setup", written));
	if (run_find_own("subgate", program) != STATUS_OK) {
		fputs("the program subgate is not beside this one\n", ask->errors);
		return STATUS_REFUSED;
	}
	const char *const arguments[] = { program, "-c", written, "--check", NULL };
	const struct run run = { .arguments = arguments, .output = &output };
	TRY(run_program(&run, &code));
	fputs("\nsubgate --check:\n", ask->out);
	fflush(ask->out);
	show_output(code == 0 ? ask->out : ask->errors, buf_span(&output), written, applying->plan->file);
	return code == 0 ? STATUS_OK : STATUS_REFUSED;
}

/* ---- all of it */

static enum status unless_interrupted(enum status status)
{
	return interrupt_came() ? STATUS_END : status;
}

static enum status apply_steps(struct applying *applying)
{
	TRY(stage_folder(&applying->stage, applying->plan->folder, 0755));
	TRY(lock_folder(applying));
	TRY(check_unchanged(applying));
	TRY(stage_secrets(applying));
	TRY(stage_config(applying, true));
	TRY(unless_interrupted(make_accounts(applying)));
	TRY(check_config(applying));
	TRY(stage_config(applying, false));
	TRY(unless_interrupted(STATUS_OK));
	return stage_place(&applying->stage);
}

enum status apply_plan(struct ask *ask, const struct plan *plan)
{
	struct applying applying = {
		.ask = ask,
		.plan = plan,
		.stage = { .errors = ask->errors },
		.accounts = { .out = ask->out, .errors = ask->errors },
		.lock = -1,
	};
	fputc('\n', ask->out);
	enum status status = apply_steps(&applying);
	if (status == STATUS_OK) {
		stage_keep(&applying.stage);
		accounts_keep(&applying.accounts);
	} else {
		interrupt_ignore();
		stage_undo(&applying.stage);
		accounts_undo(&applying.accounts);
	}
	if (applying.lock >= 0)
		close(applying.lock);
	return status;
}

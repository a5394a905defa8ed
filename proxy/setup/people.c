/* Questions about users. Owns the files without a name by which the directory is tried: nothing is written for it. */
#include "setup/people.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "setup/paths.h"
#include "setup/run.h"

#define TRIAL_CONFIG "/proc/self/fd/3" /* RUN_FIRST_FILE */
#define TRIAL_SECRET "/proc/self/fd/4"
#define TEXT_MAXIMUM 1048576U

static const struct ask_choice kinds[] = {
	{ "openldap", "OpenLDAP" },
	{ "active_directory", "Active Directory, Samba" },
	{ "389ds", "389 Directory Server" },
	{ "freeipa", "FreeIPA" },
	{ "generic", "another one; options.md has what may need to be set for it" },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* ---- what answers must look like */

static const char *judge_addresses(const char *text)
{
	struct span rest = span_of(text), word;
	bool any = false;
	while (span_cut(&rest, ' ', &word)) {
		if (span_is_empty(word))
			continue;
		if (!span_starts_with_nocase(word, SPAN("ldaps://")) && !span_starts_with_nocase(word, SPAN("srv:")))
			return "Expected ldaps://HOST or srv:DOMAIN: passwords go over TLS alone.";
		any = true;
	}
	return any ? NULL : "Expected ldaps://HOST or srv:DOMAIN.";
}

static const char *judge_dn(const char *text)
{
	return strchr(text, '=') ? NULL : "Expected a DN, such as cn=subgate,dc=example,dc=com.";
}

/* ---- what is offered */

/* "dc=example,dc=com", of mail.example.com. */
static void guess_suffix(const struct plan *plan, char out_text[ASK_SIZE])
{
	const char *dot = strchr(plan->hostname, '.');
	struct span rest = span_of(dot && strchr(dot + 1, '.') ? dot + 1 : plan->hostname), label;
	size_t used = 0;
	out_text[0] = '\0';
	while (used < ASK_SIZE && span_cut(&rest, '.', &label))
		used += (size_t)snprintf(out_text + used, ASK_SIZE - used, "%sdc=%.*s", used ? "," : "",
					 SPAN_ARGS(label));
}

static void copy_text(char out_text[ASK_SIZE], const char *text)
{
	snprintf(out_text, ASK_SIZE, "%s", text);
}

/* Before the first time: what is there, or a guess. */
static void begin_directory(struct plan *plan)
{
	struct plan_directory *directory = &plan->directory;
	const struct config_ldap *former = plan_former_directory(plan);
	char suffix[ASK_SIZE];
	guess_suffix(plan, suffix);
	if (former == NULL) {
		const char *dot = strchr(plan->hostname, '.');
		copy_text(directory->kind, kinds[0].name);
		snprintf(directory->address, ASK_SIZE, "ldaps://ldap.%.400s",
			 dot && strchr(dot + 1, '.') ? dot + 1 : plan->hostname);
		return;
	}
	const struct config_list *uris = &former->uri;
	size_t used = 0;
	for (size_t i = 0; i < uris->count && used < ASK_SIZE; i++)
		used += (size_t)snprintf(directory->address + used, ASK_SIZE - used, "%s%s", i ? " " : "",
					 uris->items[i]);
	copy_text(directory->authority, former->ca_file);
	copy_text(directory->searcher, former->bind_dn);
	copy_text(directory->base, former->base);
	static const char *const names[] = { "generic", "active_directory", "openldap", "389ds", "freeipa" };
	copy_text(directory->kind, names[former->profile]);
}

static void guess_names(struct plan *plan)
{
	struct plan_directory *directory = &plan->directory;
	char suffix[ASK_SIZE];
	const char *below = "ou=people,";
	guess_suffix(plan, suffix);
	if (strcmp(directory->kind, "active_directory") == 0)
		below = "";
	else if (strcmp(directory->kind, "freeipa") == 0)
		below = "cn=users,cn=accounts,";
	if (*directory->searcher == '\0')
		snprintf(directory->searcher, ASK_SIZE, "cn=subgate,%.480s", suffix);
	if (*directory->base == '\0')
		snprintf(directory->base, ASK_SIZE, "%s%.480s", below, suffix);
}

/* ---- the directory */

static enum status ask_searcher(struct ask *ask, struct plan *plan)
{
	struct plan_directory *directory = &plan->directory;
	struct secret typed SECRET_AUTO = { 0 };
	struct secret there SECRET_AUTO = { 0 };
	char path[PATH_MAX], kept[ASK_SIZE] = "";
	TRY(ask_text(ask, QUESTION_directory_searcher, directory->searcher, judge_dn, directory->searcher));
	TRY(plan_directory_secret(plan, path));
	if (!secret_is_empty(&directory->password))
		copy_text(kept, "the one typed before");
	else if (plan_former_directory(plan) && secret_from_path(path, &there) == STATUS_OK)
		snprintf(kept, sizeof(kept), "what is in %.400s", path);
	TRY(ask_secret(ask, QUESTION_directory_password, *kept ? kept : NULL, false, NULL, &typed));
	if (secret_is_empty(&typed))
		return STATUS_OK;
	secret_wipe(&directory->password);
	directory->password = typed;
	typed = (struct secret){ 0 };
	return STATUS_OK;
}

static enum status ask_directory(struct ask *ask, struct plan *plan)
{
	struct plan_directory *directory = &plan->directory;
	size_t usual = 0, index;
	for (size_t i = 0; i < KINDS; i++)
		if (strcmp(kinds[i].name, directory->kind) == 0)
			usual = i;
	TRY(ask_choice(ask, QUESTION_directory_kind, kinds, KINDS, usual, &index));
	copy_text(directory->kind, kinds[index].name);
	TRY(ask_text(ask, QUESTION_directory_address, directory->address, judge_addresses, directory->address));
	TRY(ask_text(ask, QUESTION_directory_ca, directory->authority, paths_judge_optional_file,
		     directory->authority));
	guess_names(plan);
	TRY(ask_searcher(ask, plan));
	return ask_text(ask, QUESTION_directory_base, directory->base, judge_dn, directory->base);
}

/* ---- trying it */

static int open_unnamed(struct span bytes)
{
	int fd = memfd_create("setup", MFD_CLOEXEC);
	if (fd >= 0 && pwrite(fd, bytes.data, bytes.size, 0) == (ssize_t)bytes.size)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static enum status run_trial(struct ask *ask, const int files[2], const char *user, int *out_code)
{
	char program[PATH_MAX];
	struct buf output BUF_AUTO;
	const char *const arguments[] = { program, "-c", TRIAL_CONFIG, "--directory", user, NULL };
	buf_init(&output, RUN_OUTPUT_MAXIMUM);
	if (run_find_own("subgate", program) != STATUS_OK) {
		fputs("the program subgate is not beside this one\n", ask->errors);
		return STATUS_INVALID;
	}
	const struct run run = { .arguments = arguments, .files = { files[0], files[1] }, .output = &output };
	enum status status = run_program(&run, out_code);
	struct span rest = buf_span(&output), line;
	while (!span_is_empty(rest) && span_cut(&rest, '\n', &line))
		fprintf(ask->out, "  %.*s\n", SPAN_ARGS(line));
	return status;
}

static enum status try_user(struct ask *ask, struct plan *plan, const char *user, int *out_code)
{
	struct buf text BUF_AUTO;
	char path[PATH_MAX];
	bool is_typed = !secret_is_empty(&plan->directory.password);
	buf_init(&text, TEXT_MAXIMUM);
	TRY(plan_directory_secret(plan, path));
	TRY(plan_write_trial(plan, is_typed ? TRIAL_SECRET : path, &text));
	int files[2] = { open_unnamed(buf_span(&text)), 0 };
	if (is_typed)
		files[1] = open_unnamed(secret_reveal(&plan->directory.password));
	enum status status = files[0] > 0 && files[1] >= 0 ? run_trial(ask, files, user, out_code) : STATUS_SYSTEM;
	if (files[0] >= 0)
		close(files[0]);
	if (files[1] > 0)
		close(files[1]);
	return status;
}

/* *out_again: it did not work, and there is somebody who can say it better. */
static enum status try_directory(struct ask *ask, struct plan *plan, bool *out_again)
{
	char user[ASK_SIZE];
	int code = 0;
	*out_again = false;
	TRY(ask_text(ask, QUESTION_directory_user, "-", NULL, user));
	if (*user == '\0')
		return STATUS_OK;
	TRY(try_user(ask, plan, user, &code));
	if (code == 0)
		return STATUS_OK;
	if (ask->answers) {
		fprintf(ask->errors, "%s: the directory did not let in the user that was tried\n", ask->answers->file);
		return STATUS_INVALID;
	}
	fputs("\nThat did not work, so the questions about the directory come again.\n", ask->out);
	*out_again = true;
	return STATUS_OK;
}

enum status people_ask(struct ask *ask, struct plan *plan)
{
	static const struct ask_choice ways[] = {
		{ "app-passwords", "made with subgatectl, one for each device" },
		{ "directory", "people of an LDAP directory, with their password there, or with app passwords" },
	};
	size_t way;
	bool again = true;
	if (plan->keeps_users) {
		fputs("\nUsers: there are several directories or tokens, so they stay as they are.\n", ask->out);
		return STATUS_OK;
	}
	TRY(ask_choice(ask, QUESTION_users, ways, 2, plan_former_directory(plan) ? 1 : 0, &way));
	plan->has_directory = way == 1;
	if (!plan->has_directory)
		return STATUS_OK;
	begin_directory(plan);
	while (again) {
		TRY(ask_directory(ask, plan));
		TRY(try_directory(ask, plan, &again));
	}
	return STATUS_OK;
}

/* useradd, groupadd and their opposites. Owns the list of what was made. */
#include "setup/accounts.h"

#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>

#include "base/ascii.h"
#include "setup/run.h"

#define WORDS_MAXIMUM 12
#define NO_SHELL "/usr/sbin/nologin"

static const char *const users[] = { "", "-gate", "-auth", "-relay", "-admin", "-console" };

/* As useradd takes them on Debian, and none that would be an option. */
const char *account_name_fault(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!ascii_is_alphanumeric(*c) && strchr("-_.", *c) == NULL)
			return "A name of a user or group has letters, digits, - and _ alone.";
	if (name[0] == '-' || strlen(name) > 31)
		return "A name of a user or group has up to 31 characters, and does not begin with -.";
	return NULL;
}

static enum status run_words(struct accounts *accounts, const char *program, const char *const *words)
{
	char path[PATH_MAX];
	struct buf output BUF_AUTO;
	const char *arguments[WORDS_MAXIMUM] = { path };
	int code = 0;
	buf_init(&output, RUN_OUTPUT_MAXIMUM);
	for (unsigned i = 0; words[i]; i++)
		arguments[i + 1] = words[i];
	if (run_find(program, path) != STATUS_OK) {
		fprintf(accounts->errors, "there is no %s here\n", program);
		return STATUS_NOT_FOUND;
	}
	const struct run run = { .arguments = arguments, .output = &output };
	enum status status = run_program(&run, &code);
	if (status == STATUS_OK && code != 0)
		status = STATUS_REFUSED;
	if (status != STATUS_OK)
		fprintf(accounts->errors, "%s failed: %.*s\n", program, SPAN_ARGS(buf_span(&output)));
	return status;
}

static enum status note_made(struct accounts *accounts, enum account_kind kind, const char *name, const char *group)
{
	if (accounts->count == ACCOUNTS_MADE)
		return STATUS_TOO_LARGE;
	struct account_made *made = &accounts->made[accounts->count++];
	*made = (struct account_made){ .kind = kind };
	snprintf(made->name, sizeof(made->name), "%s", name);
	snprintf(made->group, sizeof(made->group), "%s", group);
	return STATUS_OK;
}

static enum status make_user(struct accounts *accounts, const char *name)
{
	/* A group of that name, which an administrator may have made before, becomes the user's. */
	const char *const words[] = { "--system",
				      getgrnam(name) ? "--gid" : "--user-group",
				      getgrnam(name) ? name : "--no-create-home",
				      "--no-create-home",
				      "--home-dir",
				      "/nonexistent",
				      "--shell",
				      NO_SHELL,
				      name,
				      NULL };
	if (getpwnam(name))
		return STATUS_OK;
	TRY(run_words(accounts, "useradd", words));
	fprintf(accounts->out, "made the user %s\n", name);
	return note_made(accounts, ACCOUNT_USER, name, "");
}

enum status accounts_make_users(struct accounts *accounts, const char *prefix)
{
	char name[ACCOUNT_SIZE];
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		if (snprintf(name, sizeof(name), "%s%s", prefix, users[i]) >= (int)sizeof(name))
			return STATUS_TOO_LARGE;
		TRY(make_user(accounts, name));
	}
	return STATUS_OK;
}

enum status accounts_make_group(struct accounts *accounts, const char *group)
{
	const char *const words[] = { "--system", group, NULL };
	if (getgrnam(group))
		return STATUS_OK;
	TRY(run_words(accounts, "groupadd", words));
	fprintf(accounts->out, "made the group %s\n", group);
	return note_made(accounts, ACCOUNT_GROUP, group, "");
}

static bool is_member(const char *user, const char *group)
{
	const struct group *entry = getgrnam(group);
	for (char *const *member = entry ? entry->gr_mem : NULL; member && *member; member++)
		if (strcmp(*member, user) == 0)
			return true;
	return false;
}

enum status accounts_add_member(struct accounts *accounts, const char *user, const char *group)
{
	const char *const words[] = { "--append", "--groups", group, user, NULL };
	if (getpwnam(user) == NULL)
		return STATUS_NOT_FOUND;
	if (is_member(user, group))
		return STATUS_OK;
	TRY(run_words(accounts, "usermod", words));
	fprintf(accounts->out, "added %s to the group %s (from their next login on)\n", user, group);
	return note_made(accounts, ACCOUNT_MEMBER, user, group);
}

void accounts_keep(struct accounts *accounts)
{
	accounts->count = 0;
}

static void undo_one(struct accounts *accounts, const struct account_made *made)
{
	const char *const user[] = { made->name, NULL };
	const char *const member[] = { "--delete", made->name, made->group, NULL };
	enum status status = STATUS_OK;
	switch (made->kind) {
	case ACCOUNT_USER:
		status = run_words(accounts, "userdel", user);
		break;
	case ACCOUNT_GROUP:
		status = run_words(accounts, "groupdel", user);
		break;
	case ACCOUNT_MEMBER:
	default:
		status = run_words(accounts, "gpasswd", member);
	}
	if (status != STATUS_OK && status != STATUS_END)
		fprintf(accounts->errors, "%s could not be taken away again\n", made->name);
}

void accounts_undo(struct accounts *accounts)
{
	while (accounts->count > 0)
		undo_one(accounts, &accounts->made[--accounts->count]);
}

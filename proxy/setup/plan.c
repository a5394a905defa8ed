/* What is there before the first question. */
#include "setup/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "setup/relay_kinds.h"

#define TEXT_MAXIMUM 1048576U /* bytes: what a configuration may have */

static enum status find_folder(const char *file, struct plan *plan)
{
	char cwd[PATH_MAX] = "";
	int size;
	if (*file != '/' && getcwd(cwd, sizeof(cwd)) == NULL)
		return STATUS_SYSTEM;
	size = snprintf(plan->file, sizeof(plan->file), "%s%s%s", cwd, *cwd ? "/" : "", file);
	if (size >= (int)sizeof(plan->file))
		return STATUS_TOO_LARGE;
	snprintf(plan->folder, sizeof(plan->folder), "%.*s", (int)(strrchr(plan->file, '/') - plan->file), plan->file);
	return STATUS_OK;
}

static enum status read_text(struct plan *plan, FILE *errors)
{
	struct secret text SECRET_AUTO = { 0 };
	if (access(plan->file, F_OK) != 0 && errno == ENOENT)
		return STATUS_OK;
	enum status status = secret_from_path(plan->file, &text);
	if (status != STATUS_OK) {
		fprintf(errors, "%s: %s\n", plan->file,
			status == STATUS_SYSTEM ? strerror(errno) : status_text(status));
		return status;
	}
	TRY(buf_append(&plan->text, secret_reveal(&text)));
	return config_load(buf_span(&plan->text), plan->file, errors, &plan->config);
}

/* A default route to the only relay is none that setup could spoil. */
static bool has_routes(const struct config *config)
{
	return config->route.count > 1 ||
	       (config->route.count == 1 && strcmp(config->route.items[0].name, "default") != 0);
}

enum status plan_open(const char *file, FILE *errors, struct plan *out_plan)
{
	*out_plan = (struct plan){ .renewal = "" };
	buf_init(&out_plan->text, TEXT_MAXIMUM);
	TRY(find_folder(file, out_plan));
	TRY(read_text(out_plan, errors));
	if (out_plan->config == NULL)
		return STATUS_OK;
	out_plan->keeps_users = out_plan->config->ldap.count > 1 || out_plan->config->bearer.count > 0;
	out_plan->keeps_relays = out_plan->config->relay.count > 1 || has_routes(out_plan->config);
	return STATUS_OK;
}

void plan_free(struct plan *plan)
{
	buf_free(&plan->text);
	config_free(&plan->config);
	secret_wipe(&plan->certificate_pem);
	secret_wipe(&plan->key_pem);
	secret_wipe(&plan->directory.password);
	secret_wipe(&plan->relay.password);
}

const struct config_ldap *plan_former_directory(const struct plan *plan)
{
	return plan->config && plan->config->ldap.count == 1 ? &plan->config->ldap.items[0] : NULL;
}

const struct config_relay *plan_former_relay(const struct plan *plan)
{
	return plan->config && plan->config->relay.count == 1 ? &plan->config->relay.items[0] : NULL;
}

/* ---- secrets */

static enum status name_secret(const struct plan *plan, const char *former, const char *name, char out_path[PATH_MAX])
{
	int size = *former ? snprintf(out_path, PATH_MAX, "%s", former)
			   : snprintf(out_path, PATH_MAX, "%s/secrets/%s", plan->folder, name);
	return size < PATH_MAX ? STATUS_OK : STATUS_TOO_LARGE;
}

enum status plan_directory_secret(const struct plan *plan, char out_path[PATH_MAX])
{
	const struct config_ldap *former = plan_former_directory(plan);
	return name_secret(plan, former ? former->bind_password_file : "", "ldap", out_path);
}

bool plan_relay_goes_on(const struct plan *plan)
{
	const struct config_relay *former = plan_former_relay(plan);
	return former && plan->relay.kind && relay_kind_of(former) == plan->relay.kind;
}

const char *plan_relay_name(const struct plan *plan)
{
	return plan_relay_goes_on(plan) ? plan_former_relay(plan)->name : plan->relay.kind->choice.name;
}

enum status plan_relay_secret(const struct plan *plan, char out_path[PATH_MAX])
{
	const struct config_relay *former = plan_relay_goes_on(plan) ? plan_former_relay(plan) : NULL;
	bool has_token = strcmp(plan->relay.auth, "xoauth2") == 0;
	const struct config_oauth *oauth = former ? config_find_oauth(plan->config, former->oauth) : NULL;
	const char *file = "";
	if (has_token && oauth)
		file = oauth->client_secret_file;
	else if (!has_token && former)
		file = former->password_file;
	return name_secret(plan, file, has_token ? "microsoft-client" : plan_relay_name(plan), out_path);
}

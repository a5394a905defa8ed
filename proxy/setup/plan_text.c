/* The configuration that a plan comes to: what was there, changed where an answer differs. */
#include <string.h>

#include "config/edit.h"
#include "setup/plan.h"
#include "setup/relay_kinds.h"
#include "setup/stage.h"

#define OAUTH_SECTION "microsoft"

static const char beginning[] = "# Subgate's configuration, begun by `subgatectl setup`, which can be run again: it "
				"changes what it asks about,\n"
				"# and keeps all else. options.md describes every option. Check a changed file with\n"
				"#\n"
				"#     subgate -c FILE --check\n"
				"#\n"
				"# Relative certificates and secrets are below this file's folder.\n\n";

/* The first failure stays. */
struct writer {
	const struct plan *plan;
	struct buf *text;
	bool is_staged;
	enum status status;
};

static void put_raw(struct writer *w, const char *section, const char *title, const char *option, struct span value)
{
	if (w->status == STATUS_OK)
		w->status = edit_set(w->text, section, title, option, value);
}

/* An empty one is taken out. */
static void put_text(struct writer *w, const char *section, const char *title, const char *option, const char *value)
{
	struct buf quoted BUF_AUTO;
	buf_init(&quoted, PATH_MAX * 2);
	if (w->status != STATUS_OK)
		return;
	if (*value == '\0') {
		w->status = edit_unset(w->text, section, title, option);
		return;
	}
	w->status = edit_quote(span_of(value), &quoted);
	put_raw(w, section, title, option, buf_span(&quoted));
}

/* What is as it was stands as it was written. */
static void put_changed(struct writer *w, const char *section, const char *title, const char *option, const char *value,
			const char *former)
{
	if (former == NULL || strcmp(former, value) != 0)
		put_text(w, section, title, option, value);
}

/* "a b" becomes {"a", "b"}. */
static void put_list(struct writer *w, const char *section, const char *title, const char *option, const char *words)
{
	struct buf list BUF_AUTO;
	struct span rest = span_of(words), word;
	bool any = false;
	buf_init(&list, PATH_MAX * 2);
	enum status status = buf_append_byte(&list, '{');
	while (status == STATUS_OK && span_cut(&rest, ' ', &word)) {
		if (span_is_empty(word))
			continue;
		if (any)
			status = buf_append_text(&list, ", ");
		if (status == STATUS_OK)
			status = edit_quote(word, &list);
		any = true;
	}
	if (status == STATUS_OK)
		status = buf_append_byte(&list, '}');
	if (w->status == STATUS_OK)
		w->status = status;
	put_raw(w, section, title, option, buf_span(&list));
}

/* A file that will be written: while it is tried, it has another name. */
static void put_file(struct writer *w, const char *section, const char *title, const char *option, const char *path,
		     bool is_written, const char *former)
{
	char staged[PATH_MAX];
	size_t folder = strlen(w->plan->folder);
	if (w->is_staged && is_written) {
		if (w->status == STATUS_OK)
			w->status = stage_name(path, ".setup", staged);
		if (w->status == STATUS_OK)
			put_text(w, section, title, option, staged);
		return;
	}
	if (former && strcmp(former, path) == 0)
		return;
	bool is_below = strncmp(path, w->plan->folder, folder) == 0 && path[folder] == '/';
	put_text(w, section, title, option, is_below ? path + folder + 1 : path);
}

/* ---- the sections */

static void write_server(struct writer *w)
{
	const struct plan *plan = w->plan;
	const struct config *former = plan->config;
	bool is_written = !secret_is_empty(&plan->certificate_pem);
	put_changed(w, "", "", "hostname", plan->hostname, former ? former->global.hostname : NULL);
	put_file(w, "tls", "", "certificate", plan->certificate, is_written, former ? former->tls.certificate : NULL);
	put_file(w, "tls", "", "private_key", plan->key, is_written, former ? former->tls.private_key : NULL);
	if (w->status != STATUS_OK || edit_has_section(w->text, "listener"))
		return;
	put_raw(w, "listener", "submissions", "address", SPAN("{\"0.0.0.0:465\", \"[::]:465\"}"));
	put_text(w, "listener", "submissions", "tls", "implicit");
	put_raw(w, "listener", "submission", "address", SPAN("{\"0.0.0.0:587\", \"[::]:587\"}"));
	put_text(w, "listener", "submission", "tls", "starttls");
}

static void join_list(const struct config_list *list, char out_text[ASK_SIZE])
{
	size_t used = 0;
	out_text[0] = '\0';
	for (size_t i = 0; i < list->count && used < ASK_SIZE; i++)
		used += (size_t)snprintf(out_text + used, ASK_SIZE - used, "%s%s", i ? " " : "", list->items[i]);
}

static void write_directory(struct writer *w, const char *secret)
{
	const struct plan_directory *directory = &w->plan->directory;
	const struct config_ldap *former = plan_former_directory(w->plan);
	const char *title = former ? former->name : "corp";
	char addresses[ASK_SIZE] = "";
	if (former)
		join_list(&former->uri, addresses);
	put_text(w, "ldap", title, "profile", directory->kind);
	if (strcmp(addresses, directory->address) != 0)
		put_list(w, "ldap", title, "uri", directory->address);
	put_changed(w, "ldap", title, "ca_file", directory->authority, former ? former->ca_file : NULL);
	put_changed(w, "ldap", title, "bind_dn", directory->searcher, former ? former->bind_dn : NULL);
	put_file(w, "ldap", title, "bind_password_file", secret, !secret_is_empty(&directory->password),
		 former ? former->bind_password_file : NULL);
	put_changed(w, "ldap", title, "base", directory->base, former ? former->base : NULL);
}

static bool is_backend(const struct config *config, const char *name)
{
	for (size_t i = 0; config && i < config->auth.backends.count; i++)
		if (strcmp(config->auth.backends.items[i], name) == 0)
			return true;
	return false;
}

static void write_users(struct writer *w)
{
	const struct plan *plan = w->plan;
	const struct config_ldap *former = plan_former_directory(plan);
	char secret[PATH_MAX] = "";
	if (plan->keeps_users)
		return;
	if (plan->config == NULL || is_backend(plan->config, "ldap") != plan->has_directory)
		put_list(w, "auth", "", "backends", plan->has_directory ? "app_password ldap" : "app_password");
	if (w->status == STATUS_OK)
		w->status = plan_directory_secret(plan, secret);
	if (plan->has_directory)
		write_directory(w, secret);
	else if (former && w->status == STATUS_OK) /* with one, only those who are in it could send */
		w->status = edit_remove_section(w->text, "ldap", former->name);
}

static void write_token(struct writer *w, const char *name, const struct config_relay *former)
{
	const struct plan_relay *relay = &w->plan->relay;
	const struct config_oauth *oauth = former ? config_find_oauth(w->plan->config, former->oauth) : NULL;
	const char *title = oauth ? oauth->name : OAUTH_SECTION;
	char path[PATH_MAX] = "";
	if (w->status == STATUS_OK)
		w->status = plan_relay_secret(w->plan, path);
	put_text(w, "oauth", title, "provider", "microsoft");
	put_text(w, "oauth", title, "grant", "client_credentials");
	put_changed(w, "oauth", title, "tenant", relay->tenant, oauth ? oauth->tenant : NULL);
	put_changed(w, "oauth", title, "client_id", relay->application, oauth ? oauth->client_id : NULL);
	put_file(w, "oauth", title, "client_secret_file", path, !secret_is_empty(&relay->password),
		 oauth ? oauth->client_secret_file : NULL);
	put_text(w, "relay", name, "oauth", title);
	put_text(w, "relay", name, "password_file", "");
}

static void write_password(struct writer *w, const char *name, const struct config_relay *former)
{
	char path[PATH_MAX] = "";
	put_text(w, "relay", name, "oauth", "");
	if (former && *former->oauth && w->status == STATUS_OK)
		w->status = edit_remove_section(w->text, "oauth", former->oauth);
	if (strcmp(w->plan->relay.auth, "none") == 0) {
		put_text(w, "relay", name, "password_file", "");
		return;
	}
	if (w->status == STATUS_OK)
		w->status = plan_relay_secret(w->plan, path);
	put_file(w, "relay", name, "password_file", path, !secret_is_empty(&w->plan->relay.password),
		 former ? former->password_file : NULL);
}

/* One of another kind takes the former one's place. */
static void drop_former_relay(struct writer *w)
{
	const struct config_relay *former = plan_former_relay(w->plan);
	if (former == NULL || plan_relay_goes_on(w->plan) || w->status != STATUS_OK)
		return;
	w->status = edit_remove_section(w->text, "relay", former->name);
	if (w->status == STATUS_OK && *former->oauth)
		w->status = edit_remove_section(w->text, "oauth", former->oauth);
	if (w->status == STATUS_OK && edit_has_section(w->text, "route"))
		put_list(w, "route", "default", "relays", plan_relay_name(w->plan));
}

static void write_relay(struct writer *w)
{
	const struct plan_relay *relay = &w->plan->relay;
	const struct config_relay *former = plan_relay_goes_on(w->plan) ? plan_former_relay(w->plan) : NULL;
	const char *name;
	if (w->plan->keeps_relays)
		return;
	name = plan_relay_name(w->plan);
	drop_former_relay(w);
	put_changed(w, "relay", name, "host", relay->host, former ? former->host : NULL);
	put_raw(w, "relay", name, "port", span_of(relay->port));
	put_text(w, "relay", name, "tls", relay->tls);
	put_changed(w, "relay", name, "ca_file", relay->authority, former ? former->ca_file : NULL);
	put_text(w, "relay", name, "auth", relay->auth);
	put_changed(w, "relay", name, "user", relay->user, former ? former->user : NULL);
	if (strcmp(relay->auth, "xoauth2") == 0)
		write_token(w, name, former);
	else
		write_password(w, name, former);
	if (former)
		return;
	for (const struct relay_option *option = relay->kind->options; option->name; option++)
		put_raw(w, "relay", name, option->name, span_of(option->value));
}

static void write_rest(struct writer *w)
{
	const struct plan *plan = w->plan;
	const struct config *former = plan->config;
	const char *account = plan->keeps_relays ? "" : plan->relay.user;
	put_raw(w, "quota", "default", "messages_per_day", span_of(plan->daily_limit));
	put_changed(w, "admin", "", "group", plan->admin_group, former ? former->admin.group : NULL);
	if (*plan->admin_group == '\0' && (former == NULL || *former->admin.group))
		put_raw(w, "admin", "", "group", SPAN("\"\""));
	if (*plan->notices == '\0') {
		if (former && former->notify.administrators.count)
			put_text(w, "notify", "", "administrators", "");
		return;
	}
	if (former == NULL || *former->notify.from == '\0')
		put_text(w, "notify", "", "from", strchr(account, '@') ? account : plan->notices);
	put_list(w, "notify", "", "administrators", plan->notices);
}

enum status plan_write(const struct plan *plan, bool is_staged, struct buf *out_text)
{
	struct writer writer = { .plan = plan, .text = out_text, .is_staged = is_staged };
	struct span former = buf_span(&plan->text);
	writer.status = former.size ? buf_append(out_text, former) : buf_append_text(out_text, beginning);
	write_server(&writer);
	write_users(&writer);
	write_rest(&writer);
	write_relay(&writer);
	return writer.status;
}

/* Enough of the rest that it can be read. */
static const char trial_beginning[] = "listener trial { address = {\"127.0.0.1:1\"} }\n"
				      "relay trial { host = \"127.0.0.1\"  auth = \"none\" }\n";

enum status plan_write_trial(const struct plan *plan, const char *secret, struct buf *out_text)
{
	struct writer writer = { .plan = plan, .text = out_text };
	const struct config_ldap *former = plan_former_directory(plan);
	const char *title = former ? former->name : "corp";
	struct span text = buf_span(&plan->text);
	writer.status = text.size ? buf_append(out_text, text) : buf_append_text(out_text, trial_beginning);
	write_directory(&writer, secret);
	put_text(&writer, "ldap", title, "bind_password_file", secret);
	put_text(&writer, "ldap", title, "ca_file", plan->directory.authority);
	if (former) {
		put_text(&writer, "ldap", title, "certificate_file", former->certificate_file);
		put_text(&writer, "ldap", title, "private_key_file", former->private_key_file);
	}
	return writer.status;
}

/*
 * What only a look at the machine can tell: files are there, are files, and keep their secrets; users, groups and time
 * zones are known. Changes nothing. Whether certificates and keys parse and match, the supervisor's --check finds out
 * by making the TLS contexts, as it may use OpenSSL.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "config/faults.h"
#include "config/line_file.h"
#include "config/table.h"

#define OTHERS_MODE 0077U /* what group and others may do with a secret: nothing */
#define ZONE_FOLDER "/usr/share/zoneinfo/"

struct check {
	const struct config *config;
	struct faults faults;
};

/* An option, as it shows in a fault: "relay gmail.password_file". */
struct check_spot {
	const char *section;
	const void *at; /* the section's struct */
	const char *option;
};

static void add_fault(struct check *check, struct check_spot spot, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void add_fault(struct check *check, struct check_spot spot, const char *format, ...)
{
	const struct config_head *head = spot.at;
	char text[FAULT_TEXT_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	faults_add(&check->faults, head->line, "%s%s%s.%s: %s", spot.section, *head->name ? " " : "", head->name,
		   spot.option, text);
}

/* ---- files */

/* False, and a fault: it is not there, or is not a regular file. */
static bool find_file(struct check *check, struct check_spot spot, const char *path, struct stat *out_info)
{
	if (stat(path, out_info) != 0) {
		add_fault(check, spot, "%s: %s; expected a file", path, strerror(errno));
		return false;
	}
	if (!S_ISREG(out_info->st_mode)) {
		add_fault(check, spot, "%s: not a regular file; expected one", path);
		return false;
	}
	return true;
}

static void check_readable(struct check *check, struct check_spot spot, const char *path)
{
	struct stat info;
	if (*path == '\0' || !find_file(check, spot, path, &info))
		return;
	if (access(path, R_OK) != 0)
		add_fault(check, spot, "%s: %s; expected to read it", path, strerror(errno));
}

static void check_secret(struct check *check, struct check_spot spot, const char *path)
{
	struct stat info;
	if (*path == '\0' || !find_file(check, spot, path, &info))
		return;
	if (info.st_mode & OTHERS_MODE)
		add_fault(check, spot, "%s: mode %04o lets others at a secret; expected 0600: chmod 600 '%s'", path,
			  (unsigned)info.st_mode & 07777U, path);
	if (info.st_uid != 0 && info.st_uid != geteuid())
		add_fault(check, spot, "%s: belongs to user %u; expected root or whoever starts subgate", path,
			  (unsigned)info.st_uid);
	if (info.st_size == 0)
		add_fault(check, spot, "%s: empty; expected a secret", path);
	if (access(path, R_OK) != 0)
		add_fault(check, spot, "%s: %s; expected to read it", path, strerror(errno));
}

/* A secret that is one line of text: a password, not a key. */
static void check_line(struct check *check, struct check_spot spot, const char *path)
{
	struct secret secret SECRET_AUTO = { 0 };
	check_secret(check, spot, path);
	if (line_file_read(path, &secret) != STATUS_OK || secret_is_empty(&secret))
		return;
	const char *fault = line_file_find_fault(secret_reveal(&secret));
	if (fault)
		add_fault(check, spot, "%s: %s", path, fault);
}

/* One that we run. The group root counts as root. */
static void check_program(struct check *check, struct check_spot spot, const char *path)
{
	struct stat info;
	if (*path == '\0' || !find_file(check, spot, path, &info))
		return;
	if ((info.st_mode & S_IWOTH) || ((info.st_mode & S_IWGRP) && info.st_gid != 0))
		add_fault(check, spot, "%s: mode %04o lets others change what is run; expected 0755: chmod 755 '%s'",
			  path, (unsigned)info.st_mode & 07777U, path);
	if (info.st_uid != 0 && info.st_uid != geteuid())
		add_fault(check, spot, "%s: belongs to user %u; expected root or whoever starts subgate", path,
			  (unsigned)info.st_uid);
	if ((info.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
		add_fault(check, spot, "%s: not executable; expected a program: chmod 755 '%s'", path, path);
}

#define SPOT(name, section, field) ((struct check_spot){ name, section, #field }), (section)->field

static void check_listener_files(struct check *check, const struct config_listener *listener)
{
	check_readable(check, SPOT("listener", listener, client_ca_file));
	check_readable(check, SPOT("listener", listener, client_crl_file));
	check_readable(check, SPOT("listener", listener, certificate_map_file));
}

static void check_files(struct check *check)
{
	const struct config *config = check->config;
	check_readable(check, SPOT("tls", &config->tls, certificate));
	check_secret(check, SPOT("tls", &config->tls, private_key));
	for (size_t i = 0; i < config->certificate.count; i++) {
		check_readable(check, SPOT("certificate", &config->certificate.items[i], certificate));
		check_secret(check, SPOT("certificate", &config->certificate.items[i], private_key));
	}
	for (size_t i = 0; i < config->listener.count; i++)
		check_listener_files(check, &config->listener.items[i]);
	check_line(check, SPOT("redis", &config->redis, password_file));
	check_line(check, SPOT("redis", &config->redis, sentinel_password_file));
	check_readable(check, SPOT("redis", &config->redis, ca_file));
	check_readable(check, SPOT("audit", &config->audit, syslog_ca_file));
	check_program(check, SPOT("audit", &config->audit, anchor_command));
	check_line(check, SPOT("notify", &config->notify, secret_file));
	check_readable(check, SPOT("notify", &config->notify, ca_file));
	for (size_t i = 0; i < config->ldap.count; i++) {
		check_readable(check, SPOT("ldap", &config->ldap.items[i], ca_file));
		check_line(check, SPOT("ldap", &config->ldap.items[i], bind_password_file));
		check_readable(check, SPOT("ldap", &config->ldap.items[i], certificate_file));
		check_secret(check, SPOT("ldap", &config->ldap.items[i], private_key_file));
	}
	for (size_t i = 0; i < config->relay.count; i++) {
		check_readable(check, SPOT("relay", &config->relay.items[i], ca_file));
		check_line(check, SPOT("relay", &config->relay.items[i], password_file));
	}
	for (size_t i = 0; i < config->bearer.count; i++) {
		check_readable(check, SPOT("bearer", &config->bearer.items[i], ca_file));
		check_line(check, SPOT("bearer", &config->bearer.items[i], client_secret_file));
	}
	check_readable(check, SPOT("oidc", &config->oidc, ca_file));
	check_line(check, SPOT("oidc", &config->oidc, client_secret_file));
	for (size_t i = 0; i < config->oauth.count; i++) {
		check_readable(check, SPOT("oauth", &config->oauth.items[i], ca_file));
		check_line(check, SPOT("oauth", &config->oauth.items[i], client_secret_file));
		check_secret(check, SPOT("oauth", &config->oauth.items[i], service_account_file));
		check_line(check, SPOT("oauth", &config->oauth.items[i], refresh_token_file));
	}
}

/* ---- names */

/* Started as root, each role runs as a user of its own, and the control socket belongs to a group. */
/* A machine without the database (tzdata) knows only UTC. */
static void check_timezone(struct check *check)
{
	char path[512];
	const char *name = check->config->quota_day.timezone;
	snprintf(path, sizeof(path), "%s%s", ZONE_FOLDER, name);
	struct stat info;
	if (strcmp(name, "UTC") != 0 && (stat(path, &info) != 0 || !S_ISREG(info.st_mode)))
		faults_add(
			&check->faults, check->config->quota_day.line,
			"quota_day.timezone: this machine does not know \"%.80s\"; expected a name below " ZONE_FOLDER,
			name);
}

enum status config_check(const struct config *config, FILE *faults)
{
	struct check check = { .config = config };
	check_files(&check);
	check_timezone(&check);
	enum status status = faults_report(&check.faults, config->file, faults);
	faults_free(&check.faults);
	return status;
}

/*
 * Files and folders that are probably not as they were meant to be: a warning, not a fault. Whoever can write the
 * configuration, a trusted certificate, or the folder that either is in, decides about the mail as administrators do.
 */
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "config/config.h"
#include "config/line_file.h"
#include "config/warnings.h"

/* Where a warning belongs. */
struct warning_spot {
	const struct config *config;
	unsigned line;
	const char *section, *name, *option; /* "" where there is none */
	FILE *out;
};

static void write_warning(struct warning_spot spot, const char *path, const char *what)
{
	const char *blank = *spot.name ? " " : "";
	const char *dot = *spot.option ? "." : "";
	fprintf(spot.out, "%s:%u: warning: %s%s%s%s%s: %s %s\n", spot.config->file, spot.line, spot.section, blank,
		spot.name, dot, spot.option, path, what);
}

/* ---- who can write */

/* The group root counts as root. */
static bool others_can_write(const struct stat *info)
{
	return (info->st_mode & S_IWOTH) || ((info->st_mode & S_IWGRP) && info->st_gid != 0);
}

/* In a folder with the sticky bit, such as /tmp, others replace no files of ours. */
static void warn_of_folder(struct warning_spot spot, const char *path)
{
	char folder[PATH_MAX];
	struct stat info;
	const char *slash = strrchr(path, '/');
	int size = slash ? (int)(slash - path) : 0;
	snprintf(folder, sizeof(folder), "%.*s", size, path);
	const char *name = size ? folder : slash ? "/" : ".";
	if (stat(name, &info) == 0 && others_can_write(&info) && !(info.st_mode & S_ISVTX))
		write_warning(spot, name, "is a folder that others can write in; expected mode 0755");
}

static void warn_of_writers(struct warning_spot spot, const char *path)
{
	struct stat info;
	if (*path == '\0' || stat(path, &info) != 0)
		return;
	if (others_can_write(&info))
		write_warning(spot, path, "can be written by others; expected mode 0644, or less");
	warn_of_folder(spot, path);
}

/* The file itself is checked. */
static void warn_of_program(struct warning_spot spot, const char *path)
{
	if (*path)
		warn_of_folder(spot, path);
}

/* ---- secrets of one line */

static void warn_of_line(struct warning_spot spot, const char *path)
{
	struct secret secret SECRET_AUTO = { 0 };
	warn_of_writers(spot, path);
	if (line_file_read(path, &secret) != STATUS_OK)
		return;
	const char *doubt = line_file_find_doubt(secret_reveal(&secret));
	if (doubt)
		write_warning(spot, path, doubt);
}

/* ---- all of them */

#define LOOK(function, kind, item, field) \
	function((struct warning_spot){ config, (item)->line, kind, (item)->name, #field, out }, (item)->field)

static void warn_of_relay_files(const struct config *config, FILE *out)
{
	for (size_t i = 0; i < config->relay.count; i++) {
		LOOK(warn_of_line, "relay", &config->relay.items[i], password_file);
		LOOK(warn_of_writers, "relay", &config->relay.items[i], ca_file);
	}
	for (size_t i = 0; i < config->oauth.count; i++) {
		LOOK(warn_of_line, "oauth", &config->oauth.items[i], client_secret_file);
		LOOK(warn_of_line, "oauth", &config->oauth.items[i], refresh_token_file);
		LOOK(warn_of_writers, "oauth", &config->oauth.items[i], service_account_file);
		LOOK(warn_of_writers, "oauth", &config->oauth.items[i], ca_file);
	}
	for (size_t i = 0; i < config->bearer.count; i++) {
		LOOK(warn_of_line, "bearer", &config->bearer.items[i], client_secret_file);
		LOOK(warn_of_writers, "bearer", &config->bearer.items[i], ca_file);
	}
	LOOK(warn_of_line, "oidc", &config->oidc, client_secret_file);
	LOOK(warn_of_writers, "oidc", &config->oidc, ca_file);
}

void warn_of_files(const struct config *config, FILE *out)
{
	warn_of_writers((struct warning_spot){ config, 1, "this file", "", "", out }, config->file);
	LOOK(warn_of_writers, "tls", &config->tls, certificate);
	LOOK(warn_of_writers, "tls", &config->tls, private_key);
	for (size_t i = 0; i < config->certificate.count; i++) {
		LOOK(warn_of_writers, "certificate", &config->certificate.items[i], certificate);
		LOOK(warn_of_writers, "certificate", &config->certificate.items[i], private_key);
	}
	for (size_t i = 0; i < config->listener.count; i++) {
		LOOK(warn_of_writers, "listener", &config->listener.items[i], client_ca_file);
		LOOK(warn_of_writers, "listener", &config->listener.items[i], client_crl_file);
		LOOK(warn_of_writers, "listener", &config->listener.items[i], certificate_map_file);
	}
	LOOK(warn_of_program, "audit", &config->audit, anchor_command);
	LOOK(warn_of_line, "redis", &config->redis, password_file);
	LOOK(warn_of_line, "redis", &config->redis, sentinel_password_file);
	LOOK(warn_of_writers, "redis", &config->redis, ca_file);
	for (size_t i = 0; i < config->ldap.count; i++) {
		LOOK(warn_of_line, "ldap", &config->ldap.items[i], bind_password_file);
		LOOK(warn_of_writers, "ldap", &config->ldap.items[i], certificate_file);
		LOOK(warn_of_writers, "ldap", &config->ldap.items[i], private_key_file);
		LOOK(warn_of_writers, "ldap", &config->ldap.items[i], ca_file);
	}
	warn_of_relay_files(config, out);
}

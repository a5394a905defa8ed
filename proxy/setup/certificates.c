/* Looks into the folders of the usual keepers of certificates. Owns what it found for a call. */
#include "setup/certificates.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "net/self_signed.h"
#include "setup/paths.h"

#define FOUND_MAXIMUM 12
#define CHOICES (FOUND_MAXIMUM + 3)
#define CERTBOT "/etc/letsencrypt/live"
#define NAME_SIZE_MAXIMUM 160

enum keeper { KEEPER_CERTBOT, KEEPER_ACME, KEEPER_LEGO };

struct found {
	enum keeper keeper;
	char domain[NAME_SIZE_MAXIMUM];
	char certificate[PATH_MAX];
	char key[PATH_MAX];
	bool is_ecc; /* acme.sh wants to be told */
};

struct search {
	struct found found[FOUND_MAXIMUM];
	size_t count;
};

/* ---- looking */

/* As host names are written; nothing that would steer a terminal or a shell. */
static bool is_domain(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!ascii_is_alphanumeric(*c) && strchr("-._*", *c) == NULL)
			return false;
	return *name && *name != '.' && *name != '-' && strlen(name) < NAME_SIZE_MAXIMUM;
}

static bool is_there(const struct found *found)
{
	return access(found->certificate, R_OK) == 0 && access(found->key, R_OK) == 0;
}

static bool look_at_certbot(const char *folder, const char *name, struct found *found)
{
	snprintf(found->domain, sizeof(found->domain), "%s", name);
	return snprintf(found->certificate, PATH_MAX, "%s/%s/fullchain.pem", folder, name) < PATH_MAX &&
	       snprintf(found->key, PATH_MAX, "%s/%s/privkey.pem", folder, name) < PATH_MAX;
}

/* A folder NAME, or NAME_ecc, with NAME.key. */
static bool look_at_acme(const char *folder, const char *name, struct found *found)
{
	struct span domain = span_of(name);
	found->is_ecc = span_ends_with_nocase(domain, SPAN("_ecc"));
	int size = (int)(domain.size - (found->is_ecc ? 4 : 0));
	snprintf(found->domain, sizeof(found->domain), "%.*s", size, name);
	return snprintf(found->certificate, PATH_MAX, "%s/%s/fullchain.cer", folder, name) < PATH_MAX &&
	       snprintf(found->key, PATH_MAX, "%s/%s/%.*s.key", folder, name, size, name) < PATH_MAX;
}

/* Files NAME.crt and NAME.key; NAME.issuer.crt is another's. */
static bool look_at_lego(const char *folder, const char *name, struct found *found)
{
	struct span file = span_of(name);
	if (!span_ends_with_nocase(file, SPAN(".crt")) || span_ends_with_nocase(file, SPAN(".issuer.crt")))
		return false;
	int size = (int)file.size - 4;
	snprintf(found->domain, sizeof(found->domain), "%.*s", size, name);
	return snprintf(found->certificate, PATH_MAX, "%s/%s", folder, name) < PATH_MAX &&
	       snprintf(found->key, PATH_MAX, "%s/%.*s.key", folder, size, name) < PATH_MAX;
}

static const struct {
	const char *name;
	bool (*look)(const char *folder, const char *name, struct found *found);
} keepers[] = {
	[KEEPER_CERTBOT] = { "certbot", look_at_certbot },
	[KEEPER_ACME] = { "acme.sh", look_at_acme },
	[KEEPER_LEGO] = { "lego", look_at_lego },
};

static void search_folder(struct search *search, enum keeper keeper, const char *folder)
{
	DIR *entries = opendir(folder);
	for (const struct dirent *entry; entries && (entry = readdir(entries)) && search->count < FOUND_MAXIMUM;) {
		struct found found = { .keeper = keeper };
		if (!is_domain(entry->d_name) || !keepers[keeper].look(folder, entry->d_name, &found) ||
		    !is_there(&found))
			continue;
		search->found[search->count++] = found;
	}
	if (entries)
		closedir(entries);
}

/* In another's home, which su and sudo may leave us with, a certificate may be a link to what is only ours to read. */
static bool is_own_home(const char *home)
{
	struct stat info;
	return stat(home, &info) == 0 && info.st_uid == geteuid() && (info.st_mode & S_IWOTH) == 0;
}

static void search_all(struct search *search, const char *home)
{
	char folder[PATH_MAX];
	search_folder(search, KEEPER_CERTBOT, CERTBOT);
	if (!is_own_home(home))
		return;
	if (snprintf(folder, sizeof(folder), "%s/.acme.sh", home) < (int)sizeof(folder))
		search_folder(search, KEEPER_ACME, folder);
	if (snprintf(folder, sizeof(folder), "%s/.lego/certificates", home) < (int)sizeof(folder))
		search_folder(search, KEEPER_LEGO, folder);
}

/* ---- taking */

static enum status read_file(struct ask *ask, const char *path, struct secret *out_bytes)
{
	enum status status = secret_from_path(path, out_bytes);
	if (status != STATUS_OK)
		fprintf(ask->errors, "%s: %s\n", path, strerror(errno));
	return status == STATUS_OK ? STATUS_OK : STATUS_INVALID;
}

static enum status name_own(struct plan *plan, const char *certificate, const char *key)
{
	if (snprintf(plan->certificate, ASK_SIZE, "%s/tls/%s", plan->folder, certificate) >= ASK_SIZE ||
	    snprintf(plan->key, ASK_SIZE, "%s/tls/%s", plan->folder, key) >= ASK_SIZE)
		return STATUS_TOO_LARGE;
	return STATUS_OK;
}

/* From a home folder, which the service can't see: a copy, and how its keeper replaces that from now on. */
static enum status copy_found(struct ask *ask, struct plan *plan, const struct found *found)
{
	TRY(read_file(ask, found->certificate, &plan->certificate_pem));
	TRY(read_file(ask, found->key, &plan->key_pem));
	TRY(name_own(plan, "fullchain.pem", "privkey.pem"));
	if (found->keeper == KEEPER_ACME)
		snprintf(plan->renewal_text, sizeof(plan->renewal_text),
			 "acme.sh --install-cert -d '%s'%s --fullchain-file %s --key-file %s", found->domain,
			 found->is_ecc ? " --ecc" : "", plan->certificate, plan->key);
	else
		snprintf(plan->renewal_text, sizeof(plan->renewal_text),
			 "lego ... renew --renew-hook \"install -m 0600 \\\"\\$LEGO_CERT_PATH\\\" %s &&"
			 " install -m 0600 \\\"\\$LEGO_CERT_KEY_PATH\\\" %s\"",
			 plan->certificate, plan->key);
	plan->renewal = plan->renewal_text;
	return STATUS_OK;
}

static enum status take_found(struct ask *ask, struct plan *plan, const struct found *found)
{
	if (found->keeper != KEEPER_CERTBOT)
		return copy_found(ask, plan, found);
	if (snprintf(plan->certificate, ASK_SIZE, "%s", found->certificate) >= ASK_SIZE ||
	    snprintf(plan->key, ASK_SIZE, "%s", found->key) >= ASK_SIZE)
		return STATUS_TOO_LARGE;
	return STATUS_OK;
}

static enum status take_path(struct ask *ask, struct plan *plan)
{
	TRY(ask_text(ask, QUESTION_certificate_file, plan->config ? plan->config->tls.certificate : "",
		     paths_judge_file, plan->certificate));
	return ask_text(ask, QUESTION_certificate_key, plan->config ? plan->config->tls.private_key : "",
			paths_judge_file, plan->key);
}

static enum status make_own(struct ask *ask, struct plan *plan)
{
	TRY(self_signed_make(plan->hostname, &plan->certificate_pem, &plan->key_pem));
	TRY(name_own(plan, "self-signed.pem", "self-signed.key"));
	plan->is_self_signed = true;
	fprintf(ask->out,
		"\nWARNING: nobody vouches for a self-signed certificate. Mail clients will warn of it or refuse it, "
		"and\n"
		"users who get used to such warnings are easily robbed of their passwords. Take it to try Subgate, "
		"and\n"
		"get a real one before the first user comes: certbot, acme.sh and lego get them for nothing. It ends\n"
		"in %d days.\n",
		SELF_SIGNED_DAYS);
	return STATUS_OK;
}

static enum status keep_former(struct plan *plan)
{
	if (snprintf(plan->certificate, ASK_SIZE, "%s", plan->config->tls.certificate) >= ASK_SIZE ||
	    snprintf(plan->key, ASK_SIZE, "%s", plan->config->tls.private_key) >= ASK_SIZE)
		return STATUS_TOO_LARGE;
	return STATUS_OK;
}

/* ---- asking */

static size_t find_usual(const struct search *search, const struct plan *plan)
{
	for (size_t i = 0; i < search->count; i++)
		if (strcasecmp(search->found[i].domain, plan->hostname) == 0)
			return i;
	return search->count ? 0 : search->count + 1;
}

enum status certificates_ask(struct ask *ask, struct plan *plan, const char *home)
{
	struct search search = { 0 };
	struct ask_choice choices[CHOICES];
	char names[FOUND_MAXIMUM][NAME_SIZE_MAXIMUM + 16]; /* "certbot/mail.example.com" */
	size_t index = 0, count = 0;
	search_all(&search, home);
	for (; count < search.count; count++) {
		const struct found *found = &search.found[count];
		snprintf(names[count], sizeof(names[count]), "%s/%s", keepers[found->keeper].name, found->domain);
		choices[count] = (struct ask_choice){ names[count], found->certificate };
	}
	choices[count++] = (struct ask_choice){ "path", "files that you name" };
	choices[count++] = (struct ask_choice){ "self-signed", "made here, to begin with" };
	if (plan->config)
		choices[count++] = (struct ask_choice){ "keep", plan->config->tls.certificate };
	TRY(ask_choice(ask, QUESTION_certificate, choices, count, plan->config ? count - 1 : find_usual(&search, plan),
		       &index));
	if (index < search.count)
		return take_found(ask, plan, &search.found[index]);
	if (index == search.count)
		return take_path(ask, plan);
	return index == search.count + 1 ? make_own(ask, plan) : keep_former(plan);
}

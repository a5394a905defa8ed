/* Owns a loop, and one directory at a time with its threads. */
#include "supervise/directory_trial.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "auth/ldap/directory.h"
#include "base/name.h"
#include "base/text.h"
#include "config/profiles.h"
#include "door/codec.h"
#include "stats/stats.h"

#define STEP_SIZE 1024 /* bytes */
#define FINISH_MS 3000

struct directory_trial {
	const struct config *config;
	const struct config_ldap *section;
	FILE *out;
	struct loop *loop;
	struct stats *stats;
	struct directory_ask *ask;
	enum verdict verdict;
	bool is_over; /* no further directory is asked */
};

static void tell_step(const struct directory_trial *trial, const char *what, struct span step)
{
	char text[STEP_SIZE];
	snprintf(text, sizeof(text), "%s%.*s", what, SPAN_ARGS(step));
	text_blank_controls(text, strlen(text));
	fprintf(trial->out, "%s: %s\n", trial->section->name, text);
}

static void tell_list(const struct directory_trial *trial, const char *what, const struct buf *list)
{
	struct codec_list rest = codec_list_of(list);
	struct span item;
	while (codec_list_next(&rest, &item))
		tell_step(trial, what, item);
}

static void tell_person(const struct directory_trial *trial, const struct ldap_request *answer)
{
	struct identity identity IDENTITY_AUTO;
	identity_init(&identity);
	tell_list(trial, "group: ", &answer->identity.groups);
	if (identity_copy(&answer->identity, &identity) == STATUS_OK &&
	    identity_lend_senders(trial->config, &identity) == STATUS_OK)
		tell_list(trial, "may send as: ", &identity.senders);
}

static void on_answer(void *context, const struct ldap_request *answer)
{
	struct directory_trial *trial = context;
	trial->ask = NULL;
	trial->verdict = answer->verdict;
	tell_list(trial, "", &answer->steps);
	if (answer->verdict == VERDICT_GRANTED || answer->verdict == VERDICT_DISABLED)
		tell_person(trial, answer);
	if (answer->verdict != VERDICT_GRANTED)
		tell_step(trial, "", span_of(answer->reason));
	trial->is_over = answer->verdict != VERDICT_NONE;
	loop_stop(trial->loop);
}

static int open_file(const char *path)
{
	return *path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

static enum status create_directory(struct directory_trial *trial, struct directory **out_directory)
{
	const struct config_ldap *section = trial->section;
	struct secret text SECRET_AUTO = { 0 };
	struct secret password SECRET_AUTO = { 0 };
	struct directory_proof proof = { .bind_password = &password };
	int fd = open_file(section->bind_password_file);
	enum status status = fd < 0 ? STATUS_OK : secret_from_line_fd(fd, &password);
	if (*section->bind_password_file && (fd < 0 || status != STATUS_OK)) {
		tell_step(trial, "can't read ", span_of(section->bind_password_file));
		status = STATUS_NOT_FOUND;
	}
	if (fd >= 0)
		close(fd);
	TRY(status);
	proof.client =
		(struct ldap_client){ open_file(section->certificate_file), open_file(section->private_key_file) };
	status = directory_create(trial->loop, section, &proof, trial->stats, 0, out_directory);
	if (status != STATUS_OK)
		tell_step(trial, "can't be asked: its ca_file, or a certificate of ours, can't be used", SPAN(""));
	if (proof.client.certificate >= 0)
		close(proof.client.certificate);
	if (proof.client.key >= 0)
		close(proof.client.key);
	return status;
}

static enum status ask_directory(struct directory_trial *trial, const char *name)
{
	struct directory *directory = NULL;
	char text[STEP_SIZE];
	snprintf(text, sizeof(text), "profile %s: the name is in %s, groups in %s",
		 profiles_text(trial->section->profile), trial->section->user_attribute,
		 trial->section->group_attribute[0] ? trial->section->group_attribute : "none");
	tell_step(trial, text, SPAN(""));
	TRY(create_directory(trial, &directory));
	enum status status = directory_explain(directory, name, on_answer, trial, &trial->ask);
	if (status == STATUS_OK)
		loop_run(trial->loop);
	directory_free(&directory);
	return status;
}

static enum status conclude_trial(const struct directory_trial *trial)
{
	const char *result = "can't log in";
	if (trial->verdict == VERDICT_GRANTED)
		result = "may log in";
	else if (trial->verdict == VERDICT_UNAVAILABLE)
		result = "gets 454: no directory could say";
	fprintf(trial->out, "result: %s\n", result);
	return trial->verdict == VERDICT_GRANTED ? STATUS_OK : STATUS_REFUSED;
}

static enum status ask_all(struct directory_trial *trial, const char *name)
{
	trial->verdict = VERDICT_NONE;
	for (size_t i = 0; i < trial->config->ldap.count && !trial->is_over; i++) {
		trial->section = &trial->config->ldap.items[i];
		TRY(ask_directory(trial, name));
	}
	return conclude_trial(trial);
}

enum status directory_trial_run(const struct config *config, const char *user, FILE *out)
{
	struct directory_trial trial = { .config = config, .out = out };
	char name[NAME_SIZE];
	if (config->ldap.count == 0 || name_canonical(span_of(user), name) != STATUS_OK) {
		fputs(config->ldap.count ? "that can't be a user's name\n" : "there is no ldap section\n", out);
		return STATUS_INVALID;
	}
	enum status status = stats_create_private(&trial.stats);
	if (status == STATUS_OK)
		status = loop_create(&trial.loop);
	if (status == STATUS_OK) {
		status = ask_all(&trial, name);
		loop_finish(trial.loop, FINISH_MS);
		loop_free(trial.loop);
	}
	stats_free_private(&trial.stats);
	return status;
}

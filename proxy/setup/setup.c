/* The order of things. Owns the plan and the answers. */
#include "setup/setup.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "config/values.h"
#include "setup/accounts.h"
#include "setup/apply.h"
#include "setup/certificates.h"
#include "setup/interrupt.h"
#include "setup/people.h"
#include "setup/relays.h"
#include "setup/start.h"
#include "setup/trial.h"
#include "smtp/address.h"

#define TEXT_MAXIMUM 1048576U

/* ---- what answers must look like */

static const char *judge_hostname(const char *text)
{
	return strchr(text, '.') && value_is_host(span_of(text)) && strchr(text, ':') == NULL
		       ? NULL
		       : "Expected a whole name, such as mail.example.com.";
}

static const char *judge_limit(const char *text)
{
	uint64_t number;
	return span_to_u64(span_of(text), &number) == STATUS_OK && number <= 1000000000 ? NULL : "Expected a number.";
}

static const char *judge_addresses(const char *text)
{
	struct span rest = span_of(text), word;
	while (!span_is_empty(rest) && span_cut(&rest, ' ', &word))
		if (!span_is_empty(word) && (!address_is_valid(word, false) || !span_contains_byte(word, '@')))
			return "Expected an address: name@example.com";
	return NULL;
}

/* ---- questions */

static enum status ask_hostname(struct ask *ask, struct plan *plan)
{
	char name[ASK_SIZE] = "";
	if (plan->config)
		snprintf(name, sizeof(name), "%s", plan->config->global.hostname);
	else if (gethostname(name, sizeof(name) - 1) != 0 || strchr(name, '.') == NULL)
		snprintf(name, sizeof(name), "mail.example.com");
	return ask_text(ask, QUESTION_hostname, name, judge_hostname, plan->hostname);
}

static enum status ask_limit(struct ask *ask, struct plan *plan)
{
	char usual[ASK_SIZE] = "500";
	for (size_t i = 0; plan->config && i < plan->config->quota.count; i++)
		if (strcmp(plan->config->quota.items[i].name, "default") == 0)
			snprintf(usual, sizeof(usual), "%llu",
				 (unsigned long long)plan->config->quota.items[i].messages_per_day);
	return ask_text(ask, QUESTION_daily_limit, usual, judge_limit, plan->daily_limit);
}

/* sudo says who it is. */
static const char *guess_administrator(void)
{
	const char *user = getenv("SUDO_USER");
	return user && *user && account_name_fault(user) == NULL ? user : "-";
}

static enum status ask_administrators(struct ask *ask, struct plan *plan)
{
	char notices[ASK_SIZE] = "";
	const char *group = plan->config ? plan->config->admin.group : "subgate-admin";
	size_t used = 0;
	for (size_t i = 0; plan->config && i < plan->config->notify.administrators.count && used < sizeof(notices); i++)
		used += (size_t)snprintf(notices + used, sizeof(notices) - used, "%s%s", i ? " " : "",
					 plan->config->notify.administrators.items[i]);
	TRY(ask_text(ask, QUESTION_admin_group, *group ? group : "-", account_name_fault, plan->admin_group));
	if (*plan->admin_group)
		TRY(ask_text(ask, QUESTION_admin_user, guess_administrator(), account_name_fault, plan->admin_user));
	return ask_text(ask, QUESTION_notices, *notices ? notices : "-", judge_addresses, plan->notices);
}

static enum status ask_all(struct ask *ask, struct plan *plan)
{
	const char *home = getenv("HOME");
	TRY(ask_hostname(ask, plan));
	TRY(certificates_ask(ask, plan, home && *home == '/' ? home : "/root"));
	TRY(people_ask(ask, plan));
	TRY(relays_ask(ask, plan));
	TRY(ask_limit(ask, plan));
	return ask_administrators(ask, plan);
}

/* ---- showing and writing */

static enum status show_plan(struct ask *ask, const struct plan *plan)
{
	struct buf text BUF_AUTO;
	struct span line, rest;
	buf_init(&text, TEXT_MAXIMUM);
	TRY(plan_write(plan, false, &text));
	fprintf(ask->out, "\n%s will be:\n\n", plan->file);
	rest = buf_span(&text);
	while (!span_is_empty(rest) && span_cut(&rest, '\n', &line))
		fprintf(ask->out, "    %.*s\n", SPAN_ARGS(line));
	if (!secret_is_empty(&plan->relay.password) || !secret_is_empty(&plan->directory.password))
		fputs("\nBeside it, readable by root alone, the secrets that were typed.\n", ask->out);
	return STATUS_OK;
}

static enum status write_plan(struct ask *ask, const struct plan *plan)
{
	bool is_wanted = false;
	if (ask->answers)
		TRY(answers_check_used(ask->answers, 0, QUESTION_write, ask->errors));
	TRY(show_plan(ask, plan));
	TRY(ask_yes(ask, QUESTION_write, true, &is_wanted));
	if (!is_wanted)
		return STATUS_END;
	TRY(apply_plan(ask, plan));
	fprintf(ask->out, "\nWritten: %s\n", plan->file);
	if (*plan->renewal)
		fprintf(ask->out, "So that its copy follows when the certificate is renewed, run once:\n    %s\n",
			plan->renewal);
	return STATUS_OK;
}

/* ---- afterwards */

static enum status load_written(const struct plan *plan, FILE *errors, struct config **out_config)
{
	struct secret text SECRET_AUTO = { 0 };
	TRY(secret_from_path(plan->file, &text));
	return config_load(secret_reveal(&text), plan->file, errors, out_config);
}

static enum status start_and_try(struct ask *ask, const struct plan *plan)
{
	struct config *config = NULL;
	char log[PATH_MAX];
	bool runs = false;
	TRY(load_written(plan, ask->errors, &config));
	const struct start start = {
		.file = plan->file, .socket = config->admin.socket, .state = config->global.state_dir, .log = log
	};
	snprintf(log, sizeof(log), "%s/subgate.log", config->global.state_dir);
	enum status status = start_service(ask, &start, &runs);
	if (status == STATUS_OK && runs)
		status = trial_run(ask, config, &start);
	config_free(&config);
	return status;
}

/* ---- the whole */

static enum status begin_plan(struct ask *ask, struct plan *plan)
{
	fprintf(ask->out,
		"Setting up Subgate, %s: an empty line takes the answer in brackets, - stands for none, and Ctrl-C\n"
		"ends it. %s\n",
		plan->config ? "anew" : "from nothing",
		plan->config ? "What is configured is offered, and what is not asked about stays as it is."
			     : "Nothing is changed until you have seen what will be written.");
	TRY(ask_all(ask, plan));
	TRY(write_plan(ask, plan));
	return STATUS_OK;
}

static void say_unchanged(struct ask *ask, enum status status)
{
	const char *why = status == STATUS_END                                   ? "left"
			  : status == STATUS_REFUSED || status == STATUS_INVALID ? "refused"
										 : status_text(status);
	fflush(ask->out);
	fprintf(ask->errors, "Setup was %s: nothing has been changed.\n", why);
}

static enum status run_plan(struct ask *ask, struct plan *plan)
{
	enum status status = begin_plan(ask, plan);
	if (status != STATUS_OK) {
		say_unchanged(ask, status);
		return status;
	}
	status = start_and_try(ask, plan);
	if (status == STATUS_OK && ask->answers)
		status = answers_check_used(ask->answers, QUESTION_write, QUESTIONS, ask->errors);
	fflush(ask->out);
	if (status == STATUS_OK)
		fprintf(ask->out, "\nDone, with %u questions. `subgatectl status` shows how it does.\n", ask->count);
	else
		fprintf(ask->errors, "The configuration stays as it was written; what came after it did not work.\n");
	return status;
}

enum status setup_run(const struct setup_options *options, FILE *errors)
{
	struct answers answers;
	struct plan plan;
	struct ask ask = { .in = STDIN_FILENO, .out = stdout, .errors = errors };
	interrupt_watch();
	setvbuf(stdout, NULL, _IOLBF, 0); /* in order with what goes to stderr */
	if (options->config == NULL && geteuid() != 0) {
		fputs("Be root: it makes users, and writes below /etc; or name another file with --config.\n", errors);
		return STATUS_REFUSED;
	}
	if (options->answers) {
		TRY(answers_read(options->answers, errors, &answers));
		ask.answers = &answers;
	}
	enum status status = plan_open(options->config ? options->config : SETUP_CONFIG, errors, &plan);
	if (status == STATUS_OK)
		status = run_plan(&ask, &plan);
	else
		fputs("Correct that, or move the file away, and run setup again.\n", errors);
	plan_free(&plan);
	if (ask.answers)
		answers_free(&answers);
	return status;
}

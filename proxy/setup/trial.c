/* Makes an app password and sends a mail with one. Owns the password, which is shown once and wiped. */
#include "setup/trial.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json_text.h"
#include "base/text.h"
#include "net/submission.h"
#include "setup/interrupt.h"
#include "setup/run.h"
#include "smtp/address.h"

#define SEND_MS 120000        /* longer than the relay is waited for */
#define RECORDS_WAIT_MS 10000 /* until the last of them is written */
#define PAUSE_MS 200
#define REPLY_SIZE 1024
#define TEMPORARY_LABEL "the test mail of setup"

struct trial {
	struct ask *ask;
	const struct config *config;
	const struct start *start;
	char notices[ASK_SIZE]; /* the first address of those who are told; "" for none */
	char user[ASK_SIZE];    /* whose password it is */
	char id[ASK_SIZE];
	struct secret password;
	bool is_temporary;
	char verdict[REPLY_SIZE]; /* the reply to the message */
};

static const char *judge_address(const char *text)
{
	return *text == '\0' || (*text != '-' && address_is_valid(span_of(text), false) && strchr(text, '@'))
		       ? NULL
		       : "Expected an address: name@example.com";
}

static const char *judge_label(const char *text)
{
	return *text && *text != '-' ? NULL : "Expected a name, such as laptop.";
}

static const char *judge_user(const char *text)
{
	return *text != '-' ? NULL : "Expected a name as it is typed at a login.";
}

/* ---- the app password */

/* {"ok":true,"id":…,"password":…} */
static enum status take_password(struct trial *trial, struct span reply)
{
	json_t *json = json_read(reply);
	const char *password = json_string_value(json_object_get(json, "password"));
	const char *id = json_string_value(json_object_get(json, "id"));
	const char *error = json_string_value(json_object_get(json, "error"));
	enum status status = STATUS_REFUSED;
	if (password && id) {
		snprintf(trial->id, sizeof(trial->id), "%s", id);
		status = secret_from_span(span_of(password), &trial->password);
	} else {
		fprintf(trial->ask->errors, "no app password for %s: %s\n", trial->user, error ? error : "no answer");
	}
	json_decref(json);
	return status;
}

static enum status make_password(struct trial *trial, const char *user, const char *label)
{
	const char *const words[] = { "--json",
				      "app-password",
				      "create",
				      user,
				      "--label",
				      label,
				      trial->is_temporary ? "--expires" : NULL,
				      "1h",
				      NULL };
	struct buf reply BUF_AUTO;
	bool is_done = false;
	buf_init_sensitive(&reply, RUN_OUTPUT_MAXIMUM);
	snprintf(trial->user, sizeof(trial->user), "%s", user);
	TRY(start_ask_service(trial->start, words, &reply, &is_done));
	return take_password(trial, buf_span(&reply));
}

static void show_password(const struct trial *trial, const char *label)
{
	FILE *out = trial->ask->out;
	const struct config *config = trial->config;
	fprintf(out, "\nThe app password of %s for \"%s\", which is shown this once:\n\n    %.*s\n\n", trial->user,
		label, SPAN_ARGS(secret_reveal(&trial->password)));
	fprintf(out, "Type it into the mail client: user %s, server %s,", trial->user, config->global.hostname);
	for (size_t i = 0; i < config->listener.count; i++) {
		const struct config_listener *listener = &config->listener.items[i];
		const char *colon = listener->address.count ? strrchr(listener->address.items[0], ':') : NULL;
		fprintf(out, "%s port %s with %s", i ? ", or" : "", colon ? colon + 1 : "?",
			listener->tls == LISTENER_TLS_IMPLICIT ? "TLS" : "STARTTLS");
	}
	fputs(".\n", out);
}

/* What is offered to a person; a file that says nothing of it wants nothing. */
static const char *offer_text(const struct trial *trial, const char *text)
{
	return trial->ask->answers || *text == '\0' ? "-" : text;
}

static enum status ask_password(struct trial *trial)
{
	char user[ASK_SIZE], label[ASK_SIZE];
	struct ask *ask = trial->ask;
	TRY(ask_text(ask, QUESTION_app_password_user, offer_text(trial, trial->notices), judge_user, user));
	if (*user == '\0')
		return STATUS_OK;
	TRY(ask_text(ask, QUESTION_app_password_label, "first", judge_label, label));
	enum status status = make_password(trial, user, label);
	if (status == STATUS_OK)
		show_password(trial, label);
	return status == STATUS_REFUSED ? STATUS_OK : status; /* told; the mail may be another user's */
}

/* ---- the mail */

static void show_line(void *context, const char *who, struct span line)
{
	struct trial *trial = context;
	char text[REPLY_SIZE];
	snprintf(text, sizeof(text), "%.*s", SPAN_ARGS(line));
	text_blank_controls(text, strlen(text)); /* the relay's words may be in it */
	fprintf(trial->ask->out, "  %s: %s\n", who, text);
	/* The last one that answers no QUIT is the answer to the message. Newer versions of libcurl show no QUIT. */
	if (*who == 'S' && !span_starts_with(line, SPAN("221")))
		memcpy(trial->verdict, text, sizeof(text));
}

static void write_date(char *out_text, size_t size)
{
	time_t now = time(NULL);
	struct tm utc;
	gmtime_r(&now, &utc);
	strftime(out_text, size, "%a, %d %b %Y %H:%M:%S +0000", &utc);
}

static enum status write_message(const char *from, const char *to, const char *host, struct buf *out_message)
{
	char date[64];
	write_date(date, sizeof(date));
	return buf_printf(out_message,
			  "Date: %s\r\nFrom: <%s>\r\nTo: <%s>\r\nSubject: Test of %s\r\n\r\n"
			  "This mail was sent by `subgatectl setup` on %s, as a mail client would.\r\n",
			  date, from, to, host, host);
}

/* The port that clients of this machine reach; where it listens to all addresses, by loopback. */
static bool find_server(const struct config *config, struct submission *submission, char address[ASK_SIZE])
{
	for (size_t i = 0; i < config->listener.count; i++) {
		const struct config_listener *listener = &config->listener.items[i];
		const char *place = listener->address.count ? listener->address.items[0] : "";
		const char *colon = strrchr(place, ':');
		if (colon == NULL || listener->proxy_protocol_from.count || listener->networks.count ||
		    listener->client_certificate == CLIENT_CERTIFICATE_REQUIRE)
			continue;
		snprintf(address, ASK_SIZE, "%.*s", (int)(colon - place), place);
		if (strcmp(address, "0.0.0.0") == 0)
			snprintf(address, ASK_SIZE, "127.0.0.1");
		else if (strcmp(address, "[::]") == 0)
			snprintf(address, ASK_SIZE, "[::1]");
		submission->address = address;
		submission->port = (unsigned)strtoul(colon + 1, NULL, 10);
		submission->is_starttls = listener->tls == LISTENER_TLS_STARTTLS;
		return true;
	}
	return false;
}

/* Why the relay did not take it, if that is where it failed. */
static void show_relays(struct trial *trial)
{
	static const char *const words[] = { "relay", "list", NULL };
	struct buf output BUF_AUTO;
	bool is_done = false;
	buf_init(&output, RUN_OUTPUT_MAXIMUM);
	if (start_ask_service(trial->start, words, &output, &is_done) == STATUS_OK && is_done)
		fprintf(trial->ask->errors, "\nsubgatectl relay list:\n%.*s", SPAN_ARGS(buf_span(&output)));
}

static enum status send_message(struct trial *trial, const char *from, const char *to)
{
	const struct config *config = trial->config;
	struct secret certificate SECRET_AUTO = { 0 };
	struct buf message BUF_AUTO;
	char address[ASK_SIZE], reason[SUBMISSION_REASON_SIZE];
	struct submission submission = {
		.name = config->global.hostname,
		.user = trial->user,
		.password = &trial->password,
		.from = from,
		.to = to,
		.timeout_ms = SEND_MS,
		.on_line = show_line,
		.is_cancelled = interrupt_came,
		.context = trial,
	};
	buf_init(&message, 4096);
	if (!find_server(config, &submission, address)) {
		fputs("No listener can be reached from this machine, so no mail is sent.\n", trial->ask->errors);
		return STATUS_REFUSED;
	}
	TRY(write_message(from, to, config->global.hostname, &message));
	TRY(secret_from_path(config->tls.certificate, &certificate));
	submission.trusted_pem = secret_reveal(&certificate);
	submission.message = buf_span(&message);
	fprintf(trial->ask->out, "\nThe dialog, C for a client, S for Subgate at %s:%u:\n", address, submission.port);
	if (submission_send(&submission, reason) == STATUS_OK)
		return STATUS_OK;
	if (interrupt_came())
		return STATUS_END;
	fprintf(trial->ask->errors, "The mail was not taken: %s\n", reason);
	show_relays(trial);
	return STATUS_REFUSED;
}

/* ---- what the audit says of it */

/* "250 2.0.0 … [ID]": Subgate's own word is the last one. */
static bool find_id(const char *reply, char out_id[ASK_SIZE])
{
	const char *found = strrchr(reply, '[');
	size_t size = found ? strspn(found + 1, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") : 0;
	if (size == 0 || strcmp(found + 1 + size, "]") != 0)
		return false;
	snprintf(out_id, ASK_SIZE, "%.*s", (int)size, found + 1);
	return true;
}

static enum status show_records(struct trial *trial)
{
	char id[ASK_SIZE];
	struct buf output BUF_AUTO;
	bool is_done = false;
	buf_init(&output, RUN_OUTPUT_MAXIMUM);
	if (!find_id(trial->verdict, id)) {
		fprintf(trial->ask->out, "\n`subgatectl audit search --user %s` shows its records.\n", trial->user);
		return STATUS_OK;
	}
	const char *const words[] = { "audit", "show", id, NULL };
	for (int waited = 0; waited < RECORDS_WAIT_MS; waited += PAUSE_MS) {
		buf_clear(&output);
		TRY(start_ask_service(trial->start, words, &output, &is_done));
		struct span text = buf_span(&output);
		if (is_done && memmem(text.data, text.size, "session.close", 13))
			break;
		if (!interrupt_pause(PAUSE_MS))
			return STATUS_END;
	}
	fprintf(trial->ask->out, "\nsubgatectl audit show %s:\n%.*s", id, SPAN_ARGS(buf_span(&output)));
	return STATUS_OK;
}

static void revoke_password(struct trial *trial)
{
	const char *const words[] = { "app-password", "revoke", trial->user, trial->id, NULL };
	bool is_done = false;
	if (!trial->is_temporary || secret_is_empty(&trial->password))
		return;
	interrupt_ignore();
	if (start_ask_service(trial->start, words, NULL, &is_done) != STATUS_OK || !is_done)
		fprintf(trial->ask->errors, "subgatectl app-password revoke %s %s: do that, it did not work\n",
			trial->user, trial->id);
}

/* A sender who got no password above has one for the mail alone. */
static enum status send_with_password(struct trial *trial, const char *from, const char *to)
{
	enum status status = STATUS_OK;
	if (secret_is_empty(&trial->password)) {
		trial->is_temporary = true;
		status = make_password(trial, from, TEMPORARY_LABEL);
	}
	if (status == STATUS_OK)
		status = send_message(trial, from, to);
	if (status == STATUS_OK)
		status = show_records(trial);
	revoke_password(trial);
	return status;
}

static enum status try_mail(struct trial *trial)
{
	char from[ASK_SIZE], to[ASK_SIZE];
	const char *usual = strchr(trial->user, '@') ? trial->user : trial->notices;
	TRY(ask_text(trial->ask, QUESTION_test_from, offer_text(trial, usual), judge_address, from));
	if (*from == '\0')
		return STATUS_OK;
	TRY(ask_text(trial->ask, QUESTION_test_to, *trial->notices ? trial->notices : from, judge_address, to));
	return *to ? send_with_password(trial, from, to) : STATUS_OK;
}

enum status trial_run(struct ask *ask, const struct config *config, const struct start *start)
{
	struct trial trial = { .ask = ask, .config = config, .start = start };
	if (config->notify.administrators.count)
		snprintf(trial.notices, sizeof(trial.notices), "%s", config->notify.administrators.items[0]);
	enum status status = ask_password(&trial);
	if (status == STATUS_OK)
		status = try_mail(&trial);
	secret_wipe(&trial.password);
	return status;
}

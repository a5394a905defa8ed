/* libcurl speaks SMTP; its trace is the dialog. */
#include "net/submission.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/mask.h"

struct sending {
	const struct submission *submission;
	size_t sent;   /* bytes of the message */
	bool is_login; /* our next lines are its secrets, until the server has decided */
};

static void tell_line(struct sending *sending, const char *who, struct span line)
{
	const struct submission *submission = sending->submission;
	if (line.size && line.data[line.size - 1] == '\r')
		line.size--;
	submission->on_line(submission->context, who, line);
}

/* AUTH and what follows it, until the server says anything but "334, go on". */
static struct span hide_login(struct sending *sending, const char *who, struct span line)
{
	bool is_ours = *who == 'C';
	if (is_ours && span_starts_with_nocase(line, SPAN("AUTH "))) {
		sending->is_login = true;
		return SPAN("AUTH PLAIN ***");
	}
	if (is_ours && sending->is_login)
		return SPAN("***");
	if (*who == 'S' && !span_starts_with(line, SPAN("334")))
		sending->is_login = false;
	return line;
}

static void tell_lines(struct sending *sending, const char *who, struct span text)
{
	struct span line;
	while (!span_is_empty(text) && span_cut(&text, '\n', &line))
		tell_line(sending, who, hide_login(sending, who, line));
}

static int take_trace(CURL *handle, curl_infotype type, char *data, size_t size, void *context)
{
	struct sending *sending = context;
	struct span text = { data, size };
	(void)handle;
	if (type == CURLINFO_HEADER_IN)
		tell_lines(sending, "S", text);
	else if (type == CURLINFO_HEADER_OUT || type == CURLINFO_DATA_OUT)
		tell_lines(sending, "C", text);
	else if (type == CURLINFO_TEXT && span_starts_with(text, SPAN("SSL connection using")))
		tell_lines(sending, "*", text);
	return 0;
}

static size_t give_message(char *to, size_t one, size_t count, void *context)
{
	struct sending *sending = context;
	struct span rest = span_slice(sending->submission->message, sending->sent, sending->submission->message.size);
	size_t size = rest.size < one * count ? rest.size : one * count;
	memcpy(to, rest.data, size);
	sending->sent += size;
	return size;
}

static int look_for_cancel(void *context, curl_off_t total, curl_off_t now, curl_off_t sent_total, curl_off_t sent)
{
	const struct sending *sending = context;
	(void)total;
	(void)now;
	(void)sent_total;
	(void)sent;
	return sending->submission->is_cancelled && sending->submission->is_cancelled();
}

#define SET(option, value)                                               \
	do {                                                             \
		if (curl_easy_setopt(handle, option, value) != CURLE_OK) \
			return STATUS_SYSTEM;                            \
	} while (0)

/* The server's own certificate may be all that is trusted: what clients need besides is another matter. */
static enum status set_trust(CURL *handle, const struct submission *submission)
{
	struct curl_blob trusted = { (void *)(uintptr_t)submission->trusted_pem.data, submission->trusted_pem.size,
				     CURL_BLOB_COPY };
	SET(CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_CAINFO_BLOB, &trusted);
	return STATUS_OK;
}

static enum status set_server(CURL *handle, const struct submission *submission, struct curl_slist **out_places)
{
	char url[512], place[512];
	snprintf(url, sizeof(url), "%s://%s:%u/%s", submission->is_starttls ? "smtp" : "smtps", submission->name,
		 submission->port, submission->name);
	snprintf(place, sizeof(place), "::%s:%u", submission->address, submission->port);
	*out_places = curl_slist_append(NULL, place);
	if (*out_places == NULL)
		return STATUS_NO_MEMORY;
	SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_URL, url);
	SET(CURLOPT_CONNECT_TO, *out_places);
	SET(CURLOPT_TIMEOUT_MS, (long)submission->timeout_ms);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_FORBID_REUSE, 1L);
	return set_trust(handle, submission);
}

static enum status set_mail(CURL *handle, struct sending *sending, struct curl_slist **out_recipients)
{
	const struct submission *submission = sending->submission;
	*out_recipients = curl_slist_append(NULL, submission->to);
	if (*out_recipients == NULL)
		return STATUS_NO_MEMORY;
	SET(CURLOPT_USERNAME, submission->user);
	SET(CURLOPT_PASSWORD, secret_reveal(submission->password).data);
	SET(CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN");
	SET(CURLOPT_MAIL_FROM, submission->from);
	SET(CURLOPT_MAIL_RCPT, *out_recipients);
	SET(CURLOPT_UPLOAD, 1L);
	SET(CURLOPT_READFUNCTION, give_message);
	SET(CURLOPT_READDATA, sending);
	SET(CURLOPT_VERBOSE, 1L);
	SET(CURLOPT_DEBUGFUNCTION, take_trace);
	SET(CURLOPT_DEBUGDATA, sending);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, look_for_cancel);
	SET(CURLOPT_XFERINFODATA, sending);
	return STATUS_OK;
}

enum status submission_send(const struct submission *submission, char out_reason[SUBMISSION_REASON_SIZE])
{
	char error[CURL_ERROR_SIZE] = "";
	struct sending sending = { .submission = submission };
	struct curl_slist *places = NULL, *recipients = NULL;
	CURLcode code = CURLE_FAILED_INIT;
	CURL *handle = curl_easy_init();
	if (handle && curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error) == CURLE_OK &&
	    set_server(handle, submission, &places) == STATUS_OK &&
	    set_mail(handle, &sending, &recipients) == STATUS_OK)
		code = curl_easy_perform(handle);
	if (code != CURLE_OK) {
		const struct span password = secret_reveal(submission->password);
		mask_text(span_of(*error ? error : curl_easy_strerror(code)), &password, 1, out_reason,
			  SUBMISSION_REASON_SIZE);
	}
	curl_easy_cleanup(handle);
	curl_slist_free_all(places);
	curl_slist_free_all(recipients);
	return code == CURLE_OK ? STATUS_OK : STATUS_UNAVAILABLE;
}

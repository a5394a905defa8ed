/* libcurl, with a handle of its own for each request: they are rare, and nothing of one may show in the next. */
#include "net/https.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/mask.h"

#define HEADER_MAXIMUM 65536 /* bytes */

/* What comes in. */
struct intake {
	struct buf *body;
	size_t header;
	bool is_too_large;
};

enum status https_open(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? STATUS_OK : STATUS_SYSTEM;
}

static size_t take_body(char *data, size_t one, size_t size, void *context)
{
	struct intake *intake = context;
	(void)one;
	if (buf_append(intake->body, (struct span){ data, size }) == STATUS_OK)
		return size;
	intake->is_too_large = true;
	return 0;
}

static size_t take_header(char *data, size_t one, size_t size, void *context)
{
	struct intake *intake = context;
	(void)data;
	intake->header += one * size;
	if (intake->header <= HEADER_MAXIMUM)
		return one * size;
	intake->is_too_large = true;
	return 0;
}

#define SET(option, value)                                               \
	do {                                                             \
		if (curl_easy_setopt(handle, option, value) != CURLE_OK) \
			return STATUS_SYSTEM;                            \
	} while (0)

static enum status set_trust(CURL *handle, struct span ca_pem)
{
	struct curl_blob blob = { (void *)(uintptr_t)ca_pem.data, ca_pem.size, CURL_BLOB_COPY };
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (ca_pem.size == 0)
		return STATUS_OK;
	SET(CURLOPT_CAINFO_BLOB, &blob);
	SET(CURLOPT_CAPATH, NULL);
	return STATUS_OK;
}

static enum status set_content(CURL *handle, const struct https_request *request)
{
	if (request->user) {
		SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		SET(CURLOPT_USERNAME, request->user);
		SET(CURLOPT_PASSWORD, secret_reveal(request->password).data);
	}
	if (request->json) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDS, request->json);
		SET(CURLOPT_POSTFIELDSIZE, (long)strlen(request->json));
		return STATUS_OK;
	}
	if (request->form.size == 0)
		return STATUS_OK;
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDS, request->form.data);
	SET(CURLOPT_POSTFIELDSIZE, (long)request->form.size);
	return STATUS_OK;
}

/* *out_list is the caller's, on failure, too. */
static enum status set_headers(CURL *handle, const struct https_request *request, struct curl_slist **out_list)
{
	for (size_t i = 0; i < HTTPS_HEADERS && request->headers[i]; i++) {
		struct curl_slist *longer = curl_slist_append(*out_list, request->headers[i]);
		if (longer == NULL)
			return STATUS_NO_MEMORY;
		*out_list = longer;
	}
	SET(CURLOPT_HTTPHEADER, *out_list);
	return STATUS_OK;
}

static int look_for_cancel(void *context, curl_off_t total, curl_off_t now, curl_off_t sent_total, curl_off_t sent)
{
	const struct https_request *request = context;
	(void)total;
	(void)now;
	(void)sent_total;
	(void)sent;
	return request->cancel && atomic_load(request->cancel);
}

static enum status set_cancel(CURL *handle, const struct https_request *request)
{
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, look_for_cancel);
	SET(CURLOPT_XFERINFODATA, request);
	return STATUS_OK;
}

static enum status set_up(CURL *handle, const struct https_request *request, struct intake *intake, char *error)
{
	SET(CURLOPT_ERRORBUFFER, error);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, request->allow_clear ? "http,https" : "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)request->timeout_ms);
	SET(CURLOPT_QUICK_EXIT, 1L); /* a name server that does not answer is not waited for */
	SET(CURLOPT_FORBID_REUSE, 1L);
	SET(CURLOPT_USERAGENT, "subgate/" SUBGATE_VERSION);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, intake);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, intake);
	SET(CURLOPT_URL, request->url);
	TRY(set_content(handle, request));
	TRY(set_cancel(handle, request));
	return set_trust(handle, request->ca_pem);
}

static void explain_failure(CURLcode code, const char *error, const struct intake *intake,
			    char out_reason[HTTPS_REASON_SIZE])
{
	const char *what = *error ? error : curl_easy_strerror(code);
	if (intake->is_too_large)
		what = "its answer is too large";
	mask_text(span_of(what), NULL, 0, out_reason, HTTPS_REASON_SIZE);
}

enum status https_ask(const struct https_request *request, long *out_status, struct buf *out_body,
		      char out_reason[HTTPS_REASON_SIZE])
{
	char error[CURL_ERROR_SIZE] = "";
	struct intake intake = { .body = out_body };
	struct curl_slist *headers = NULL;
	CURLcode code = CURLE_FAILED_INIT;
	CURL *handle = curl_easy_init();
	if (handle && set_up(handle, request, &intake, error) == STATUS_OK &&
	    set_headers(handle, request, &headers) == STATUS_OK)
		code = curl_easy_perform(handle);
	if (code == CURLE_OK)
		code = curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, out_status);
	if (code != CURLE_OK)
		explain_failure(code, error, &intake, out_reason);
	curl_easy_cleanup(handle);
	curl_slist_free_all(headers);
	return code == CURLE_OK ? STATUS_OK : STATUS_UNAVAILABLE;
}

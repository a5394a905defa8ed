/*
 * Logins by OpenID Connect, as a browser sees them: a link leads to the provider, and the provider sends back. Then a
 * page that goes on by itself is what first brings the session's cookie along, as that comes with nothing that began on
 * another site. What the provider's address line says is looked at here only as far as it is needed, once each.
 */
#include <microhttpd.h>
#include <string.h>

#include "base/json_text.h"
#include "console/asking.h"
#include "console/pages/form.h"
#include "console/pages/page_private.h"

#define AWAY "/login/oidc"
#define BACK "/login/callback"

/* ---- what is answered */

/* No page is shown, but the login page with why. */
static void set_refusal(const struct page *page, struct visit *visit)
{
	bool is_over = page->stage == PAGE_RETURNS && page->code != MHD_HTTP_BAD_REQUEST;
	page_show(page, visit);
	if (is_over)
		visit->answer.login_cookie = asking_make_login_cookie((struct span){ 0 });
}

static void set_provider(const struct page *page, struct visit *visit)
{
	const json_t *answer = json_object_get(page->data, "answer");
	const char *location = json_string_value(json_object_get(answer, "location"));
	const char *ticket = json_string_value(json_object_get(answer, "ticket"));
	char *cookie = location && ticket ? asking_make_login_cookie(span_of(ticket)) : NULL;
	if (cookie == NULL) {
		page_set_unavailable(page, visit);
		return;
	}
	page_send_on(visit, location, NULL, NULL, NULL);
	visit->answer.login_cookie = cookie;
}

static void set_entered(const struct page *page, struct visit *visit)
{
	page_show_as(page, visit, "entered");
	visit->answer.refresh = "0; url=/";
	visit->answer.login_cookie = asking_make_login_cookie((struct span){ 0 });
}

void page_take_provider_answer(struct page *page, const struct door_console_answered *answered)
{
	json_t *answer = json_read(answered->body);
	bool is_good = answered->code == MHD_HTTP_OK;
	if (!is_good && json_object_get(answer, "reason") == NULL) /* too many requests, say */
		json_object_set_new(answer, "reason", json_string("away"));
	page->code = answered->code;
	if (!json_is_object(answer) || json_object_set(page->data, is_good ? "answer" : "provider", answer) != 0)
		page_answer(page, page_set_unavailable);
	else if (!is_good)
		page_answer(page, set_refusal);
	else
		page_answer(page, page->stage == PAGE_LEAVES ? set_provider : set_entered);
	json_decref(answer);
}

/* ---- what is asked */

static const char *const parts[] = { "state", "code", "iss", "error" };
#define PARTS (sizeof(parts) / sizeof(parts[0]))

struct callback {
	json_t *body;
	bool is_whole; /* nothing was said twice, or too long (RFC 6749, 3.1) */
};

static enum MHD_Result keep_part(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct callback *callback = context;
	(void)kind;
	for (size_t i = 0; i < PARTS; i++) {
		if (strcmp(name, parts[i]) != 0)
			continue;
		callback->is_whole &= value && strlen(value) <= FORM_FIELD_BYTES &&
				      json_object_get(callback->body, name) == NULL &&
				      json_object_set_new(callback->body, name, json_string(value)) == 0;
	}
	return MHD_YES;
}

/* NULL: it is none of a provider's. */
static json_t *read_callback(const struct visit *visit)
{
	struct callback callback = { .body = json_object(), .is_whole = true };
	struct span ticket = head_find_cookie(visit_field(visit, "Cookie"), SPAN(LOGIN_COOKIE));
	MHD_get_connection_values(visit->connection, MHD_GET_ARGUMENT_KIND, keep_part, &callback);
	bool has_ticket = json_object_set_new(callback.body, "ticket",
					      json_stringn(ticket.data ? ticket.data : "", ticket.size)) == 0;
	if (callback.is_whole && has_ticket)
		return callback.body;
	json_decref(callback.body);
	return NULL;
}

static void ask_admin(struct page *page, enum page_stage stage, const char *path, json_t *body)
{
	page->stage = stage;
	page->kind = table_find_page(SPAN("/login"));
	if (page_ask_to_do(page, path, body) != STATUS_OK)
		page_answer(page, page_set_unavailable);
}

static void begin_part(struct pages *pages, struct visit *visit, const struct language *language, enum page_stage stage,
		       json_t *body)
{
	struct page *page = page_begin(pages, visit, language, true);
	if (page)
		ask_admin(page, stage, stage == PAGE_LEAVES ? "/api/v1/login/begin" : "/api/v1/login/finish", body);
	else
		page_show_fault(language, visit, MHD_HTTP_SERVICE_UNAVAILABLE, "away");
}

bool page_take_provider_visit(struct pages *pages, struct visit *visit, const struct language *language)
{
	bool leaves = strcmp(visit->path, AWAY) == 0;
	if (!pages->options->has_provider || (!leaves && strcmp(visit->path, BACK) != 0))
		return false;
	json_t *body = leaves ? json_object() : read_callback(visit);
	if (strcmp(visit->method, "GET") != 0) { /* nor HEAD, by which programs look at what is good once */
		page_show_fault(language, visit, MHD_HTTP_METHOD_NOT_ALLOWED, "method");
		visit->answer.allow = "GET";
	} else if (leaves && !page_is_from_here(visit)) {
		page_show_fault(language, visit, MHD_HTTP_FORBIDDEN, "foreign");
	} else if (body == NULL) {
		page_show_fault(language, visit, MHD_HTTP_BAD_REQUEST, "answer");
	} else {
		begin_part(pages, visit, language, leaves ? PAGE_LEAVES : PAGE_RETURNS, body);
	}
	json_decref(body);
	return true;
}

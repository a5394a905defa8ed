/*
 * A visit becomes a page: who is logged in is asked for first, then all that the page wants to know, and once that is
 * there it is shown. A form is acted on before. Owns the pages under way.
 */
#include "console/pages/pages.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "console/asking.h"
#include "console/pages/assets.h"
#include "console/pages/download.h"
#include "console/pages/follow.h"
#include "console/pages/form.h"
#include "console/pages/page_private.h"

/* ---- pages under way */

static struct page *find_page(const struct pages *pages, uint64_t number)
{
	struct page *page = pages->first;
	while (page && page->number != number)
		page = page->next;
	return page;
}

/* ---- ends */

static void set_missing(const struct page *page, struct visit *visit)
{
	page_show_fault(page->language, visit, MHD_HTTP_NOT_FOUND, "missing");
}

static void set_foreign(const struct page *page, struct visit *visit)
{
	page_show_fault(page->language, visit, MHD_HTTP_FORBIDDEN, "foreign");
}

static void set_login(const struct page *page, struct visit *visit)
{
	(void)page;
	page_send_on(visit, "/login", NULL, NULL, NULL);
}

static void set_start(const struct page *page, struct visit *visit)
{
	const char *role = json_string_value(json_object_get(json_object_get(page->data, "reader"), "role"));
	page_send_on(visit, table_rank_of(role ? role : "") >= RANK_AUDITOR ? "/now" : "/me", NULL, NULL, NULL);
}

static void set_done(const struct page *page, struct visit *visit)
{
	const struct table_form *form = page->form;
	const char *kept =
		form->keeps ? json_string_value(json_object_get(json_object_get(page->data, "form"), form->keeps))
			    : NULL;
	if (strcmp(form->path, "/login") == 0)
		page_send_on(visit, "/", NULL, NULL, NULL);
	else
		page_send_on(visit, form->page, kept ? form->keeps : NULL, kept, form->done);
}

/* ---- steps */

static void continue_page(struct page *page, enum status status)
{
	if (status != STATUS_OK)
		page_answer(page, page_set_unavailable);
	else if (page->waiting == 0)
		page_answer(page, page_show);
}

/* A page that everybody sees needs no session. */
static void look_at_page(struct page *page)
{
	if (page->kind && page->kind->rank == RANK_STRANGER)
		continue_page(page, STATUS_OK);
	else
		continue_page(page, page_ask_session(page));
}

/* What was refused is said on the form's page, with what was filled in. */
static void take_form_answer(struct page *page, const struct door_console_answered *answered)
{
	json_t *answer = page_read_answer(answered);
	bool is_done = answered->code == MHD_HTTP_OK;
	if (answered->code == MHD_HTTP_UNAUTHORIZED && page->kind->rank != RANK_STRANGER) {
		json_decref(answer);
		page_answer(page, set_login);
		return;
	}
	if (is_done && page->form->done) {
		json_decref(answer);
		page_answer(page, set_done);
		return;
	}
	page->code = answered->code;
	if (json_object_set_new(page->data, is_done ? "result" : "refusal", answer) != 0)
		page_answer(page, page_set_unavailable);
	else
		look_at_page(page);
}

/* A form that no other site could have sent: it has the token that the session's own pages have. */
static bool has_proof(const struct page *page)
{
	const char *given = json_string_value(json_object_get(json_object_get(page->data, "form"), "csrf"));
	const char *own = json_string_value(json_object_get(json_object_get(page->data, "reader"), "csrf_token"));
	return given && own && *own && secret_equal(span_of(given), span_of(own));
}

static void take_session(struct page *page, const struct door_console_answered *answered)
{
	json_t *session = page_read_answer(answered);
	const char *role = json_string_value(json_object_get(session, "role"));
	enum table_rank rank = table_rank_of(role ? role : "");
	bool is_kept = json_object_set_new(page->data, "reader", session) == 0;
	if (answered->code == MHD_HTTP_UNAUTHORIZED)
		page_answer(page, set_login);
	else if (answered->code != MHD_HTTP_OK || !is_kept)
		page_answer(page, page_set_unavailable);
	else if (page->kind == NULL)
		page_answer(page, set_start);
	else if (rank < page->kind->rank)
		page_answer(page, set_missing);
	else if (page->kind->write && !has_proof(page))
		page_answer(page, set_foreign);
	else
		continue_page(page, page_ask_questions(page));
}

/* Whoever may not know is told the same as whoever asks for what is not there. */
static void take_question(struct page *page, unsigned index, const struct door_console_answered *answered)
{
	const struct table_question *question = &page->kind->questions[index - PAGE_FIRST_QUESTION];
	if (answered->code == MHD_HTTP_UNAUTHORIZED)
		page_answer(page, set_login);
	else if (answered->code == MHD_HTTP_NOT_FOUND || answered->code == MHD_HTTP_FORBIDDEN)
		page_answer(page, set_missing);
	else if (json_object_set_new(page->data, question->name, page_read_answer(answered)) != 0)
		page_answer(page, page_set_unavailable);
	else
		continue_page(page, STATUS_OK);
}

/* A new session's cookie, or the end of an old one's, goes with whatever the page is answered. */
static void pass_cookie(const struct page *page, const struct door_console_answered *answered)
{
	struct visit *visit = site_find(page->pages->options->site(page->pages->options->context), page->visit);
	if (visit && (answered->token.size || answered->ends) && visit->answer.cookie == NULL)
		visit->answer.cookie = asking_make_cookie(answered->token);
}

enum status pages_take_answer(struct pages *pages, const struct door_console_answered *answered)
{
	unsigned index = answered->request & ((1U << PAGE_QUESTION_BITS) - 1);
	struct page *page = find_page(pages, answered->request - index);
	if (answered->code < 200 || answered->code > 599)
		return STATUS_INVALID;
	if (page == NULL) {
		if (!download_take_answer(pages, answered)) /* or it was answered before all had come */
			(void)follow_take_answer(pages->follow, answered);
		return STATUS_OK;
	}
	bool is_question = index >= PAGE_FIRST_QUESTION;
	if (is_question != (page->stage == PAGE_ASKS) || page->waiting == 0 ||
	    (is_question && index - PAGE_FIRST_QUESTION >= TABLE_QUESTIONS))
		return STATUS_INVALID;
	page->waiting--;
	pass_cookie(page, answered);
	if (page->stage == PAGE_LEAVES || page->stage == PAGE_RETURNS)
		page_take_provider_answer(page, answered);
	else if (page->stage == PAGE_ACTS)
		take_form_answer(page, answered);
	else if (page->stage == PAGE_KNOWS_WHO)
		take_session(page, answered);
	else
		take_question(page, index, answered);
	return STATUS_OK;
}

void pages_lose_admin(struct pages *pages)
{
	download_lose_admin(pages);
	follow_lose_admin(pages->follow);
	while (pages->first)
		page_answer(pages->first, page_set_unavailable);
}

void pages_drain(struct pages *pages)
{
	follow_drain(pages->follow);
}

/* ---- visits */

static enum MHD_Result keep_argument(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	json_t *query = context;
	(void)kind;
	if (value && json_object_size(query) < FORM_FIELDS && strlen(value) <= FORM_FIELD_BYTES &&
	    json_object_get(query, name) == NULL)
		json_object_set_new(query, name, json_string(value));
	return MHD_YES;
}

static void take_url(struct page *page, const struct visit *visit)
{
	json_t *query = json_object();
	MHD_get_connection_values(visit->connection, MHD_GET_ARGUMENT_KIND, keep_argument, query);
	json_object_set_new(page->data, "query", query);
}

static bool take_fields(struct page *page, const struct visit *visit)
{
	json_t *fields = NULL;
	return form_read(buf_span(&visit->body), &fields) == STATUS_OK &&
	       json_object_set_new(page->data, "form", fields) == 0;
}

/* A page that lists somebody's things is about whom its form was about. */
static void keep_argument_of_form(struct page *page)
{
	const char *keeps = page->form->keeps;
	json_t *kept = keeps ? json_object_get(json_object_get(page->data, "form"), keeps) : NULL;
	if (kept)
		json_object_set(json_object_get(page->data, "query"), keeps, kept);
}

static void send_form(struct page *page)
{
	keep_argument_of_form(page);
	enum status status = page_ask_form(page);
	if (status != STATUS_INVALID) {
		continue_page(page, status);
		return;
	}
	page->code = MHD_HTTP_BAD_REQUEST;
	json_object_set_new(page->data, "is_empty", json_true());
	look_at_page(page);
}

static void begin_form(struct pages *pages, struct visit *visit, const struct language *language,
		       const struct table_form *form, const struct table_page *written)
{
	if (!form_is_type(visit_field(visit, "Content-Type")) || !page_is_from_here(visit)) {
		page_show_fault(language, visit, MHD_HTTP_FORBIDDEN, "foreign");
		return;
	}
	struct page *page = page_begin(pages, visit, language, form && strcmp(form->path, "/login") == 0);
	if (page == NULL || !take_fields(page, visit)) {
		page_show_fault(language, visit, page ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_SERVICE_UNAVAILABLE,
				page ? "form" : "away");
		if (page)
			page_end(page);
		return;
	}
	page->form = form;
	page->kind = form ? table_find_page(span_of(form->page)) : written;
	take_url(page, visit);
	if (form)
		send_form(page);
	else
		look_at_page(page);
}

static void begin_look(struct pages *pages, struct visit *visit, const struct language *language,
		       const struct table_page *kind)
{
	bool is_known = !span_is_empty(head_find_cookie(visit_field(visit, "Cookie"), SPAN(SESSION_COOKIE)));
	if (!is_known && (kind == NULL || kind->rank > RANK_STRANGER)) {
		page_send_on(visit, "/login", NULL, NULL, NULL);
		return;
	}
	struct page *page = page_begin(pages, visit, language, false);
	if (page == NULL) {
		page_show_fault(language, visit, MHD_HTTP_SERVICE_UNAVAILABLE, "away");
		return;
	}
	page->kind = kind;
	take_url(page, visit);
	look_at_page(page);
}

static void refuse_method(const struct language *language, struct visit *visit, const char *allow)
{
	page_show_fault(language, visit, MHD_HTTP_METHOD_NOT_ALLOWED, "method");
	visit->answer.allow = allow;
}

static const char *allowed_methods(const struct table_page *kind, const struct table_form *form)
{
	bool reads = kind && kind->write == NULL, posts = form || (kind && kind->write);
	return reads && posts ? "GET, HEAD, POST" : posts ? "POST" : "GET, HEAD";
}

void pages_take_visit(struct pages *pages, struct visit *visit)
{
	const struct language *language = languages_choose(pages->languages, visit_field(visit, "Accept-Language"));
	struct span path = span_of(visit->path);
	const struct table_page *kind = table_find_page(path);
	const struct table_form *form = table_find_form(path);
	bool reads = strcmp(visit->method, "GET") == 0 || strcmp(visit->method, "HEAD") == 0;
	bool is_start = span_equal(path, SPAN("/"));
	bool is_download = span_equal(path, SPAN(DOWNLOAD_PATH));
	bool is_stream = span_equal(path, SPAN(FOLLOW_PATH));
	if (page_take_provider_visit(pages, visit, language) || (reads && assets_answer(visit)))
		;
	else if (reads && is_download)
		download_begin(pages, visit, language);
	else if (reads && is_stream)
		follow_begin(pages->follow, visit, language);
	else if (reads && ((kind && kind->write == NULL) || is_start))
		begin_look(pages, visit, language, kind);
	else if ((form || (kind && kind->write)) && strcmp(visit->method, "POST") == 0)
		begin_form(pages, visit, language, form, kind);
	else if (kind || form || is_start || is_download || is_stream)
		refuse_method(language, visit, allowed_methods(kind, form));
	else
		page_show_fault(language, visit, MHD_HTTP_NOT_FOUND, "missing");
	if (visit->answer.code)
		site_answer(pages->options->site(pages->options->context), visit);
}

/* ---- life */

enum status pages_create(const struct pages_options *options, struct pages **out_pages)
{
	struct pages *pages = calloc(1, sizeof(*pages));
	if (pages == NULL)
		return STATUS_NO_MEMORY;
	pages->options = options;
	enum status status = languages_open(&pages->languages);
	if (status == STATUS_OK)
		status = follow_create(pages, &pages->follow);
	if (status == STATUS_OK)
		*out_pages = pages;
	else
		pages_free(&pages);
	return status;
}

void pages_free(struct pages **pages)
{
	if (*pages == NULL)
		return;
	follow_free(&(*pages)->follow);
	download_end_all(*pages);
	while ((*pages)->first)
		page_end((*pages)->first);
	languages_close(&(*pages)->languages);
	free(*pages);
	*pages = NULL;
}

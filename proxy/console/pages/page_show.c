/* What a browser gets: HTML, or the way to another page. Owns nothing. */
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "console/pages/files.h"
#include "console/pages/filters.h"
#include "console/pages/history.h"
#include "console/pages/page_private.h"
#include "console/pages/template.h"

#define HTML_TYPE "text/html; charset=utf-8"
#define TEMPLATE_NAME 64
#define ADDRESS_MAXIMUM 16384 /* bytes of where somebody is sent: a field, each byte as %XX */

static struct span find_words(const void *context, struct span key)
{
	return language_find(context, key);
}

static struct span find_template(const void *context, struct span name)
{
	char file[TEMPLATE_NAME];
	(void)context;
	snprintf(file, sizeof(file), "%.*s.html", SPAN_ARGS(name));
	return files_find(span_of(file));
}

/* In the place of what could not be made. */
static void say_plainly(struct visit *visit)
{
	visit_set_text(visit, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain; charset=utf-8",
		       SPAN("This page can't be made now. Try again in a moment.\n"));
	visit->answer.retry_after = 1;
}

enum status page_render(const struct language *language, const char *name, json_t *data, struct buf *html)
{
	const struct template_words words = { find_words, find_template, language };
	return template_render(find_template(NULL, span_of(name)), data, &words, html);
}

/* What senders write must not keep a page from being shown: addresses that are all "&" take five times as much. */
static enum status render_what_fits(const struct language *language, const char *name, json_t *data, struct buf *html)
{
	enum status status;
	do {
		buf_clear(html);
		status = page_render(language, name, data, html);
	} while (status == STATUS_TOO_LARGE && history_halve(data));
	return status;
}

static void render_page(const struct language *language, struct visit *visit, unsigned code, const char *name,
			json_t *data)
{
	visit->answer.type = HTML_TYPE;
	visit->answer.code = code;
	if (data == NULL || render_what_fits(language, name, data, &visit->answer.body) != STATUS_OK)
		say_plainly(visit);
}

static json_t *text_value(struct span text)
{
	return json_stringn(text.data ? text.data : "", text.size);
}

/* What every page's frame needs. */
static bool add_frame(json_t *data, const struct language *language, const char *here)
{
	return json_object_set_new(data, "language", text_value(language_code(language))) == 0 &&
	       json_object_set_new(data, "here", json_string(here)) == 0 &&
	       json_object_set_new(data, "version", json_string(SUBGATE_VERSION)) == 0;
}

/* Any link may name what is done; it is said if there are words for it. */
static void take_done(const struct page *page)
{
	char key[TEMPLATE_NAME];
	const char *done = json_string_value(json_object_get(json_object_get(page->data, "query"), "done"));
	snprintf(key, sizeof(key), "done.%s", done ? done : "");
	if (done && *done && language_find(page->language, span_of(key)).data)
		json_object_set_new(page->data, "done", json_string(done));
}

/* So that a template need not compare ranks. */
static void put_rights(json_t *data)
{
	const char *role = json_string_value(json_object_get(json_object_get(data, "reader"), "role"));
	enum table_rank rank = table_rank_of(role ? role : "");
	json_object_set_new(data, "is_staff", json_boolean(rank >= RANK_AUDITOR));
	json_object_set_new(data, "may_test", json_boolean(rank >= RANK_OPERATOR));
	json_object_set_new(data, "may_change", json_boolean(rank >= RANK_ADMIN));
}

/* How somebody may log in here. */
static void put_ways(const struct pages_options *options, json_t *data)
{
	json_object_set_new(data, "has_password", json_boolean(options->has_password));
	json_object_set_new(data, "has_provider", json_boolean(options->has_provider));
	json_object_set_new(data, "console_url", json_string(options->url));
}

void page_show_as(const struct page *page, struct visit *visit, const char *name)
{
	if (!add_frame(page->data, page->language, name)) {
		say_plainly(visit);
		return;
	}
	if (page->kind->write) {
		page->kind->write(page->data, visit);
		return;
	}
	take_done(page);
	put_rights(page->data);
	put_ways(page->pages->options, page->data);
	if (page->kind->prepare)
		page->kind->prepare(page->data);
	render_page(page->language, visit, page->code, name, page->data);
}

void page_show(const struct page *page, struct visit *visit)
{
	page_show_as(page, visit, page->kind->name);
}

void page_show_fault(const struct language *language, struct visit *visit, unsigned code, const char *why)
{
	json_t *data = json_pack("{s:s}", "why", why);
	if (data && !add_frame(data, language, "fault")) {
		json_decref(data);
		data = NULL;
	}
	render_page(language, visit, code, "fault", data);
	json_decref(data);
}

static enum status write_address(struct buf *address, const char *path, const char *argument, const char *value,
				 const char *done)
{
	TRY(buf_append_text(address, path));
	if (argument) {
		TRY(buf_printf(address, "?%s=", argument));
		TRY(filter_for_url(span_of(value), address));
	}
	if (done && *done)
		TRY(buf_printf(address, "%cdone=%s", argument ? '&' : '?', done));
	return STATUS_OK;
}

void page_send_on(struct visit *visit, const char *path, const char *argument, const char *value, const char *done)
{
	struct buf address BUF_AUTO;
	buf_init(&address, ADDRESS_MAXIMUM);
	visit_set_text(visit, MHD_HTTP_SEE_OTHER, "text/plain; charset=utf-8", SPAN("another page follows\n"));
	if (write_address(&address, path, argument, value, done) == STATUS_OK)
		visit->answer.location = span_to_string(buf_span(&address));
	if (visit->answer.location == NULL)
		say_plainly(visit);
}

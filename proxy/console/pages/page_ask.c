/* A page's questions, as the API takes them. Owns nothing. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "console/pages/page_private.h"

#define DAY_S UINT64_C(86400)
#define SOON_DAYS 30
#define DAYS_MAXIMUM 36500
/* Bytes of all names and values of a question. */
#define QUERY_MAXIMUM 32768
#define VALUE_MAXIMUM 4200 /* bytes: a field, and a limit's name */

static const char *text_in(const struct page *page, const char *part, const char *name)
{
	const char *text = json_string_value(json_object_get(json_object_get(page->data, part), name));
	return text ? text : "";
}

static uint64_t days_from_now(uint64_t days)
{
	return clock_wall_us() / 1000000 + days * DAY_S;
}

/* 0: none was chosen. */
static uint64_t read_days(const struct page *page, const char *field)
{
	uint64_t days = 0;
	if (span_to_u64(span_of(text_in(page, "form", field)), &days) != STATUS_OK || days > DAYS_MAXIMUM)
		return 0;
	return days;
}

/* What it says; NULL: it is left out. The caller's to drop. */
static json_t *read_argument(const struct page *page, const struct table_argument *argument)
{
	char limit[VALUE_MAXIMUM];
	const char *of = argument->of ? argument->of : argument->name, *text = "";
	uint64_t number = 0;
	uint64_t days = argument->source == SOURCE_SOON   ? SOON_DAYS
			: argument->source == SOURCE_DAYS ? read_days(page, of)
							  : 0;
	if (argument->source == SOURCE_READER)
		text = text_in(page, "reader", "user");
	else if (argument->source == SOURCE_FIXED)
		text = of;
	else if (argument->source == SOURCE_URL)
		text = text_in(page, "query", of);
	else if (argument->source == SOURCE_FIELD || argument->source == SOURCE_MESSAGES)
		text = text_in(page, "form", of);
	if (argument->source == SOURCE_NUMBER && span_to_u64(span_of(of), &number) == STATUS_OK)
		return json_integer((json_int_t)number);
	if (days)
		return json_integer((json_int_t)days_from_now(days));
	if (*text && argument->source == SOURCE_MESSAGES) {
		snprintf(limit, sizeof(limit), "messages_per_day=%s", text);
		text = limit;
	}
	return *text ? json_string(text) : NULL;
}

/* ---- frames */

static enum status send_question(struct page *page, unsigned index, const char *path, struct codec_list query,
				 struct span body)
{
	bool is_form = body.size > 0;
	const struct door_console_asked question = {
		.request = page->number | index,
		.address = span_of(page->address),
		.method = is_form ? SPAN("POST") : SPAN("GET"),
		.path = span_of(path),
		.query = query,
		.token = secret_reveal(&page->token),
		.proof = is_form ? span_of(text_in(page, "form", "csrf")) : (struct span){ 0 },
		.body = body,
	};
	TRY(page->pages->options->ask(page->pages->options->context, &question));
	page->waiting++;
	return STATUS_OK;
}

enum status page_ask_session(struct page *page)
{
	struct buf none BUF_AUTO;
	buf_init(&none, QUERY_MAXIMUM);
	page->stage = PAGE_KNOWS_WHO;
	return send_question(page, 0, "/api/v1/session", codec_list_of(&none), (struct span){ 0 });
}

static enum status add_argument(struct buf *list, const char *name, const json_t *value)
{
	char number[24];
	snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
	TRY(codec_list_add(list, span_of(name)));
	return codec_list_add(list, span_of(json_is_string(value) ? json_string_value(value) : number));
}

static enum status ask_question(struct page *page, unsigned index, const struct table_question *question)
{
	struct buf list BUF_AUTO;
	buf_init(&list, QUERY_MAXIMUM);
	for (size_t i = 0; i < TABLE_ARGUMENTS && question->arguments[i].source; i++) {
		json_t *value = read_argument(page, &question->arguments[i]);
		enum status status = value ? add_argument(&list, question->arguments[i].name, value) : STATUS_OK;
		json_decref(value);
		TRY(status);
	}
	return send_question(page, index, question->path, codec_list_of(&list), (struct span){ 0 });
}

enum status page_ask_questions(struct page *page)
{
	page->stage = PAGE_ASKS;
	for (unsigned i = 0; i < TABLE_QUESTIONS && page->kind->questions[i].name; i++)
		TRY(ask_question(page, i + PAGE_FIRST_QUESTION, &page->kind->questions[i]));
	return STATUS_OK;
}

/* ---- forms */

/* STATUS_INVALID: nothing is filled in, and admin may take that for everything. */
static enum status read_body(const struct page *page, json_t *body)
{
	const struct table_argument *arguments = page->form->arguments;
	for (size_t i = 0; i < TABLE_ARGUMENTS && arguments[i].source; i++) {
		json_t *value = read_argument(page, &arguments[i]);
		if (value && json_object_set_new(body, arguments[i].name, value) != 0)
			return STATUS_NO_MEMORY;
	}
	return arguments[0].source && json_object_size(body) == 0 ? STATUS_INVALID : STATUS_OK;
}

enum status page_ask_to_do(struct page *page, const char *path, json_t *body)
{
	struct buf none BUF_AUTO;
	char *text = json_write(body);
	buf_init(&none, QUERY_MAXIMUM);
	if (text == NULL)
		return STATUS_NO_MEMORY;
	enum status status = send_question(page, 0, path, codec_list_of(&none), span_of(text));
	free(text);
	return status;
}

enum status page_ask_form(struct page *page)
{
	json_t *body = json_object();
	page->stage = PAGE_ACTS;
	enum status status = body ? read_body(page, body) : STATUS_NO_MEMORY;
	if (status == STATUS_OK)
		status = page_ask_to_do(page, page->form->asks, body);
	json_decref(body);
	return status;
}

/* A page under way: its beginning, its end, and what all that answer one need. Owns its memory. */
#include <microhttpd.h>
#include <stdlib.h>

#include "base/json_text.h"
#include "console/asking.h"
#include "console/pages/page_private.h"

/* Each holds answers of up to a frame of the door. */
#define PAGES_MAXIMUM 128
/* Of those that hold a form alone, and wait as long as a wrong password does: they leave room for who is logged in. */
#define LOGINS_MAXIMUM 512

static size_t *count_of(struct pages *pages, bool is_login)
{
	return is_login ? &pages->login_count : &pages->count;
}

void page_end(struct page *page)
{
	struct page **at = &page->pages->first;
	while (*at != page)
		at = &(*at)->next;
	*at = page->next;
	*count_of(page->pages, page->is_login) -= 1;
	secret_wipe(&page->token);
	json_decref(page->data);
	free(page);
}

struct page *page_begin(struct pages *pages, const struct visit *visit, const struct language *language, bool is_login)
{
	bool has_room = *count_of(pages, is_login) < (is_login ? LOGINS_MAXIMUM : PAGES_MAXIMUM);
	struct page *page = has_room ? calloc(1, sizeof(*page)) : NULL;
	if (page == NULL)
		return NULL;
	page->is_login = is_login;
	page->pages = pages;
	page->number = page_next_number(pages);
	page->visit = visit->number;
	page->language = language;
	page->code = MHD_HTTP_OK;
	page->data = json_object();
	page->next = pages->first;
	pages->first = page;
	*count_of(pages, is_login) += 1;
	asking_find_address(visit, pages->options->has_tls, page->address);
	struct span token = head_find_cookie(visit_field(visit, "Cookie"), SPAN(SESSION_COOKIE));
	if (page->data && (token.size == 0 || secret_from_span(token, &page->token) == STATUS_OK))
		return page;
	page_end(page);
	return NULL;
}

uint64_t page_next_number(struct pages *pages)
{
	return PAGES_NUMBERS | ++pages->last_number << PAGE_QUESTION_BITS;
}

json_t *page_read_answer(const struct door_console_answered *answered)
{
	json_t *answer = json_read(answered->body);
	const char *error = json_string_value(json_object_get(answer, "error"));
	if (json_is_object(answer) && (answered->code == MHD_HTTP_OK || error))
		return answer;
	json_decref(answer);
	return json_pack("{s:s}", "error", "no answer");
}

void page_answer(struct page *page, void (*set)(const struct page *page, struct visit *visit))
{
	struct site *site = page->pages->options->site(page->pages->options->context);
	struct visit *visit = site_find(site, page->visit);
	if (visit) {
		set(page, visit);
		site_answer(site, visit);
	}
	page_end(page);
}

void page_set_unavailable(const struct page *page, struct visit *visit)
{
	page_show_fault(page->language, visit, MHD_HTTP_SERVICE_UNAVAILABLE, "away");
	visit->answer.retry_after = 1;
}

bool page_is_from_here(const struct visit *visit)
{
	struct span site = visit_field(visit, "Sec-Fetch-Site");
	return span_is_empty(site) || span_equal(site, SPAN("same-origin")) || span_equal(site, SPAN("none"));
}

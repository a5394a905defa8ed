/* Owns what was gathered and made of it. */
#include "console/pages/outlook.h"

#include <microhttpd.h>
#include <string.h>

#include "base/clock.h"
#include "console/pages/events.h"

/* Bytes of a page (visit.c). */
#define HTML_MAXIMUM (1U << 20)

/* As long as a role's answer may take, after which admin says that none came. */
#define GATHER_MS 70000U
/* The part of the page that follows what happens: a template. */
#define TEMPLATE "now_live"

static const struct table_page *find_kind(void)
{
	return table_find_page(SPAN(OUTLOOK_PAGE));
}

void outlook_clear(struct outlook *outlook)
{
	for (size_t i = 0; i < outlook->rendition_count; i++)
		buf_free(&outlook->renditions[i].event);
	json_decref(outlook->data);
	*outlook = (struct outlook){ 0 };
}

bool outlook_is_under_way(const struct outlook *outlook, uint64_t now_ms)
{
	return outlook->waiting > 0 && now_ms - outlook->begun_ms < GATHER_MS;
}

static enum status ask_questions(struct outlook *outlook, struct span token, const char *address)
{
	const struct pages_options *options = outlook->pages->options;
	const struct table_question *questions = find_kind()->questions;
	struct buf none BUF_AUTO;
	buf_init(&none, 1);
	for (unsigned i = 0; i < TABLE_QUESTIONS && questions[i].name; i++) {
		const struct door_console_asked question = {
			.request = outlook->number | (i + PAGE_FIRST_QUESTION),
			.address = span_of(address),
			.method = SPAN("GET"),
			.path = span_of(questions[i].path),
			.query = codec_list_of(&none),
			.token = token,
			.is_unattended = 1,
		};
		TRY(options->ask(options->context, &question));
		outlook->waiting++;
	}
	return STATUS_OK;
}

enum status outlook_gather(struct outlook *outlook, struct pages *pages, struct span token, const char *address)
{
	outlook_clear(outlook);
	outlook->pages = pages;
	outlook->number = page_next_number(pages);
	outlook->begun_ms = clock_monotonic_ms();
	outlook->data = json_object();
	enum status status = outlook->data ? ask_questions(outlook, token, address) : STATUS_NO_MEMORY;
	if (status != STATUS_OK)
		outlook_clear(outlook);
	return status;
}

/* Whoever may not know, as their right has ended meanwhile, or asks too much, leaves nothing for others to see. */
static bool is_refusal(unsigned code)
{
	return code == MHD_HTTP_UNAUTHORIZED || code == MHD_HTTP_FORBIDDEN || code == MHD_HTTP_NOT_FOUND ||
	       code == MHD_HTTP_TOO_MANY_REQUESTS;
}

bool outlook_take_answer(struct outlook *outlook, const struct door_console_answered *answered)
{
	unsigned index = answered->request & ((1U << PAGE_QUESTION_BITS) - 1);
	if (outlook->number == 0 || answered->request - index != outlook->number)
		return false;
	const char *name =
		index >= PAGE_FIRST_QUESTION ? find_kind()->questions[index - PAGE_FIRST_QUESTION].name : NULL;
	if (name == NULL || outlook->waiting == 0 || is_refusal(answered->code) ||
	    json_object_set_new(outlook->data, name, page_read_answer(answered)) != 0) {
		outlook_clear(outlook);
		return true;
	}
	if (--outlook->waiting == 0) {
		find_kind()->prepare(outlook->data);
		outlook->is_ready = true;
	}
	return true;
}

static void render_event(struct outlook *outlook, const struct language *language, struct buf *event)
{
	struct buf html BUF_AUTO;
	buf_init(&html, HTML_MAXIMUM);
	enum status status = page_render(language, TEMPLATE, outlook->data, &html);
	if (status == STATUS_OK)
		status = events_add_message(buf_span(&html), event);
	if (status != STATUS_OK)
		buf_clear(event);
}

struct span outlook_event(struct outlook *outlook, const struct language *language)
{
	size_t i = 0;
	while (i < outlook->rendition_count && outlook->renditions[i].language != language)
		i++;
	if (!outlook->is_ready || i == OUTLOOK_LANGUAGES)
		return (struct span){ 0 };
	if (i == outlook->rendition_count) {
		outlook->renditions[i].language = language;
		buf_init(&outlook->renditions[i].event, OUTLOOK_MAXIMUM);
		render_event(outlook, language, &outlook->renditions[i].event);
		outlook->rendition_count++;
	}
	return buf_span(&outlook->renditions[i].event);
}

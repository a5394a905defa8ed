/*
 * quota history: what one user has sent day by day, or everybody on some days together, a page at a time. Owns the
 * questions that wait for Redis.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "base/name.h"
#include "quota/quota_control.h"
#include "relay/control.h"

#define DAYS_UNASKED 14
#define HISTORY_MAXIMUM 16384 /* bytes of one user's */
#define UNAVAILABLE "quota service unavailable"

/* One that waits. Invariant: in control->retrospects from begin to end. */
struct retrospect {
	struct retrospect *next;
	struct control *control;
	uint64_t request, generation;
	size_t days;
	/* A list: its rows, and how many answers are to come. */
	struct buf text;
	struct json_writer rows;
	char after[QUOTA_PAGE_CURSOR_SIZE];
	size_t awaited;
	bool has_failed;
};

static struct retrospect *begin_retrospect(struct control *control, uint64_t request, size_t days)
{
	struct retrospect *retrospect = calloc(1, sizeof(*retrospect));
	if (retrospect == NULL) {
		control_refuse(control, request, "out of memory");
		return NULL;
	}
	*retrospect = (struct retrospect){ .next = control->retrospects,
					   .control = control,
					   .request = request,
					   .generation = control->generation,
					   .days = days };
	control->retrospects = retrospect;
	return retrospect;
}

static void forget_retrospect(struct retrospect *retrospect)
{
	struct retrospect **at = &retrospect->control->retrospects;
	while (*at != retrospect)
		at = &(*at)->next;
	*at = retrospect->next;
	buf_free(&retrospect->text);
	free(retrospect);
}

/* The last answer; NULL: there was no memory for it. */
static void answer_retrospect(struct retrospect *retrospect, json_t *answer)
{
	if (retrospect->generation == retrospect->control->generation)
		control_reply(retrospect->control, retrospect->request, answer);
	else
		json_decref(answer);
	forget_retrospect(retrospect);
}

static void refuse_retrospect(struct retrospect *retrospect, const char *error)
{
	if (retrospect->generation == retrospect->control->generation)
		control_refuse(retrospect->control, retrospect->request, error);
	forget_retrospect(retrospect);
}

/* ---- what a history says */

static void put_sent(struct json_writer *object, const struct quota_sent *sent)
{
	json_put_number(object, SPAN("messages"), (int64_t)sent->messages);
	json_put_number(object, SPAN("recipients"), (int64_t)sent->recipients);
	json_put_number(object, SPAN("bytes"), (int64_t)sent->bytes);
}

static struct quota_sent add_days(const struct quota_history *history)
{
	struct quota_sent whole = { 0 };
	for (size_t i = 0; i < history->count; i++) {
		whole.messages += history->days[i].messages;
		whole.recipients += history->days[i].recipients;
		whole.bytes += history->days[i].bytes;
	}
	return whole;
}

/* The user, and all that they have sent. */
static void put_whole(struct json_writer *object, const struct quota_report *report, const struct quota_sent *whole)
{
	json_put_text(object, SPAN("user"), report->name.name);
	put_sent(object, whole);
}

static void put_days(struct json_writer *object, const struct quota_history *history)
{
	json_open_array(object, SPAN("days"));
	for (size_t i = 0; i < history->count; i++) {
		char date[QUOTA_DATE_SIZE];
		quota_history_date(history, i, date);
		json_open_object(object, SPAN(""));
		json_put_text(object, SPAN("day"), span_of(date));
		put_sent(object, &history->days[i]);
		json_close_object(object);
	}
	json_close_array(object);
}

static json_t *describe_history(const struct quota_report *report, size_t days)
{
	struct quota_history history;
	struct json_writer object;
	struct buf text BUF_AUTO;
	buf_init(&text, HISTORY_MAXIMUM);
	json_writer_begin(&object, &text);
	quota_history_of(&report->past, days, &history);
	const struct quota_sent whole = add_days(&history);
	put_whole(&object, report, &whole);
	json_put_true(&object, SPAN("ok"));
	put_days(&object, &history);
	json_close_object(&object);
	return object.status == STATUS_OK ? json_read(buf_span(&text)) : NULL;
}

static enum status ask_to_look_back(struct retrospect *retrospect, const struct quota_name *name,
				    quota_report_callback *callback)
{
	const struct quota_limits not_shown = { 0 };
	return quota_look_back(retrospect->control->services->quota, name, &not_shown, true, callback, retrospect);
}

/* ---- one user */

static void on_history(void *context, const struct quota_report *report)
{
	struct retrospect *retrospect = context;
	if (report == NULL) {
		refuse_retrospect(retrospect, UNAVAILABLE);
		return;
	}
	answer_retrospect(retrospect, describe_history(report, retrospect->days));
}

static void look_at_user(struct control *control, uint64_t request, struct span user, size_t days)
{
	char canonical[NAME_SIZE];
	if (name_canonical(user, canonical) != STATUS_OK) {
		control_refuse(control, request, "a user is wanted");
		return;
	}
	const struct quota_name name = { span_of(canonical), false };
	struct retrospect *retrospect = begin_retrospect(control, request, days);
	if (retrospect && ask_to_look_back(retrospect, &name, on_history) != STATUS_OK)
		refuse_retrospect(retrospect, UNAVAILABLE);
}

/* ---- everybody */

static void end_page(struct retrospect *retrospect)
{
	if (retrospect->has_failed) {
		refuse_retrospect(retrospect, UNAVAILABLE);
		return;
	}
	if (retrospect->generation == retrospect->control->generation &&
	    !control_reply_list(retrospect->control, retrospect->request, &retrospect->rows, retrospect->after))
		control_refuse(retrospect->control, retrospect->request, "out of memory");
	forget_retrospect(retrospect);
}

static void put_row(struct retrospect *retrospect, const struct quota_report *report)
{
	struct json_writer *rows = &retrospect->rows;
	struct quota_history history;
	quota_history_of(&report->past, retrospect->days, &history);
	const struct quota_sent whole = add_days(&history);
	if (whole.messages == 0)
		return;
	json_open_object(rows, SPAN(""));
	put_whole(rows, report, &whole);
	json_close_object(rows);
}

static void on_row(void *context, const struct quota_report *report)
{
	struct retrospect *retrospect = context;
	retrospect->has_failed = retrospect->has_failed || report == NULL;
	if (report)
		put_row(retrospect, report);
	if (--retrospect->awaited == 0)
		end_page(retrospect);
}

/* Users alone: what they share comes after them, and is counted with each of them. */
static void on_page(void *context, const struct quota_name *names, size_t count, const char *next)
{
	struct retrospect *retrospect = context;
	retrospect->has_failed = names == NULL;
	snprintf(retrospect->after, sizeof(retrospect->after), "%s", next[0] == 's' ? "" : next);
	for (size_t i = 0; i < count && !retrospect->has_failed; i++) {
		if (names[i].is_shared)
			continue;
		if (ask_to_look_back(retrospect, &names[i], on_row) == STATUS_OK)
			retrospect->awaited++;
		else
			retrospect->has_failed = true;
	}
	if (retrospect->awaited == 0)
		end_page(retrospect);
}

static void list_everybody(struct control *control, uint64_t request, const json_t *object, size_t days)
{
	const char *after = json_string_value(json_object_get(object, "after"));
	struct retrospect *retrospect = begin_retrospect(control, request, days);
	if (retrospect == NULL)
		return;
	control_begin_list(&retrospect->rows, &retrospect->text);
	enum status status = quota_list(control->services->quota, after ? after : "", on_page, retrospect);
	if (status != STATUS_OK)
		refuse_retrospect(retrospect, status == STATUS_INVALID ? "no such page" : UNAVAILABLE);
}

/* ---- the command */

void control_list_history(struct control *control, uint64_t request, const json_t *object)
{
	const json_t *user = json_object_get(object, "user"), *asked = json_object_get(object, "days");
	json_int_t days = asked ? json_integer_value(asked) : DAYS_UNASKED;
	if (days < 1 || days > QUOTA_HISTORY_DAYS)
		control_refuse(control, request, "days is a number from 1 to 31");
	else if (user)
		look_at_user(control, request, (struct span){ json_string_value(user), json_string_length(user) },
			     (size_t)days);
	else
		list_everybody(control, request, object, (size_t)days);
}

void control_retrospects_free(struct control *control)
{
	while (control->retrospects)
		forget_retrospect(control->retrospects);
}

/* quota top: who has sent most. Owns the questions that wait for the standings. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "relay/control.h"
#include "relay/standings.h"

#define ROWS_UNASKED 20

struct question {
	struct control *control;
	uint64_t request, generation;
	size_t rows;
};

/* ---- what the answer says */

static void put_moment(struct json_writer *object, struct span name, uint64_t at_s)
{
	char text[CLOCK_TEXT_SIZE];
	clock_format_seconds(at_s, text);
	json_put_text(object, name, span_of(text));
}

/* As quota show has it. */
static void put_today(struct json_writer *row, const struct ranked *today)
{
	json_put_number(row, SPAN("used"), (int64_t)today->messages);
	json_put_number(row, SPAN("limit"), (int64_t)today->limit);
	put_moment(row, SPAN("resets_at"), today->resets_at);
	if (today->limit)
		json_put_number(row, SPAN("left"),
				today->messages < today->limit ? (int64_t)(today->limit - today->messages) : 0);
	json_put_number(row, SPAN("recipients_used"), (int64_t)today->recipients);
}

/* As quota history has it. */
static void put_month(struct json_writer *row, const struct ranked *month)
{
	json_put_number(row, SPAN("messages"), (int64_t)month->messages);
	json_put_number(row, SPAN("recipients"), (int64_t)month->recipients);
	json_put_number(row, SPAN("bytes"), (int64_t)month->bytes);
}

static void put_ranking(struct json_writer *object, struct span name, const struct ranking *ranking, size_t most,
			void (*put)(struct json_writer *row, const struct ranked *figures))
{
	json_open_array(object, name);
	for (size_t i = 0; i < ranking->count && i < most; i++) {
		json_open_object(object, SPAN(""));
		json_put_text(object, SPAN("user"), ranking_user(ranking->rows[i]));
		put(object, &ranking->rows[i]->figures);
		json_close_object(object);
	}
	json_close_array(object);
}

static void put_found(struct json_writer *object, const struct standings_found *found, size_t most)
{
	json_put_true(object, SPAN("ok"));
	put_moment(object, SPAN("at"), found->at_s);
	if (found->is_whole)
		json_put_true(object, SPAN("whole"));
	json_put_number(object, SPAN("looked_at"), (int64_t)found->looked_at);
	json_put_number(object, SPAN("senders"), (int64_t)found->senders);
	json_put_number(object, SPAN("sent"), (int64_t)found->sent);
	put_ranking(object, SPAN("today"), &found->today, most, put_today);
	put_ranking(object, SPAN("month"), &found->month, most, put_month);
}

static void reply_with(const struct question *question, const struct standings_found *found)
{
	struct json_writer object;
	struct buf text BUF_AUTO;
	buf_init(&text, DOOR_FRAME_MAXIMUM);
	json_writer_begin(&object, &text);
	put_found(&object, found, question->rows);
	json_close_object(&object);
	if (object.status == STATUS_OK)
		control_reply_text(question->control, question->request, buf_span(&text));
	else
		control_refuse(question->control, question->request, "out of memory");
}

/* ---- the command */

static void on_found(void *context, const struct standings_found *found)
{
	struct question *question = context;
	bool is_awaited = question->generation == question->control->generation;
	if (is_awaited && found)
		reply_with(question, found);
	else if (is_awaited)
		control_refuse(question->control, question->request, "quota service unavailable");
	free(question);
}

static enum status ask_standings(struct control *control, uint64_t request, size_t rows)
{
	if (control->standings == NULL)
		TRY(standings_create(control->services, &control->standings));
	struct question *question = calloc(1, sizeof(*question));
	if (question == NULL)
		return STATUS_NO_MEMORY;
	*question = (struct question){ control, request, control->generation, rows };
	enum status status = standings_ask(control->standings, on_found, question);
	if (status != STATUS_OK)
		free(question);
	return status;
}

void control_show_top(struct control *control, uint64_t request, const json_t *object)
{
	const json_t *given = json_object_get(object, "limit");
	json_int_t rows = given ? json_integer_value(given) : ROWS_UNASKED;
	if (rows < 1 || rows > RANKING_ROWS)
		control_refuse(control, request, "limit is a number from 1 to 200");
	else if (ask_standings(control, request, (size_t)rows) != STATUS_OK)
		control_refuse(control, request, "out of memory");
}

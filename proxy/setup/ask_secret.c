/* Questions whose answers nobody else may see: not echoed, not repeated, and wiped. */
#include <errno.h>
#include <string.h>

#include "base/ascii.h"
#include "setup/ask_private.h"

/* Copies what counts of it: without its line end; without any blanks, if they only group it. */
static void tidy_secret(struct span text, bool is_grouped, char out_text[ASK_SIZE])
{
	size_t size = 0;
	while (text.size && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r'))
		text.size--;
	for (size_t i = 0; i < text.size && size + 1 < ASK_SIZE; i++) {
		bool is_blank = text.data[i] == ' ' || text.data[i] == '\t' ||
				(text.data[i] == '\xA0' || text.data[i] == '\xC2'); /* U+00A0, as web pages have it */
		if (!is_grouped || !is_blank)
			out_text[size++] = text.data[i];
	}
	out_text[size] = '\0';
}

static const char *judge_secret(const char *text, ask_judge *judge)
{
	for (const char *c = text; *c; c++)
		if (ascii_is_control(*c))
			return "It has control characters.";
	return judge && *text ? judge(text) : NULL;
}

static enum status read_answer(struct ask *ask, enum question question, char out_text[ASK_SIZE])
{
	const struct answer *answer = ask_take_answer(ask, question);
	struct secret secret SECRET_AUTO = { 0 };
	struct span text = answer->value;
	char path[ASK_SIZE];
	if (answer->is_file) {
		snprintf(path, sizeof(path), "%.*s", SPAN_ARGS(answer->value));
		if (secret_from_path(path, &secret) != STATUS_OK)
			return ask_refuse_answer(ask, question, strerror(errno));
		text = secret_reveal(&secret);
	}
	if (text.size >= ASK_SIZE)
		return ask_refuse_answer(ask, question, "too long");
	snprintf(out_text, ASK_SIZE, "%.*s", SPAN_ARGS(text));
	return STATUS_OK;
}

static void show_hidden(struct ask *ask, const char *kept, const char *text)
{
	ask_show_prompt(ask, kept ? kept : "");
	fprintf(ask->out, "%s\n", *text ? "(not shown)" : "");
}

static enum status get_secret(struct ask *ask, enum question question, const char *kept, bool is_grouped,
			      ask_judge *judge, char text[ASK_SIZE])
{
	char line[ASK_SIZE];
	for (;;) {
		enum status status =
			ask->answers ? read_answer(ask, question, line) : ask_read_hidden(ask, kept ? kept : "", line);
		if (status == STATUS_OK)
			tidy_secret(span_of(line), is_grouped, text);
		explicit_bzero(line, sizeof(line));
		if (status == STATUS_END || status == STATUS_INVALID)
			return status;
		const char *fault = status == STATUS_OK ? judge_secret(text, judge) : "That line is too long.";
		if (fault == NULL && *text == '\0' && kept == NULL)
			fault = "There is none yet, so it is needed.";
		if (fault == NULL)
			break;
		if (ask->answers)
			return ask_refuse_answer(ask, question, fault);
		ask_complain(ask, fault);
	}
	if (ask->answers)
		show_hidden(ask, kept, text);
	return STATUS_OK;
}

enum status ask_secret(struct ask *ask, enum question question, const char *kept, bool is_grouped, ask_judge *judge,
		       struct secret *out_secret)
{
	char text[ASK_SIZE] = "";
	ask_show_question(ask, question);
	enum status status = get_secret(ask, question, kept, is_grouped, judge, text);
	if (status == STATUS_OK && *text)
		status = secret_from_span(span_of(text), out_secret);
	explicit_bzero(text, sizeof(text));
	return status;
}

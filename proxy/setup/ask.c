/* The dialogue. Lines are read byte by byte, so that what follows them stays for whoever reads after us. */
#include "setup/ask_private.h"

#include <errno.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/text.h"
#include "setup/interrupt.h"

/* ---- the terminal */

void ask_show_question(struct ask *ask, enum question question)
{
	ask->count++;
	fprintf(ask->out, "\n%s: %s\n", questions[question].title, questions[question].help);
}

void ask_show_prompt(struct ask *ask, const char *fallback)
{
	if (*fallback)
		fprintf(ask->out, "[%s] > ", fallback);
	else
		fputs("> ", ask->out);
	fflush(ask->out);
}

static enum status leave_line(struct ask *ask)
{
	fputc('\n', ask->out);
	return STATUS_END;
}

/* Without its line end. STATUS_TOO_LARGE: the rest of the line was skipped. */
static enum status read_line(struct ask *ask, char out_line[ASK_SIZE])
{
	size_t size = 0;
	bool is_cut = false;
	for (;;) {
		char c;
		ssize_t got = interrupt_wait(ask->in) ? read(ask->in, &c, 1) : 0;
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return leave_line(ask);
		if (c == '\n')
			break;
		if (size + 1 < ASK_SIZE)
			out_line[size++] = c;
		else
			is_cut = true;
	}
	if (size && out_line[size - 1] == '\r')
		size--;
	out_line[size] = '\0';
	return is_cut || strlen(out_line) != size ? STATUS_TOO_LARGE : STATUS_OK;
}

/*
 * Nothing is echoed until it was read, whatever happens meanwhile. The prompt comes once that is so: what is typed as
 * soon as it is seen is neither shown nor thrown away.
 */
enum status ask_read_hidden(struct ask *ask, const char *fallback, char out_line[ASK_SIZE])
{
	struct termios shown, hidden;
	bool is_terminal = tcgetattr(ask->in, &shown) == 0;
	if (is_terminal) {
		hidden = shown;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(ask->in, TCSAFLUSH, &hidden);
	}
	ask_show_prompt(ask, fallback);
	enum status status = read_line(ask, out_line);
	if (is_terminal) {
		tcsetattr(ask->in, TCSAFLUSH, &shown);
		if (status != STATUS_END)
			fputc('\n', ask->out);
	}
	return status;
}

void ask_complain(struct ask *ask, const char *what)
{
	fprintf(ask->out, "  %s\n", what);
}

/* ---- the file */

const struct answer *ask_take_answer(struct ask *ask, enum question question)
{
	struct answer *answer = &ask->answers->of[question];
	answer->is_used = true;
	return answer;
}

enum status ask_refuse_answer(struct ask *ask, enum question question, const char *what)
{
	const struct answer *answer = &ask->answers->of[question];
	fprintf(ask->errors, "%s:%u: %s: %s\n", ask->answers->file, answer->line ? answer->line : 1,
		questions[question].name, what);
	return STATUS_INVALID;
}

static enum status copy_answer(struct ask *ask, enum question question, const char *fallback, char out_text[ASK_SIZE])
{
	const struct answer *answer = ask_take_answer(ask, question);
	if (interrupt_came())
		return leave_line(ask);
	if (answer->value.size >= ASK_SIZE || span_contains_byte(answer->value, '\0'))
		return ask_refuse_answer(ask, question, "too long");
	if (answer->value.size)
		snprintf(out_text, ASK_SIZE, "%.*s", SPAN_ARGS(answer->value));
	else
		snprintf(out_text, ASK_SIZE, "%s", fallback);
	return STATUS_OK;
}

/* ---- texts */

static const char *judge_text(const char *text, ask_judge *judge)
{
	char copy[ASK_SIZE];
	snprintf(copy, sizeof(copy), "%s", text);
	text_blank_controls(copy, strlen(copy));
	if (strcmp(copy, text) != 0 || strstr(text, "${"))
		return "control characters and ${ can't stand in a configuration.";
	return judge ? judge(text) : NULL;
}

static void settle_text(const char *line, const char *fallback, char out_text[ASK_SIZE])
{
	struct span text = span_trim(span_of(line));
	if (span_is_empty(text))
		text = span_of(fallback);
	snprintf(out_text, ASK_SIZE, "%.*s", span_equal(text, SPAN("-")) ? 0 : (int)text.size, text.data);
}

static enum status ask_file(struct ask *ask, enum question question, const char *fallback, ask_judge *judge,
			    char out_text[ASK_SIZE])
{
	char line[ASK_SIZE], text[ASK_SIZE];
	TRY(copy_answer(ask, question, fallback, line));
	settle_text(line, "", text);
	const char *fault = judge_text(text, judge);
	if (fault)
		return ask_refuse_answer(ask, question, fault);
	ask_show_prompt(ask, fallback);
	fprintf(ask->out, "%s\n", *text ? text : "-");
	memcpy(out_text, text, sizeof(text));
	return STATUS_OK;
}

enum status ask_text(struct ask *ask, enum question question, const char *fallback, ask_judge *judge,
		     char out_text[ASK_SIZE])
{
	char line[ASK_SIZE], text[ASK_SIZE];
	ask_show_question(ask, question);
	if (ask->answers)
		return ask_file(ask, question, fallback, judge, out_text);
	for (;;) {
		ask_show_prompt(ask, fallback);
		enum status status = read_line(ask, line);
		if (status == STATUS_END)
			return status;
		settle_text(line, fallback, text);
		const char *fault = status == STATUS_OK ? judge_text(text, judge) : "That line is too long.";
		if (fault == NULL)
			break;
		ask_complain(ask, fault);
	}
	memcpy(out_text, text, sizeof(text));
	return STATUS_OK;
}

/* ---- choices */

static bool find_choice(struct span text, const struct ask_choice *choices, size_t count, size_t *out_index)
{
	uint64_t number;
	for (size_t i = 0; i < count; i++) {
		if (span_equal_nocase(text, span_of(choices[i].name))) {
			*out_index = i;
			return true;
		}
	}
	if (span_to_u64(text, &number) != STATUS_OK || number < 1 || number > count)
		return false;
	*out_index = (size_t)number - 1;
	return true;
}

enum status ask_choice(struct ask *ask, enum question question, const struct ask_choice *choices, size_t count,
		       size_t fallback, size_t *out_index)
{
	char line[ASK_SIZE];
	ask_show_question(ask, question);
	for (size_t i = 0; i < count; i++)
		fprintf(ask->out, "  %zu  %-18s %s\n", i + 1, choices[i].name, choices[i].label);
	for (;;) {
		if (!ask->answers)
			ask_show_prompt(ask, choices[fallback].name);
		enum status status =
			ask->answers ? copy_answer(ask, question, choices[fallback].name, line) : read_line(ask, line);
		if (status == STATUS_END || status == STATUS_INVALID)
			return status;
		struct span text = span_trim(span_of(line));
		if (span_is_empty(text))
			text = span_of(choices[fallback].name);
		if (status == STATUS_OK && find_choice(text, choices, count, out_index))
			break;
		if (ask->answers)
			return ask_refuse_answer(ask, question, "none of the names that can be chosen");
		ask_complain(ask, "Type one of the names, or its number.");
	}
	if (ask->answers) {
		ask_show_prompt(ask, choices[fallback].name);
		fprintf(ask->out, "%s\n", choices[*out_index].name);
	}
	return STATUS_OK;
}

enum status ask_yes(struct ask *ask, enum question question, bool fallback, bool *out_yes)
{
	static const struct ask_choice choices[] = { { "yes", "" }, { "no", "" }, { "y", "" }, { "n", "" } };
	char line[ASK_SIZE];
	size_t index;
	const char *usual = fallback ? "yes" : "no";
	ask_show_question(ask, question);
	for (;;) {
		ask_show_prompt(ask, usual);
		enum status status = ask->answers ? copy_answer(ask, question, usual, line) : read_line(ask, line);
		if (status == STATUS_END || status == STATUS_INVALID)
			return status;
		struct span text = span_trim(span_of(line));
		if (status == STATUS_OK && find_choice(span_is_empty(text) ? span_of(usual) : text, choices, 4, &index))
			break;
		if (ask->answers)
			return ask_refuse_answer(ask, question, "expected yes or no");
		ask_complain(ask, "Type yes or no.");
	}
	*out_yes = index % 2 == 0;
	if (ask->answers)
		fprintf(ask->out, "%s\n", *out_yes ? "yes" : "no");
	return STATUS_OK;
}

/* Reading an answers file. All faults of a file are told in one run. */
#include "setup/answers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"

#define OTHERS_MODE 0077U
#define FILE_SUFFIX "_file"

struct reading {
	struct answers *answers;
	FILE *faults;
	unsigned line;
	bool failed;
};

__attribute__((format(printf, 2, 3))) static void add_fault(struct reading *reading, const char *format, ...)
{
	va_list args;
	fprintf(reading->faults, "%s:%u: ", reading->answers->file, reading->line);
	va_start(args, format);
	vfprintf(reading->faults, format, args);
	va_end(args);
	fputc('\n', reading->faults);
	reading->failed = true;
}

/* QUESTIONS: there is none of this name. */
static enum question find_question(struct span name, bool *out_is_file)
{
	for (unsigned i = 0; i < QUESTIONS; i++) {
		struct span known = span_of(questions[i].name);
		if (span_equal(name, known)) {
			*out_is_file = false;
			return (enum question)i;
		}
		if (questions[i].is_secret && name.size == known.size + sizeof(FILE_SUFFIX) - 1 &&
		    span_starts_with(name, known) &&
		    span_equal(span_slice(name, known.size, name.size), SPAN(FILE_SUFFIX))) {
			*out_is_file = true;
			return (enum question)i;
		}
	}
	return QUESTIONS;
}

static void read_line(struct reading *reading, struct span line)
{
	struct span rest = line, name;
	bool is_file = false;
	line = span_trim(line);
	if (span_is_empty(line) || line.data[0] == '#')
		return;
	if (!span_contains_byte(line, '=') || !span_cut(&rest, '=', &name)) {
		add_fault(reading, "expected name = value");
		return;
	}
	name = span_trim(name);
	enum question question = find_question(name, &is_file);
	if (question == QUESTIONS) {
		struct span shown = span_is_printable(name) ? span_slice(name, 0, 40) : SPAN("?");
		add_fault(reading, "unknown name \"%.*s\"; conf/setup.md has them all", SPAN_ARGS(shown));
		return;
	}
	struct answer *answer = &reading->answers->of[question];
	if (answer->line)
		add_fault(reading, "%s: given in line %u already", questions[question].name, answer->line);
	else
		*answer = (struct answer){ .value = span_trim(rest), .line = reading->line, .is_file = is_file };
}

enum status answers_parse(struct span text, const char *file, FILE *faults, struct answers *out_answers)
{
	struct reading reading = { .answers = out_answers, .faults = faults };
	struct span rest, line;
	*out_answers = (struct answers){ .file = file };
	buf_init_sensitive(&out_answers->text, ANSWERS_MAXIMUM);
	enum status status = buf_append(&out_answers->text, text);
	rest = buf_span(&out_answers->text);
	while (status == STATUS_OK && span_cut(&rest, '\n', &line)) {
		reading.line++;
		if (line.size && line.data[line.size - 1] == '\r')
			line.size--;
		read_line(&reading, line);
	}
	if (status == STATUS_OK && reading.failed)
		status = STATUS_INVALID;
	if (status != STATUS_OK)
		answers_free(out_answers);
	return status;
}

static bool has_secret(const struct answers *answers)
{
	for (unsigned i = 0; i < QUESTIONS; i++)
		if (questions[i].is_secret && answers->of[i].line && !answers->of[i].is_file)
			return true;
	return false;
}

static enum status read_open_file(int fd, const char *file, FILE *faults, struct answers *out_answers)
{
	struct secret text SECRET_AUTO = { 0 };
	struct stat info;
	if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > (off_t)ANSWERS_MAXIMUM) {
		fprintf(faults, "%s:1: expected a file of at most %u bytes\n", file, ANSWERS_MAXIMUM);
		return STATUS_INVALID;
	}
	TRY(secret_from_fd(fd, &text));
	TRY(answers_parse(secret_reveal(&text), file, faults, out_answers));
	if (!has_secret(out_answers) || (info.st_mode & OTHERS_MODE) == 0)
		return STATUS_OK;
	fprintf(faults, "%s:1: mode %04o lets others at the secrets in it; expected 0600: chmod 600 '%s'\n", file,
		(unsigned)info.st_mode & 07777U, file);
	answers_free(out_answers);
	return STATUS_INVALID;
}

enum status answers_read(const char *file, FILE *faults, struct answers *out_answers)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		fprintf(faults, "%s:1: %s\n", file, strerror(errno));
		return STATUS_INVALID;
	}
	enum status status = read_open_file(fd, file, faults, out_answers);
	close(fd);
	return status;
}

enum status answers_check_used(const struct answers *answers, enum question first, enum question end, FILE *faults)
{
	enum status status = STATUS_OK;
	for (unsigned i = first; i < (unsigned)end; i++) {
		if (answers->of[i].line == 0 || answers->of[i].is_used)
			continue;
		fprintf(faults, "%s:%u: %s: not asked, with the other answers as they are\n", answers->file,
			answers->of[i].line, questions[i].name);
		status = STATUS_INVALID;
	}
	return status;
}

void answers_free(struct answers *answers)
{
	buf_free(&answers->text);
	memset(answers->of, 0, sizeof(answers->of));
}

/* systemctl, or the program itself; and subgatectl, to see whether it answers. Owns nothing. */
#include "setup/start.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "setup/interrupt.h"
#include "setup/paths.h"
#include "setup/run.h"

#define UNIT_FILE "/etc/subgate/subgate.conf" /* of the unit that `make install` brings */
#define WORDS_MAXIMUM 16
#define WAIT_MS 60000 /* the embedded Redis may read much at first */
#define PAUSE_MS 100
#define LOG_TAIL 4096 /* bytes */

enum status start_ask_service(const struct start *start, const char *const *words, struct buf *out_output,
			      bool *out_done)
{
	char program[PATH_MAX];
	const char *arguments[WORDS_MAXIMUM] = { program, "-s", start->socket };
	int code = 0;
	TRY(run_find_own("subgatectl", program));
	for (unsigned i = 0; words[i] && i + 4 < WORDS_MAXIMUM; i++)
		arguments[i + 3] = words[i];
	const struct run run = { .arguments = arguments, .output = out_output };
	TRY(run_program(&run, &code));
	*out_done = code == 0;
	return STATUS_OK;
}

static enum status look_whether_it_runs(const struct start *start, bool *out_runs)
{
	static const char *const words[] = { "status", NULL };
	struct buf output BUF_AUTO;
	buf_init(&output, RUN_OUTPUT_MAXIMUM);
	return start_ask_service(start, words, &output, out_runs);
}

/* `process`: in vain once it has ended; 0: another started it. */
static enum status wait_until_it_runs(const struct start *start, pid_t process, bool *out_runs)
{
	*out_runs = false;
	for (int waited = 0; waited < WAIT_MS; waited += PAUSE_MS) {
		TRY(look_whether_it_runs(start, out_runs));
		if (*out_runs || (process && run_has_ended(process)))
			return STATUS_OK;
		if (!interrupt_pause(PAUSE_MS))
			return STATUS_END;
	}
	return STATUS_OK;
}

static void show_log(struct ask *ask, const char *path)
{
	struct secret text SECRET_AUTO = { 0 };
	if (secret_from_path(path, &text) != STATUS_OK)
		return;
	struct span tail = secret_reveal(&text);
	if (tail.size > LOG_TAIL)
		tail = span_slice(tail, tail.size - LOG_TAIL, tail.size);
	fprintf(ask->errors, "%s:\n%.*s", path, SPAN_ARGS(tail));
}

/* ---- each way */

static bool has_systemd(const struct start *start)
{
	return paths_has_systemd() && strcmp(start->file, UNIT_FILE) == 0;
}

static enum status start_by_systemd(struct ask *ask, const struct start *start, bool *out_runs)
{
	char program[PATH_MAX];
	const char *const arguments[] = { program, "enable", "--now", "subgate", NULL };
	struct buf output BUF_AUTO;
	const struct run run = { .arguments = arguments, .output = &output };
	int code = 1;
	buf_init(&output, RUN_OUTPUT_MAXIMUM);
	TRY(run_find("systemctl", program));
	fputs("systemctl enable --now subgate\n", ask->out);
	fflush(ask->out);
	TRY(run_program(&run, &code));
	if (code != 0) {
		fprintf(ask->errors, "%.*sjournalctl -u subgate says more\n", SPAN_ARGS(buf_span(&output)));
		return STATUS_REFUSED;
	}
	return wait_until_it_runs(start, 0, out_runs);
}

static enum status start_in_background(struct ask *ask, const struct start *start, bool *out_runs)
{
	char program[PATH_MAX];
	const char *const arguments[] = { program, "-c", start->file, NULL };
	pid_t process = 0;
	TRY(run_find_own("subgate", program));
	fprintf(ask->out,
		"There is no systemd here, so it is started in the background, until this machine stops; its log is\n"
		"%s. For every start of the machine, have it run: %s -c %s\n",
		start->log, program, start->file);
	fflush(ask->out);
	if (mkdir(start->state, 0711) == 0) /* as it would itself; its log is there from the first line on */
		(void)chmod(start->state, 0711);
	TRY(run_detached(arguments, start->log, &process));
	return wait_until_it_runs(start, process, out_runs);
}

static enum status reload_it(struct ask *ask, const struct start *start)
{
	static const char *const words[] = { "reload", NULL };
	struct buf output BUF_AUTO;
	bool is_done = false;
	buf_init(&output, RUN_OUTPUT_MAXIMUM);
	TRY(start_ask_service(start, words, &output, &is_done));
	fprintf(is_done ? ask->out : ask->errors, "subgatectl reload: %.*s", SPAN_ARGS(buf_span(&output)));
	return is_done ? STATUS_OK : STATUS_REFUSED;
}

static enum status start_anew(struct ask *ask, const struct start *start, bool *out_runs)
{
	enum status status =
		has_systemd(start) ? start_by_systemd(ask, start, out_runs) : start_in_background(ask, start, out_runs);
	if (status == STATUS_END)
		return status;
	if (status == STATUS_OK && *out_runs) {
		fputs("Subgate runs.\n", ask->out);
		return STATUS_OK;
	}
	fputs("Subgate did not start.\n", ask->errors);
	if (!has_systemd(start))
		show_log(ask, start->log);
	return STATUS_REFUSED;
}

enum status start_service(struct ask *ask, const struct start *start, bool *out_runs)
{
	bool runs = false, wanted = false;
	TRY(ask_yes(ask, QUESTION_start, true, &wanted));
	TRY(look_whether_it_runs(start, &runs));
	if (!wanted) {
		fprintf(ask->out,
			runs ? "It goes on with its former configuration until `subgatectl reload`.\n"
			     : "Start it with: systemctl enable --now subgate, or: subgate -c %s\n",
			start->file);
		*out_runs = false;
		return STATUS_OK;
	}
	if (!runs)
		return start_anew(ask, start, out_runs);
	TRY(reload_it(ask, start));
	*out_runs = true;
	return STATUS_OK;
}

/*
 * Reload: a new generation starts beside the old one, which is told to end only when all of the new one serves. Any
 * failure before that leaves the old one as it is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "supervise/config_file.h"
#include "supervise/notify.h"
#include "supervise/supervisor.h"

/* Whoever asked for the reload is answered by then, whatever old and new processes do. */
#define ANSWER_MS 12000

/* ---- what can't change while we run */

struct fixed {
	const char *name;
	const char *before, *after;
};

/* Of redis.server it only matters whether we run Redis ourselves. */
static const char *redis_kind(const struct config *config)
{
	return strcmp(config->redis.server, "embedded") == 0 ? "embedded" : "a server";
}

static enum status compare_fixed(const struct config *before, const struct config *after, FILE *faults)
{
	const struct fixed fixed[] = {
		{ "user", before->global.user, after->global.user },
		{ "state_dir", before->global.state_dir, after->global.state_dir },
		{ "run_dir", before->global.run_dir, after->global.run_dir },
		{ "admin.group", before->admin.group, after->admin.group },
		{ "redis.server", redis_kind(before), redis_kind(after) },
	};
	enum status status = STATUS_OK;
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (strcmp(fixed[i].before, fixed[i].after) != 0) {
			fprintf(faults,
				"%s:1: %s: was \"%s\" when subgate started and is \"%s\" now; restart subgate to "
				"change it\n",
				after->file, fixed[i].name, fixed[i].before, fixed[i].after);
			status = STATUS_INVALID;
		}
	return status;
}

/* ---- beginning */

static enum status load_config(const struct supervisor *supervisor, FILE *faults, struct buf *text,
			       struct config **out_config)
{
	struct config *config = NULL;
	TRY(config_file_load(supervisor->config_file, faults, text, &config));
	enum status status = config_file_check(config, faults);
	if (status == STATUS_OK)
		status = compare_fixed(supervisor->current->config, config, faults);
	if (status == STATUS_OK)
		*out_config = config;
	else
		config_free(&config);
	return status;
}

/* Goes back to the sockets of the current config, all of which are open. */
static void restore_sockets(struct supervisor *supervisor)
{
	const struct config *config = supervisor->current->config;
	if (sockets_open(&supervisor->sockets, config, generation_gates(config), &supervisor->identities, stderr) ==
	    STATUS_OK)
		sockets_trim(&supervisor->sockets);
}

static enum status open_target(struct supervisor *supervisor, const struct config *config, FILE *faults)
{
	enum status status = log_target_open(config, &supervisor->next_target);
	if (status != STATUS_OK)
		fprintf(faults, "%s:%u: log.target: \"%s\" can't be opened: %s\n", config->file, config->log.line,
			config->log.target, strerror(errno));
	return status;
}

static enum status prepare_generation(struct supervisor *supervisor, FILE *faults)
{
	struct buf text BUF_AUTO;
	struct config *config = NULL;
	buf_init(&text, CONFIG_FILE_MAXIMUM);
	TRY(load_config(supervisor, faults, &text, &config));
	enum status status = open_target(supervisor, config, faults);
	if (status == STATUS_OK)
		status = sockets_open(&supervisor->sockets, config, generation_gates(config), &supervisor->identities,
				      faults);
	if (status != STATUS_OK) {
		config_free(&config);
		return status;
	}
	status = generation_create(supervisor, config, buf_span(&text), faults, &supervisor->incoming);
	if (status != STATUS_OK)
		restore_sockets(supervisor);
	succession_tell(supervisor->current); /* clients may already wait at the sockets of added gates */
	return status;
}

/* Why a reload can't be done now, or NULL. */
static const char *find_obstacle(const struct supervisor *supervisor)
{
	if (supervisor->incoming)
		return "a reload is under way";
	if (supervisor->stage == STAGE_STARTING)
		return "subgate is still starting";
	return supervisor->stage == STAGE_SERVING ? NULL : "subgate is ending";
}

/* Logs a line for each fault. */
static void log_faults(const char *text)
{
	struct span rest = span_of(text), line;
	while (span_cut(&rest, '\n', &line))
		if (line.size)
			log_error("reload refused: %.*s", SPAN_ARGS(line));
}

enum status reload_begin(struct supervisor *supervisor, const struct reload *reload, char **out_error)
{
	char *text = NULL;
	size_t size = 0;
	FILE *faults = open_memstream(&text, &size);
	*out_error = NULL;
	if (faults == NULL)
		return STATUS_NO_MEMORY;
	const char *obstacle = find_obstacle(supervisor);
	if (obstacle)
		fputs(obstacle, faults);
	enum status status = obstacle ? STATUS_REFUSED : prepare_generation(supervisor, faults);
	fclose(faults);
	if (status != STATUS_OK) {
		if (obstacle == NULL)
			log_target_free(&supervisor->next_target);
		log_faults(text);
		*out_error = text;
		return status;
	}
	free(text);
	log_info("reload: the config is right, its processes start");
	notify_reloading();
	control_answer_reload(supervisor, NULL); /* of the reload before, if that is still due */
	supervisor->reload = *reload;
	timer_set(supervisor->answer_limit, ANSWER_MS);
	generation_start(supervisor->incoming);
	return STATUS_OK;
}

/* ---- its outcome */

void reload_succeeded(struct supervisor *supervisor)
{
	struct generation *old = supervisor->current;
	supervisor->current = supervisor->incoming;
	supervisor->incoming = NULL;
	old->next = supervisor->outgoing;
	supervisor->outgoing = old;
	ticket_keys_set_lifetime(supervisor->ticket_keys, supervisor->current->config->tls.ticket_lifetime);
	sockets_trim(&supervisor->sockets);
	logs_set_target(supervisor->logs, supervisor->next_target);
	supervisor->next_target = NULL;
	succession_tell(supervisor->current);
	log_info("reload: done; the old processes finish what they began");
	generation_drain(old, supervisor->current->config->global.drain_timeout, true);
	notify_ready();
}

/* Whoever was answered may come back at once, and must not meet the old processes. */
void reload_settle(struct supervisor *supervisor, const struct generation *generation)
{
	bool is_former = generation == supervisor->outgoing && supervisor->incoming == NULL;
	if (is_former && generation_takes_nothing(generation))
		control_answer_reload(supervisor, NULL);
}

/* New processes that aren't ready have some time left. Old ones that still take what is new are watched by hangs.c. */
void reload_take_answer_limit(void *context)
{
	struct supervisor *supervisor = context;
	const char *unready =
		"the new processes are not ready yet; the reload goes on, and the log will tell its outcome";
	control_answer_reload(supervisor, supervisor->incoming ? unready : NULL);
}

void reload_fail(struct supervisor *supervisor, const char *reason)
{
	generation_free(&supervisor->incoming);
	log_target_free(&supervisor->next_target);
	restore_sockets(supervisor);
	log_error("reload: %s; the old processes go on", reason);
	control_answer_reload(supervisor, reason);
	notify_ready();
}

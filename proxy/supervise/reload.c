/*
 * Reload: a new generation starts beside the old one, which is told to end only when all of the new one serves. Any
 * failure before that leaves the old one as it is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "role/role.h"
#include "supervise/config_file.h"
#include "supervise/notify.h"
#include "supervise/supervisor_answers.h"

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
	return config_redis_is_embedded(config) ? "embedded" : "a server";
}

static enum status compare_fixed(const struct config *before, const struct config *after, FILE *faults)
{
	const struct fixed fixed[] = {
		{ "user", before->global.user, after->global.user },
		{ "state_dir", before->global.state_dir, after->global.state_dir },
		{ "run_dir", before->global.run_dir, after->global.run_dir },
		{ "admin.group", before->admin.group, after->admin.group },
		{ "admin.operator_group", before->admin.operator_group, after->admin.operator_group },
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
	if (sockets_open(&supervisor->sockets, config, role_gate_count(config), &supervisor->identities, stderr) ==
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

/* Takes the config over. `renewed` is as in generation_create. */
static enum status open_incoming(struct supervisor *supervisor, struct config *config, struct span text,
				 const struct handover *renewed, FILE *faults)
{
	enum status status =
		sockets_open(&supervisor->sockets, config, role_gate_count(config), &supervisor->identities, faults);
	if (status != STATUS_OK) {
		config_free(&config);
		return status;
	}
	status = generation_create(supervisor, config, text, renewed, faults, &supervisor->incoming);
	if (status != STATUS_OK)
		restore_sockets(supervisor);
	succession_tell(supervisor->current); /* clients may already wait at the sockets of added gates */
	return status;
}

static enum status prepare_generation(struct supervisor *supervisor, FILE *faults)
{
	struct buf text BUF_AUTO;
	struct config *config = NULL;
	buf_init(&text, CONFIG_FILE_MAXIMUM);
	TRY(load_config(supervisor, faults, &text, &config));
	enum status status = open_target(supervisor, config, faults);
	if (status != STATUS_OK) {
		config_free(&config);
		return status;
	}
	return open_incoming(supervisor, config, buf_span(&text), NULL, faults);
}

/* The text of the config that we run under, whatever stands in its file by now. */
static enum status prepare_renewed(struct supervisor *supervisor, const struct handover *renewed, FILE *faults)
{
	struct secret text SECRET_AUTO = { 0 };
	struct config *config = NULL;
	TRY(secret_from_fd(handover_find(&supervisor->current->files, "config"), &text));
	TRY(config_load(secret_reveal(&text), supervisor->current->config->file, faults, &config));
	return open_incoming(supervisor, config, secret_reveal(&text), renewed, faults);
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

/* An administrator's reload, which reads certificates as well, need not wait for a renewal. False: there is none. */
static bool give_up_renewal(struct supervisor *supervisor)
{
	if (supervisor->incoming == NULL || !supervisor->incoming->is_renewed)
		return false;
	log_info("certificates: a reload takes the renewal's place");
	generation_free(&supervisor->incoming);
	return true;
}

/* Logs a line for each fault. */
static void log_faults(const char *what, const char *text)
{
	struct span rest = span_of(text), line;
	while (span_cut(&rest, '\n', &line))
		if (line.size)
			log_error("%s: %.*s", what, SPAN_ARGS(line));
}

/* `incoming` is prepared. */
static void begin_incoming(struct supervisor *supervisor, const struct reload *reload)
{
	notify_reloading();
	supervisor_answer_reload(supervisor, NULL); /* of the reload before, if that is still due */
	supervisor->reload = *reload;
	timer_set(supervisor->answer_limit, ANSWER_MS);
	generation_start(supervisor->incoming);
}

enum status reload_begin(struct supervisor *supervisor, const struct reload *reload, char **out_error)
{
	char *text = NULL;
	size_t size = 0;
	FILE *faults = open_memstream(&text, &size);
	*out_error = NULL;
	if (faults == NULL)
		return STATUS_NO_MEMORY;
	bool takes_place = give_up_renewal(supervisor);
	const char *obstacle = find_obstacle(supervisor);
	if (obstacle)
		fputs(obstacle, faults);
	enum status status = obstacle ? STATUS_REFUSED : prepare_generation(supervisor, faults);
	fclose(faults);
	if (status != STATUS_OK) {
		if (obstacle == NULL)
			log_target_free(&supervisor->next_target);
		log_faults("reload refused", text);
		if (takes_place) { /* it is to be found once more */
			notify_ready();
			renewal_follow(supervisor->renewal, supervisor->current->config, &supervisor->current->files);
		}
		*out_error = text;
		return status;
	}
	free(text);
	log_info("reload: the config is right, its processes start");
	begin_incoming(supervisor, reload);
	return STATUS_OK;
}

enum status reload_renew(void *context, const struct handover *renewed)
{
	struct supervisor *supervisor = context;
	const struct reload nobody = { 0 };
	char *text = NULL;
	size_t size = 0;
	if (find_obstacle(supervisor))
		return STATUS_REFUSED;
	FILE *faults = open_memstream(&text, &size);
	if (faults == NULL)
		return STATUS_NO_MEMORY;
	enum status status = prepare_renewed(supervisor, renewed, faults);
	fclose(faults);
	if (status == STATUS_OK) {
		log_info("certificates: renewed; processes that have them start");
		begin_incoming(supervisor, &nobody);
	} else {
		log_faults("certificates: can't be renewed", text);
		log_error("certificates: can't be renewed: %s", status_text(status));
	}
	free(text);
	return status == STATUS_REFUSED ? STATUS_INVALID : status;
}

/* ---- its outcome */

void reload_succeeded(struct supervisor *supervisor)
{
	struct generation *old = supervisor->current;
	supervisor->current = supervisor->incoming;
	supervisor->incoming = NULL;
	old->next = supervisor->outgoing;
	supervisor->outgoing = old;
	generation_lead_audit(old, false);
	generation_lead_audit(supervisor->current, true);
	ticket_keys_set_lifetime(supervisor->ticket_keys, supervisor->current->config->tls.ticket_lifetime);
	sockets_trim(&supervisor->sockets);
	if (supervisor->next_target)
		logs_set_target(supervisor->logs, supervisor->next_target);
	supervisor->next_target = NULL;
	renewal_follow(supervisor->renewal, supervisor->current->config, &supervisor->current->files);
	expiry_watch_follow(supervisor->expiry, supervisor->current->config, &supervisor->current->expiries);
	succession_tell(supervisor->current);
	log_info("reload: done; the old processes finish what they began");
	generation_drain(old, supervisor->current->config->global.drain_timeout,
			 supervisor->current->is_renewed ? ROLE_DRAIN_RENEWED : ROLE_DRAIN_SUCCEEDED);
	notify_ready();
}

/* Whoever was answered may come back at once, and must not meet the old processes. */
void reload_settle(struct supervisor *supervisor, const struct generation *generation)
{
	bool is_former = generation == supervisor->outgoing && supervisor->incoming == NULL;
	if (is_former && generation_takes_nothing(generation))
		supervisor_answer_reload(supervisor, NULL);
}

/* New processes that aren't ready have some time left. Old ones that still take what is new are watched by hangs.c. */
void reload_take_answer_limit(void *context)
{
	struct supervisor *supervisor = context;
	const char *unready =
		"the new processes are not ready yet; the reload goes on, and the log will tell its outcome";
	supervisor_answer_reload(supervisor, supervisor->incoming ? unready : NULL);
}

void reload_fail(struct supervisor *supervisor, const char *reason)
{
	generation_free(&supervisor->incoming);
	log_target_free(&supervisor->next_target);
	restore_sockets(supervisor);
	log_error("reload: %s; the old processes go on", reason);
	supervisor_answer_reload(supervisor, reason);
	notify_ready();
}

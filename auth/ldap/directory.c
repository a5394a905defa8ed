/* The two pools of one directory, their shared state, and the probe that tells whether it is up. */
#include "auth/ldap/directory.h"

#include <stdlib.h>

#include "auth/ldap/entry.h"
#include "auth/ldap/trust.h"
#include "base/log.h"

#define LOOK_UP_THREADS 2 /* of short questions, mostly answered from the cache */
/* Questions waiting for a thread, at most half of them one gate's: more than a directory answers in its time-out. */
#define QUEUE_MAXIMUM 2000
#define PROBE_INTERVAL_MS 10000 /* how soon the gauge follows without any login */
#define LATE_MS 500             /* by which a thread that keeps its time-outs is surely done */

struct directory {
	struct loop *loop;
	struct ldap_shared shared;
	struct jobs *checks;
	struct jobs *look_ups;
	struct timer *probe_timer;
	struct directory_ask *probe; /* under way, or NULL */
	struct stats *stats;
	unsigned index;
};

/* The loop's half of a question. */
struct directory_ask {
	struct directory *directory;
	struct jobs *pool;
	struct directory_job *question;
	void (*on_answer)(void *context, const struct ldap_request *answer);
	void *context;
};

/* The thread's half, which may outlive the other. */
struct directory_job {
	struct job job; /* first */
	struct ldap_request request;
};

/* ---- one question */

static void run_question(struct job *job, void *worker)
{
	struct directory_job *question = (struct directory_job *)job;
	if (worker)
		ldap_worker_ask(worker, &question->request);
}

static void destroy_question(struct job *job)
{
	struct directory_job *question = (struct directory_job *)job;
	identity_free(&question->request.identity);
	secret_wipe(&question->request.password);
	free(question);
}

static void on_done(void *context, struct job *job, enum status status)
{
	static const struct ldap_request late = {
		.verdict = VERDICT_UNAVAILABLE,
		.reason = "directory too slow",
	};
	struct directory_ask *ask = context;
	struct directory *directory = ask->directory;
	const struct ldap_request *answer = status == STATUS_OK ? &((struct directory_job *)job)->request : &late;
	stats_set(directory->stats, COUNTER_LDAP_UP, directory->index, atomic_load(&directory->shared.up));
	ask->on_answer(ask->context, answer);
	free(ask);
}

static enum status make_question(enum ldap_question kind, const char *name, const char *user,
				 const struct secret *password, struct directory_job **out_question)
{
	struct directory_job *question = calloc(1, sizeof(*question));
	if (question == NULL)
		return STATUS_NO_MEMORY;
	question->job.run = run_question;
	question->job.destroy = destroy_question;
	question->job.on_done = on_done;
	question->request.question = kind;
	question->request.verdict = VERDICT_UNAVAILABLE;
	question->request.reason = "directory unavailable";
	identity_init(&question->request.identity);
	snprintf(question->request.name, sizeof(question->request.name), "%s", name);
	snprintf(question->request.user, sizeof(question->request.user), "%s", user ? user : "");
	enum status status =
		password ? secret_from_span(secret_reveal(password), &question->request.password) : STATUS_OK;
	if (status != STATUS_OK)
		destroy_question(&question->job);
	else
		*out_question = question;
	return status;
}

static enum status submit_question(struct directory *directory, struct jobs *pool, struct directory_job *question,
				   struct directory_ask *ask)
{
	uint64_t timeout_ms = directory->shared.config->timeout * directory->shared.server_count + LATE_MS;
	ask->directory = directory;
	ask->pool = pool;
	ask->question = question;
	question->job.context = ask;
	return jobs_submit(pool, &question->job, timeout_ms);
}

static enum status put_question(struct directory *directory, uint64_t owner, enum ldap_question kind, const char *name,
				const char *user, const struct secret *password,
				void (*on_answer)(void *context, const struct ldap_request *answer), void *context,
				struct directory_ask **out_ask)
{
	struct directory_job *question = NULL;
	struct directory_ask *ask = calloc(1, sizeof(*ask));
	if (ask == NULL)
		return STATUS_NO_MEMORY;
	ask->on_answer = on_answer;
	ask->context = context;
	enum status status = make_question(kind, name, user, password, &question);
	if (status == STATUS_OK) {
		question->job.owner = owner;
		status = submit_question(directory, kind == LDAP_CHECK ? directory->checks : directory->look_ups,
					 question, ask);
		if (status != STATUS_OK)
			destroy_question(&question->job);
	}
	if (status != STATUS_OK)
		free(ask);
	else
		*out_ask = ask;
	return status;
}

enum status directory_question(struct directory *directory, uint64_t owner, const char *name, const char *user,
			       const struct secret *password,
			       void (*on_answer)(void *context, const struct ldap_request *answer), void *context,
			       struct directory_ask **out_ask)
{
	return put_question(directory, owner, password ? LDAP_CHECK : LDAP_LOOK_UP, name, user, password, on_answer,
			    context, out_ask);
}

void directory_forget(struct directory_ask **ask)
{
	if (*ask == NULL)
		return;
	jobs_forget((*ask)->pool, &(*ask)->question->job);
	free(*ask);
	*ask = NULL;
}

/* ---- is it up? */

static void on_probed(void *context, const struct ldap_request *answer)
{
	struct directory *directory = context;
	(void)answer; /* on_done has set the gauge */
	directory->probe = NULL;
}

static void begin_probe(void *context)
{
	struct directory *directory = context;
	if (directory->probe == NULL && put_question(directory, 0, LDAP_PROBE, "", NULL, NULL, on_probed, directory,
						     &directory->probe) != STATUS_OK)
		stats_set(directory->stats, COUNTER_LDAP_UP, directory->index, 0);
	timer_set(directory->probe_timer, PROBE_INTERVAL_MS);
}

/* ---- making and ending */

static void *enter_thread(void *context)
{
	return ldap_worker_create(context);
}

static void leave_thread(void *context, void *local)
{
	(void)context;
	struct ldap_worker *worker = local;
	ldap_worker_free(&worker);
}

static enum status list_servers(struct ldap_shared *shared)
{
	const struct config_list *uris = &shared->config->uri;
	shared->attributes = ldap_entry_attributes(shared->config);
	shared->servers = calloc(uris->count ? uris->count : 1, sizeof(*shared->servers));
	if (shared->attributes == NULL || shared->servers == NULL)
		return STATUS_NO_MEMORY;
	shared->server_count = uris->count;
	for (size_t i = 0; i < uris->count; i++)
		shared->servers[i].uri = uris->items[i];
	return STATUS_OK;
}

static enum status start_pools(struct directory *directory)
{
	struct jobs_settings settings = {
		.name = "ldap-check",
		.kind = LIFE_CHECK,
		.threads = (unsigned)directory->shared.config->connections,
		.queue_maximum = QUEUE_MAXIMUM,
		.enter = enter_thread,
		.leave = leave_thread,
		.context = &directory->shared,
	};
	TRY(jobs_create(directory->loop, &settings, &directory->checks));
	settings.name = "ldap-look-up";
	settings.kind = LIFE_LOOK_UP;
	settings.threads = LOOK_UP_THREADS;
	return jobs_create(directory->loop, &settings, &directory->look_ups);
}

static enum status set_up(struct directory *directory, const struct secret *bind_password)
{
	struct ldap_shared *shared = &directory->shared;
	TRY(secret_from_span(secret_reveal(bind_password), &shared->bind_password));
	TRY(list_servers(shared));
	enum status status = ldap_trust_get(shared->config, &shared->tls);
	if (status != STATUS_OK) {
		log_error("ldap %s: can't read the CA certificates", shared->config->name);
		return status;
	}
	TRY(ldap_watchdog_create(&shared->watchdog));
	TRY(timer_make(directory->loop, begin_probe, directory, &directory->probe_timer));
	TRY(start_pools(directory));
	timer_set(directory->probe_timer, 0);
	return STATUS_OK;
}

enum status directory_create(struct loop *loop, const struct config_ldap *config, const struct secret *bind_password,
			     struct stats *stats, unsigned index, struct directory **out_directory)
{
	struct directory *directory = calloc(1, sizeof(*directory));
	if (directory == NULL)
		return STATUS_NO_MEMORY;
	directory->loop = loop;
	directory->stats = stats;
	directory->index = index;
	directory->shared.config = config;
	enum status status = set_up(directory, bind_password);
	if (status != STATUS_OK) {
		log_error("ldap %s: can't start: %s", config->name, status_text(status));
		directory_free(&directory);
		return status;
	}
	*out_directory = directory;
	return STATUS_OK;
}

void directory_free(struct directory **directory)
{
	struct directory *ending = *directory;
	*directory = NULL;
	if (ending == NULL)
		return;
	directory_forget(&ending->probe);
	timer_free(&ending->probe_timer);
	bool checks_ended = jobs_free(&ending->checks);
	bool look_ups_ended = jobs_free(&ending->look_ups);
	if (!checks_ended || !look_ups_ended)
		return; /* a thread that hangs in a name server still uses it; the process is about to end */
	ldap_watchdog_free(&ending->shared.watchdog);
	secret_wipe(&ending->shared.bind_password);
	free(ending->shared.attributes);
	free(ending->shared.servers);
	free(ending);
}

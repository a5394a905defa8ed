/* The pools of one directory, their shared state, and the probes that tell whether its servers are up. */
#include "auth/ldap/directory.h"

#include <stdlib.h>

#include "auth/ldap/entry.h"
#include "base/log.h"

#define LOOK_UP_THREADS 2 /* of short questions, mostly answered from the cache */
/* Questions waiting for a thread, at most half of them one gate's: more than a directory answers in its time-out. */
#define QUEUE_MAXIMUM 2000
#define PROBE_THREADS 4    /* at most: several servers may be silent at once */
#define PROBE_UP_MS 10000  /* between probes of one that is up: how soon it shows without any login */
#define PROBE_AWAY_MS 1000 /* and of one that is not */
#define LATE_MS 500        /* by which a thread that keeps its time-outs is surely done */

/* Of one server. */
struct probe {
	struct directory *directory;
	struct directory_ask *ask; /* under way, or NULL */
	uint64_t ended_ms;
};

struct directory {
	struct loop *loop;
	struct ldap_shared shared;
	struct jobs *checks;
	struct jobs *look_ups;
	struct jobs *probers;
	struct timer *probe_timer;
	struct probe *probes; /* one each server */
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
	buf_free(&question->request.steps);
	secret_wipe(&question->request.password);
	free(question);
}

static void set_gauges(struct directory *directory)
{
	bool up = false;
	for (size_t i = 0; i < directory->shared.server_count; i++)
		up = up || (ldap_server_uri(&directory->shared.servers[i]) &&
			    ldap_server_health(&directory->shared.servers[i]) == LDAP_HEALTH_UP);
	stats_set(directory->stats, COUNTER_LDAP_UP, directory->index, up);
	stats_set(directory->stats, COUNTER_LDAP_REFUSED, directory->index,
		  ldap_service_is_refused(&directory->shared.service));
}

static void on_done(void *context, struct job *job, enum status status)
{
	static const struct ldap_request late = {
		.verdict = VERDICT_UNAVAILABLE, .reason = "directory too slow", .was_tried = true, /* perhaps */
	};
	struct directory_ask *ask = context;
	const struct ldap_request *answer = status == STATUS_OK ? &((struct directory_job *)job)->request : &late;
	set_gauges(ask->directory);
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
	buf_init(&question->request.steps, LDAP_STEPS_MAXIMUM);
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

static struct directory_ask *make_ask(void (*on_answer)(void *context, const struct ldap_request *answer),
				      void *context)
{
	struct directory_ask *ask = calloc(1, sizeof(*ask));
	if (ask == NULL)
		return NULL;
	ask->on_answer = on_answer;
	ask->context = context;
	return ask;
}

/* Takes both halves over; frees them if it fails. */
static enum status submit_question(struct directory *directory, struct jobs *pool, struct directory_job *question,
				   struct directory_ask *ask)
{
	uint64_t timeout_ms = directory->shared.config->timeout * LDAP_WAITS + LATE_MS;
	ask->directory = directory;
	ask->pool = pool;
	ask->question = question;
	question->job.context = ask;
	enum status status = jobs_submit(pool, &question->job, timeout_ms);
	if (status != STATUS_OK) {
		destroy_question(&question->job);
		free(ask);
	}
	return status;
}

enum status directory_question(struct directory *directory, uint64_t owner, const char *name, const char *user,
			       const struct secret *password,
			       void (*on_answer)(void *context, const struct ldap_request *answer), void *context,
			       struct directory_ask **out_ask)
{
	struct directory_job *question = NULL;
	struct directory_ask *ask = make_ask(on_answer, context);
	if (ask == NULL)
		return STATUS_NO_MEMORY;
	enum status status = make_question(password ? LDAP_CHECK : LDAP_LOOK_UP, name, user, password, &question);
	if (status != STATUS_OK) {
		free(ask);
		return status;
	}
	question->job.owner = owner;
	TRY(submit_question(directory, password ? directory->checks : directory->look_ups, question, ask));
	*out_ask = ask;
	return STATUS_OK;
}

enum status directory_explain(struct directory *directory, const char *name,
			      void (*on_answer)(void *context, const struct ldap_request *answer), void *context,
			      struct directory_ask **out_ask)
{
	struct directory_job *question = NULL;
	struct directory_ask *ask = make_ask(on_answer, context);
	if (ask == NULL)
		return STATUS_NO_MEMORY;
	enum status status = make_question(LDAP_LOOK_UP, name, NULL, NULL, &question);
	if (status != STATUS_OK) {
		free(ask);
		return status;
	}
	question->request.explains = true;
	TRY(submit_question(directory, directory->look_ups, question, ask));
	*out_ask = ask;
	return STATUS_OK;
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
	struct probe *probe = context;
	(void)answer; /* the thread has noted how the server fares */
	probe->ask = NULL;
	probe->ended_ms = loop_now_ms(probe->directory->loop);
}

static void begin_probe(struct probe *probe, size_t server)
{
	struct directory *directory = probe->directory;
	struct directory_job *question = NULL;
	struct directory_ask *ask = make_ask(on_probed, probe);
	if (ask == NULL)
		return;
	if (make_question(LDAP_PROBE, "", NULL, NULL, &question) != STATUS_OK) {
		free(ask);
		return;
	}
	question->request.server = server;
	if (submit_question(directory, directory->probers, question, ask) == STATUS_OK)
		probe->ask = ask;
}

static void begin_due_probes(void *context)
{
	struct directory *directory = context;
	uint64_t now_ms = loop_now_ms(directory->loop);
	for (size_t i = 0; i < directory->shared.server_count; i++) {
		struct probe *probe = &directory->probes[i];
		bool up = ldap_server_health(&directory->shared.servers[i]) == LDAP_HEALTH_UP;
		uint64_t pause_ms = up ? PROBE_UP_MS : PROBE_AWAY_MS;
		if (probe->ask == NULL && (probe->ended_ms == 0 || now_ms - probe->ended_ms >= pause_ms))
			begin_probe(probe, i);
	}
	timer_set(directory->probe_timer, PROBE_AWAY_MS);
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

static enum status list_servers(struct directory *directory)
{
	struct ldap_shared *shared = &directory->shared;
	const struct config_list *uris = &shared->config->uri;
	size_t maximum = uris->count + LDAP_SRV_SERVERS, count = 0;
	shared->attributes = ldap_entry_attributes(shared->config);
	shared->servers = calloc(maximum, sizeof(*shared->servers));
	directory->probes = calloc(maximum, sizeof(*directory->probes));
	if (shared->attributes == NULL || shared->servers == NULL || directory->probes == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < uris->count; i++)
		if (!span_starts_with_nocase(span_of(uris->items[i]), SPAN("srv:")))
			ldap_server_set_uri(&shared->servers[count++], uris->items[i]);
	ldap_finder_init(&shared->finder, shared->config, &shared->servers[count]);
	shared->server_count = shared->finder.domain ? count + LDAP_SRV_SERVERS : count;
	for (size_t i = 0; i < shared->server_count; i++) {
		shared->servers[i].directory = shared->config->name;
		directory->probes[i].directory = directory;
	}
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
	TRY(jobs_create(directory->loop, &settings, &directory->look_ups));
	settings.name = "ldap-probe";
	size_t servers = directory->shared.server_count;
	settings.threads = servers < PROBE_THREADS ? (unsigned)servers : PROBE_THREADS;
	return jobs_create(directory->loop, &settings, &directory->probers);
}

static enum status set_up(struct directory *directory, const struct directory_proof *proof)
{
	struct ldap_shared *shared = &directory->shared;
	TRY(secret_from_span(secret_reveal(proof->bind_password), &shared->bind_password));
	TRY(list_servers(directory));
	enum status status = ldap_trust_get(shared->config, &proof->client, &shared->tls);
	if (status != STATUS_OK) {
		log_error("ldap %s: can't read the CA certificates%s", shared->config->name,
			  proof->client.certificate < 0 ? "" : ", or certificate_file and private_key_file");
		return status;
	}
	TRY(ldap_watchdog_create(&shared->watchdog));
	TRY(timer_make(directory->loop, begin_due_probes, directory, &directory->probe_timer));
	TRY(start_pools(directory));
	timer_set(directory->probe_timer, 0);
	return STATUS_OK;
}

enum status directory_create(struct loop *loop, const struct config_ldap *config, const struct directory_proof *proof,
			     struct stats *stats, unsigned index, struct directory **out_directory)
{
	struct directory *directory = calloc(1, sizeof(*directory));
	if (directory == NULL)
		return STATUS_NO_MEMORY;
	directory->loop = loop;
	directory->stats = stats;
	directory->index = index;
	directory->shared.config = config;
	directory->shared.tell.directory = config->name;
	ldap_service_init(&directory->shared.service, config->name);
	enum status status = set_up(directory, proof);
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
	for (size_t i = 0; i < ending->shared.server_count; i++)
		directory_forget(&ending->probes[i].ask);
	timer_free(&ending->probe_timer);
	bool checks_ended = jobs_free(&ending->checks);
	bool look_ups_ended = jobs_free(&ending->look_ups);
	bool probers_ended = jobs_free(&ending->probers);
	if (!checks_ended || !look_ups_ended || !probers_ended)
		return; /* a thread that hangs in a name server still uses it; the process is about to end */
	ldap_watchdog_free(&ending->shared.watchdog);
	ldap_service_destroy(&ending->shared.service);
	if (ending->shared.finder.config)
		ldap_finder_destroy(&ending->shared.finder);
	secret_wipe(&ending->shared.bind_password);
	free(ending->shared.attributes);
	free(ending->shared.servers);
	free(ending->probes);
	free(ending);
}

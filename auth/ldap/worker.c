/*
 * Which server a question goes to, for how long it is waited for, and what a failure says of the server. Each server
 * has two connections a thread: one bound as the searcher, which is kept, and one that users' passwords are tried on,
 * so that a search never runs with a user's rights.
 */
#include "auth/ldap/worker.h"

#include <stdlib.h>

#include "auth/ldap/diagnosis.h"
#include "auth/ldap/question.h"
#include "base/clock.h"

struct ldap_worker *ldap_worker_create(struct ldap_shared *shared)
{
	struct ldap_worker *worker = calloc(1, sizeof(*worker));
	if (worker == NULL)
		return NULL;
	worker->shared = shared;
	ldap_guard_init(&worker->guard, shared->watchdog);
	worker->links = calloc(shared->server_count, sizeof(*worker->links));
	if (worker->links == NULL) {
		free(worker);
		return NULL;
	}
	return worker;
}

static void close_links(struct links *links)
{
	ldap_link_close(&links->searcher);
	ldap_link_close(&links->user);
}

void ldap_worker_free(struct ldap_worker **worker)
{
	if (*worker == NULL)
		return;
	for (size_t i = 0; i < (*worker)->shared->server_count; i++) {
		ldap_guard_arm(&(*worker)->guard, 0); /* a goodbye must not wait either */
		close_links(&(*worker)->links[i]);
		ldap_guard_disarm(&(*worker)->guard);
	}
	free((*worker)->links);
	free(*worker);
	*worker = NULL;
}

/* ---- which server */

static bool is_unanswered(const struct ldap_worker *worker, enum verdict verdict)
{
	return verdict == VERDICT_UNAVAILABLE && worker->blame != BLAME_ENTRY;
}

/* Whether there are connections, and they are not too old to be trusted. */
static bool may_keep_links(const struct links *links, struct ldap_server *server)
{
	return (links->searcher.handle || links->user.handle) && links->epoch == ldap_server_epoch(server) &&
	       clock_monotonic_ms() - links->used_ms <= LDAP_IDLE_MS;
}

static bool has_other(const struct ldap_worker *worker, size_t index)
{
	for (size_t i = 0; i < worker->shared->server_count; i++)
		if (i != index && !worker->links[i].given_up && ldap_server_uri(&worker->shared->servers[i]) &&
		    ldap_server_health(&worker->shared->servers[i]) == LDAP_HEALTH_UP)
			return true;
	return false;
}

/*
 * How long to wait now. The first wait of a login is a short one if it is on an old connection, or for the first of
 * several servers: a silent one then holds nobody up for long.
 */
static uint64_t choose_wait(struct ldap_worker *worker, size_t index, bool kept, bool is_probe)
{
	struct ldap_server *server = &worker->shared->servers[index];
	uint64_t now_ms = clock_monotonic_ms();
	uint64_t left_ms = worker->ends_ms > now_ms ? worker->ends_ms - now_ms : 0;
	uint64_t timeout_ms = worker->shared->config->timeout;
	worker->hasty = worker->waits == 0 && (kept || (!is_probe && has_other(worker, index)));
	if (worker->hasty)
		timeout_ms = ldap_server_patience_ms(server, timeout_ms);
	return left_ms < timeout_ms ? left_ms : timeout_ms;
}

static void note_lateness(struct ldap_worker *worker, struct ldap_server *server, const struct links *links, bool kept)
{
	snprintf(worker->fault, sizeof(worker->fault), "no answer in time");
	worker->blame = BLAME_SERVER;
	worker->waits++;
	if (worker->hasty)
		ldap_server_suspect(server);
	if (kept)
		ldap_server_end_epoch(server, links->epoch);
}

/* A short wait, or one on a connection that was kept, says little of the server: it may be asked again. */
static void note_failure(struct ldap_worker *worker, size_t index, bool kept, bool late)
{
	struct links *links = &worker->links[index];
	struct ldap_server *server = &worker->shared->servers[index];
	close_links(links);
	if (late)
		note_lateness(worker, server, links, kept);
	else if (worker->unconnected && ldap_server_health(server) == LDAP_HEALTH_UP)
		ldap_diagnose(worker->shared->config, ldap_server_uri(server), &worker->guard, SLOT_SEARCHER,
			      worker->fault);
	links->given_up = !(late && (kept || worker->hasty));
	ldap_step("no answer: %s", worker->fault);
	if (worker->blame == BLAME_SERVER)
		ldap_server_doubt(server, worker->fault);
	else if (worker->blame == BLAME_QUESTION)
		ldap_server_complain(server, worker->fault);
}

/* One server, within one time-out. It may have closed a kept connection, which shows at once: then on a new one. */
static enum verdict ask_server(struct ldap_worker *worker, size_t index, struct ldap_request *request, bool fresh)
{
	struct links *links = &worker->links[index];
	struct ldap_server *server = &worker->shared->servers[index];
	bool kept = !fresh && may_keep_links(links, server);
	ldap_guard_arm(&worker->guard, choose_wait(worker, index, kept, request->question == LDAP_PROBE));
	if (!kept)
		close_links(links);
	links->epoch = ldap_server_epoch(server);
	links->used_ms = clock_monotonic_ms();
	worker->unconnected = false;
	const char *uri = ldap_server_uri(server);
	if (uri == NULL) { /* it has just left */
		ldap_guard_disarm(&worker->guard);
		worker->blame = BLAME_QUESTION;
		return VERDICT_UNAVAILABLE;
	}
	ldap_step("asks %s", uri);
	enum verdict verdict = ldap_question_ask(worker, links, uri, request);
	if (is_unanswered(worker, verdict) && kept && !ldap_guard_fired(&worker->guard)) {
		close_links(links);
		kept = false;
		verdict = ldap_question_ask(worker, links, uri, request);
	}
	if (is_unanswered(worker, verdict))
		note_failure(worker, index, kept, ldap_guard_fired(&worker->guard));
	ldap_guard_disarm(&worker->guard);
	return verdict;
}

static enum verdict ask_those(struct ldap_worker *worker, enum ldap_health health, struct ldap_request *request)
{
	struct ldap_shared *shared = worker->shared;
	enum verdict verdict = VERDICT_UNAVAILABLE;
	for (size_t i = 0; i < shared->server_count && is_unanswered(worker, verdict); i++) {
		struct ldap_server *server = &shared->servers[i];
		if (ldap_server_uri(server) == NULL || worker->links[i].given_up || worker->waits >= LDAP_WAITS ||
		    ldap_server_health(server) != health)
			continue;
		verdict = ask_server(worker, i, request, worker->waits > 0 || request->explains);
		if (!is_unanswered(worker, verdict))
			ldap_server_note_answer(server);
	}
	return verdict;
}

/* ---- questions */

static void begin_question(struct ldap_worker *worker, struct ldap_request *request)
{
	worker->waits = 0;
	worker->blame = BLAME_SERVER;
	worker->ends_ms = clock_monotonic_ms() + LDAP_WAITS * worker->shared->config->timeout;
	for (size_t i = 0; i < worker->shared->server_count; i++)
		worker->links[i].given_up = false;
	ldap_question_answer(request, VERDICT_UNAVAILABLE, "directory unavailable");
}

/* Servers that are not asked, and why. */
static void step_through_servers(const struct ldap_shared *shared)
{
	for (size_t i = 0; i < shared->server_count; i++) {
		enum ldap_health health = ldap_server_health(&shared->servers[i]);
		const char *uri = ldap_server_uri(&shared->servers[i]);
		if (uri && health != LDAP_HEALTH_UP)
			ldap_step("%s is away, and asked %s", uri,
				  health == LDAP_HEALTH_SILENT ? "by probes alone" : "if no other answers");
	}
}

static void probe_server(struct ldap_worker *worker, struct ldap_request *request)
{
	struct ldap_server *server = &worker->shared->servers[request->server];
	const struct links *links = &worker->links[request->server];
	if (ldap_server_uri(server) == NULL)
		return;
	enum verdict verdict = ask_server(worker, request->server, request, false);
	if (verdict == VERDICT_UNAVAILABLE && !links->given_up)
		verdict = ask_server(worker, request->server, request, true);
	if (verdict != VERDICT_UNAVAILABLE)
		ldap_server_note_answered_probe(server);
	else if (worker->blame == BLAME_SERVER)
		ldap_server_note_failed_probe(server, worker->waits ? LDAP_HEALTH_SILENT : LDAP_HEALTH_DOUBTED,
					      worker->fault);
}

void ldap_worker_ask(struct ldap_worker *worker, struct ldap_request *request)
{
	ldap_steps_collect(request->explains ? &request->steps : NULL);
	ldap_finder_refresh(&worker->shared->finder, request->question != LDAP_PROBE);
	begin_question(worker, request);
	if (request->explains)
		step_through_servers(worker->shared);
	if (request->question == LDAP_PROBE)
		probe_server(worker, request);
	else if (is_unanswered(worker, ask_those(worker, LDAP_HEALTH_UP, request)))
		ask_those(worker, LDAP_HEALTH_DOUBTED, request);
}

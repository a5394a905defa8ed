/*
 * Asking the directory. Each server has two connections a thread: one bound as
 * the searcher, which is kept, and one that users' passwords are tried on, so
 * that a search never runs with a user's rights.
 */
#include "auth/ldap/worker.h"

#include <stdlib.h>
#include <string.h>

#include "auth/ldap/entry.h"
#include "auth/ldap/filter.h"
#include "base/clock.h"
#include "base/log.h"

enum { SLOT_SEARCHER, SLOT_USER };

struct links {
	struct ldap_link searcher; /* open: bound as bind_dn */
	struct ldap_link user;
};

struct ldap_worker {
	struct ldap_shared *shared;
	struct ldap_guard guard;
	struct links *links;         /* one each server */
	char fault[LDAP_FAULT_SIZE]; /* why the last attempt failed */
};

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

static enum verdict answer_request(struct ldap_request *request, enum verdict verdict, const char *reason)
{
	request->verdict = verdict;
	request->reason = reason;
	return verdict;
}

static enum verdict give_up(struct ldap_worker *worker, struct ldap_request *request, const struct ldap_link *link,
			    int code)
{
	ldap_link_describe(link, code, worker->fault);
	return answer_request(request, VERDICT_UNAVAILABLE, "directory unavailable");
}

/* A searcher's connection, bound. LDAP_SUCCESS, or why not is in worker->fault. */
static int open_searcher(struct ldap_worker *worker, struct ldap_link *link, const char *uri)
{
	const struct ldap_shared *shared = worker->shared;
	struct ldap_bind_answer bound;
	if (link->handle)
		return LDAP_SUCCESS;
	int code = ldap_link_open(link, shared->config, shared->tls, uri, &worker->guard, SLOT_SEARCHER);
	if (code != LDAP_SUCCESS) {
		ldap_link_describe(link, code, worker->fault);
		return code;
	}
	ldap_link_bind(link, shared->config->bind_dn, secret_reveal(&shared->bind_password), worker->fault, &bound);
	if (bound.code > 0)
		snprintf(worker->fault, sizeof(worker->fault), "bind_dn is refused: %s", ldap_err2string(bound.code));
	return bound.code;
}

static enum verdict probe_server(struct ldap_worker *worker, struct links *links, struct ldap_request *request)
{
	static char no_attributes[] = LDAP_NO_ATTRS;
	char *attributes[] = { no_attributes, NULL };
	LDAPMessage *result = NULL;
	int code = ldap_link_search(&links->searcher, "", LDAP_SCOPE_BASE, "(objectClass=*)", attributes, &result);
	ldap_msgfree(result);
	if (code < 0 || code == LDAP_BUSY || code == LDAP_UNAVAILABLE)
		return give_up(worker, request, &links->searcher, code);
	return answer_request(request, VERDICT_GRANTED, "");
}

static int search_user(struct ldap_worker *worker, struct ldap_link *link, const char *name, LDAPMessage **out_result)
{
	const struct ldap_shared *shared = worker->shared;
	struct buf filter BUF_AUTO;
	buf_init(&filter, LDAP_FILTER_MAXIMUM);
	if (ldap_filter_expand(shared->config->filter, span_of(name), &filter) != STATUS_OK ||
	    buf_append_byte(&filter, '\0') != STATUS_OK)
		return LDAP_FILTER_ERROR;
	return ldap_link_search(link, shared->config->base, LDAP_SCOPE_SUBTREE, buf_span(&filter).data,
				shared->attributes, out_result);
}

/* A bind on the user's connection says whether the password is theirs. */
static enum verdict try_password(struct ldap_worker *worker, struct links *links, const char *uri, const char *dn,
				 struct ldap_request *request)
{
	const struct ldap_shared *shared = worker->shared;
	struct ldap_bind_answer bound;
	const char *reason = "";
	if (links->user.handle == NULL) {
		int code = ldap_link_open(&links->user, shared->config, shared->tls, uri, &worker->guard, SLOT_USER);
		if (code != LDAP_SUCCESS)
			return give_up(worker, request, &links->user, code);
	}
	ldap_link_bind(&links->user, dn, secret_reveal(&request->password), worker->fault, &bound);
	enum verdict verdict = ldap_judge_bind(&bound, &reason);
	if (verdict == VERDICT_GRANTED && request->identity.disabled)
		return answer_request(request, VERDICT_DISABLED, "account disabled");
	return answer_request(request, verdict, reason);
}

static enum verdict judge_entry(struct ldap_worker *worker, struct links *links, const char *uri, LDAPMessage *entry,
				struct ldap_request *request)
{
	LDAP *handle = links->searcher.handle;
	enum status status = ldap_entry_read(handle, entry, worker->shared->config, request->name, &request->identity);
	if (status == STATUS_INVALID || status == STATUS_TOO_LARGE)
		return answer_request(request, VERDICT_NONE, "no usable name in the directory");
	if (status != STATUS_OK)
		return give_up(worker, request, &links->searcher, LDAP_NO_MEMORY);
	if (request->question == LDAP_LOOK_UP)
		return request->identity.disabled ? answer_request(request, VERDICT_DISABLED, "account disabled")
						  : answer_request(request, VERDICT_GRANTED, "");
	if (request->user[0] && strcmp(request->user, request->identity.user) != 0) {
		request->is_other = true;
		return answer_request(request, VERDICT_NONE, "known by another name");
	}
	char *dn = ldap_get_dn(handle, entry);
	enum verdict verdict = VERDICT_NONE;
	if (dn == NULL || dn[0] == '\0')
		answer_request(request, VERDICT_NONE, "an entry without a name");
	else
		verdict = try_password(worker, links, uri, dn, request);
	ldap_memfree(dn);
	return verdict;
}

static enum verdict find_user(struct ldap_worker *worker, struct links *links, const char *uri,
			      struct ldap_request *request)
{
	LDAPMessage *result = NULL;
	int code = search_user(worker, &links->searcher, request->name, &result);
	if (code == LDAP_SIZELIMIT_EXCEEDED)
		return answer_request(request, VERDICT_NONE, "several users of that name");
	if (code != LDAP_SUCCESS)
		return give_up(worker, request, &links->searcher, code);
	int count = ldap_count_entries(links->searcher.handle, result);
	enum verdict verdict = VERDICT_NONE;
	if (count == 1)
		verdict = judge_entry(worker, links, uri, ldap_first_entry(links->searcher.handle, result), request);
	else
		answer_request(request, VERDICT_NONE, count == 0 ? "unknown user" : "several users of that name");
	ldap_msgfree(result);
	return verdict;
}

static enum verdict ask_over_links(struct ldap_worker *worker, struct links *links, const char *uri,
				   struct ldap_request *request)
{
	identity_free(&request->identity);
	request->is_other = false;
	if (open_searcher(worker, &links->searcher, uri) != LDAP_SUCCESS)
		return answer_request(request, VERDICT_UNAVAILABLE, "directory unavailable");
	if (request->question == LDAP_PROBE)
		return probe_server(worker, links, request);
	return find_user(worker, links, uri, request);
}

/* One server, within one time-out. The server may have closed a kept connection: then once more on a new one. */
static enum verdict ask_server(struct ldap_worker *worker, size_t index, struct ldap_request *request)
{
	struct links *links = &worker->links[index];
	const char *uri = worker->shared->servers[index].uri;
	ldap_guard_arm(&worker->guard, worker->shared->config->timeout);
	bool kept = links->searcher.handle || links->user.handle;
	enum verdict verdict = ask_over_links(worker, links, uri, request);
	if (verdict == VERDICT_UNAVAILABLE) {
		close_links(links);
		if (kept && !ldap_guard_fired(&worker->guard))
			verdict = ask_over_links(worker, links, uri, request);
	}
	if (verdict == VERDICT_UNAVAILABLE)
		close_links(links);
	if (ldap_guard_fired(&worker->guard))
		snprintf(worker->fault, sizeof(worker->fault), "no answer in time");
	ldap_guard_disarm(&worker->guard);
	return verdict;
}

static void note_state(struct ldap_worker *worker, struct ldap_server *server, bool down)
{
	atomic_store(&server->down_until_ms, down ? clock_monotonic_ms() + LDAP_DOWN_MS : 0);
	if (atomic_exchange(&server->down, down) == down)
		return;
	if (down)
		log_warning("ldap %s: %s is away: %s", worker->shared->config->name, server->uri, worker->fault);
	else
		log_info("ldap %s: %s answers again", worker->shared->config->name, server->uri);
}

void ldap_worker_ask(struct ldap_worker *worker, struct ldap_request *request)
{
	struct ldap_shared *shared = worker->shared;
	enum verdict verdict = answer_request(request, VERDICT_UNAVAILABLE, "directory unavailable");
	for (size_t i = 0; i < shared->server_count && verdict == VERDICT_UNAVAILABLE; i++) {
		struct ldap_server *server = &shared->servers[i];
		if (clock_monotonic_ms() < atomic_load(&server->down_until_ms))
			continue;
		verdict = ask_server(worker, i, request);
		note_state(worker, server, verdict == VERDICT_UNAVAILABLE);
	}
	atomic_store(&shared->up, verdict != VERDICT_UNAVAILABLE);
}

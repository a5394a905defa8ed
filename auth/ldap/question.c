/*
 * A user is searched for by bind_dn, what the entry says is judged, and a password is tried by a bind as the entry.
 * Owns nothing: connections are the worker's.
 */
#include "auth/ldap/question.h"

#include <string.h>

#include "auth/ldap/entry.h"
#include "auth/ldap/filter.h"
#include "auth/ldap/rights.h"
#include "auth/ldap/unread.h"
#include "base/log.h"

enum verdict ldap_question_answer(struct ldap_request *request, enum verdict verdict, const char *reason)
{
	request->verdict = verdict;
	request->reason = reason;
	return verdict;
}

static enum blame blame_for(int code)
{
	if (code == LDAP_FILTER_ERROR || code == LDAP_NO_MEMORY || code == LDAP_PARAM_ERROR)
		return BLAME_QUESTION;
	return code < 0 || code == LDAP_BUSY || code == LDAP_UNAVAILABLE ? BLAME_SERVER : BLAME_QUESTION;
}

static enum verdict give_up(struct ldap_worker *worker, struct ldap_request *request, const struct ldap_link *link,
			    int code)
{
	ldap_link_describe(link, code, worker->fault);
	worker->blame = blame_for(code);
	return ldap_question_answer(request, VERDICT_UNAVAILABLE, "directory unavailable");
}

/* One that was refused lately is not tried again: the directory would lock it. */
static int bind_searcher(struct ldap_worker *worker, struct ldap_link *link, const char *uri)
{
	struct ldap_shared *shared = worker->shared;
	enum ldap_service_result result = LDAP_SERVICE_ACCEPTED;
	struct ldap_bind_answer bound;
	worker->blame = BLAME_SERVICE;
	if (!ldap_service_begin(&shared->service))
		return LDAP_INVALID_CREDENTIALS;
	ldap_link_bind(link, shared->config->bind_dn, secret_reveal(&shared->bind_password), worker->fault, &bound);
	if (bound.code != LDAP_SUCCESS) {
		worker->blame = blame_for(bound.code) == BLAME_QUESTION ? BLAME_SERVICE : BLAME_SERVER;
		result = worker->blame == BLAME_SERVICE ? LDAP_SERVICE_REFUSED : LDAP_SERVICE_UNDECIDED;
		ldap_link_describe(link, bound.code, worker->fault);
	}
	ldap_service_end(&shared->service, result, uri, worker->fault);
	return bound.code;
}

/* A searcher's connection, bound: LDAP_SUCCESS. */
static int open_searcher(struct ldap_worker *worker, struct ldap_link *link, const char *uri)
{
	if (link->handle)
		return LDAP_SUCCESS;
	worker->blame = BLAME_SERVICE;
	if (ldap_service_pauses(&worker->shared->service)) {
		ldap_step("bind_dn was refused lately, and is not tried again yet (the log says more)");
		return LDAP_INVALID_CREDENTIALS;
	}
	int code =
		ldap_link_open(link, worker->shared->config, worker->shared->tls, uri, &worker->guard, SLOT_SEARCHER);
	worker->unconnected = code != LDAP_SUCCESS;
	if (code != LDAP_SUCCESS) {
		ldap_link_describe(link, code, worker->fault);
		worker->blame = BLAME_SERVER;
	} else {
		code = bind_searcher(worker, link, uri);
	}
	if (code != LDAP_SUCCESS)
		ldap_link_close(link); /* open means bound */
	else
		ldap_step("connected, and bound as %s",
			  worker->shared->config->bind_dn[0] ? worker->shared->config->bind_dn : "nobody");
	return code;
}

static enum verdict ask_root(struct ldap_worker *worker, struct links *links, struct ldap_request *request)
{
	static char no_attributes[] = LDAP_NO_ATTRS;
	char *attributes[] = { no_attributes, NULL };
	LDAPMessage *result = NULL;
	int code = ldap_link_search(&links->searcher, "", LDAP_SCOPE_BASE, "(objectClass=*)", attributes, &result);
	ldap_msgfree(result);
	if (code < 0 || code == LDAP_BUSY || code == LDAP_UNAVAILABLE)
		return give_up(worker, request, &links->searcher, code);
	return ldap_question_answer(request, VERDICT_GRANTED, "");
}

/* LDAP_SIZELIMIT_EXCEEDED: several; LDAP_NO_RESULTS_RETURNED: a name that can't be asked for. */
static int search_user(struct ldap_worker *worker, struct ldap_link *link, const char *name, LDAPMessage **out_result)
{
	const struct ldap_shared *shared = worker->shared;
	struct buf filter BUF_AUTO;
	buf_init(&filter, LDAP_FILTER_MAXIMUM);
	enum status status = ldap_filter_expand(shared->config->filter, span_of(name), SPAN(""), &filter);
	if (status == STATUS_OK)
		status = buf_append_byte(&filter, '\0');
	if (status != STATUS_OK)
		return status == STATUS_TOO_LARGE ? LDAP_NO_RESULTS_RETURNED : LDAP_NO_MEMORY;
	ldap_step("searches %s for %s", shared->config->base, buf_span(&filter).data);
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
		worker->unconnected = code != LDAP_SUCCESS;
		if (code != LDAP_SUCCESS)
			return give_up(worker, request, &links->user, code);
	}
	if (worker->hasty) /* a password on its way counts at the directory, so it is better not sent twice */
		ldap_guard_extend(&worker->guard, shared->config->timeout);
	request->was_tried = true;
	ldap_link_bind(&links->user, dn, secret_reveal(&request->password), worker->fault, &bound);
	worker->blame = blame_for(bound.code);
	enum verdict verdict = ldap_judge_bind(&bound, &reason);
	return ldap_question_answer(request, verdict, reason);
}

/* It would be the same at any server: no other is asked. */
static enum verdict give_up_on_entry(struct ldap_worker *worker, struct ldap_request *request, const char *reason)
{
	worker->blame = BLAME_ENTRY;
	return ldap_question_answer(request, VERDICT_UNAVAILABLE, reason);
}

static enum verdict judge_standing(struct ldap_request *request)
{
	enum standing standing = request->identity.standing;
	ldap_step("how it stands: %s", standing == STANDING_GOOD ? "in order" : identity_refusal(standing));
	if (standing == STANDING_GOOD)
		return ldap_question_answer(request, VERDICT_GRANTED, "");
	if (standing == STANDING_MUST_CHANGE && request->question == LDAP_CHECK)
		return ldap_question_answer(request, VERDICT_MUST_CHANGE, identity_refusal(standing));
	return ldap_question_answer(request, VERDICT_DISABLED, identity_refusal(standing));
}

/* A person who has proven who they are, or need not. */
static enum verdict admit_person(struct ldap_worker *worker, struct links *links, const struct ldap_entry *entry,
				 struct ldap_request *request)
{
	int code = ldap_rights_read(&links->searcher, entry, request->name, &request->identity);
	if (code == LDAP_SIZELIMIT_EXCEEDED)
		return give_up_on_entry(worker, request, "more groups or addresses than can be read");
	if (code != LDAP_SUCCESS)
		return give_up(worker, request, &links->searcher, code);
	return judge_standing(request);
}

static enum verdict check_person(struct ldap_worker *worker, struct links *links, const char *uri,
				 const struct ldap_entry *entry, struct ldap_request *request)
{
	if (request->identity.standing == STANDING_NAMELESS)
		return ldap_question_answer(request, VERDICT_WRONG, identity_refusal(STANDING_NAMELESS));
	if (request->user[0] && strcmp(request->user, request->identity.user) != 0) {
		request->is_other = true;
		return ldap_question_answer(request, VERDICT_NONE, "known by another name");
	}
	if (ldap_entry_has_grace(entry)) /* the directory would count another use */
		return ldap_question_answer(request, VERDICT_WRONG, "password expired");
	if (try_password(worker, links, uri, entry->dn, request) != VERDICT_GRANTED)
		return request->verdict;
	return admit_person(worker, links, entry, request);
}

static enum verdict judge_entry(struct ldap_worker *worker, struct links *links, const char *uri,
				const struct ldap_entry *entry, struct ldap_request *request)
{
	enum status status = ldap_entry_read(entry, request->name, &request->identity);
	if (status == STATUS_INVALID)
		return give_up_on_entry(worker, request, "an entry without an id");
	if (status != STATUS_OK)
		return give_up(worker, request, &links->searcher, LDAP_NO_MEMORY);
	ldap_step("its id is %s, the user is %s", request->identity.id, request->identity.user);
	ldap_unread_tell(&links->searcher, entry, request->explains);
	if (request->question == LDAP_LOOK_UP)
		return admit_person(worker, links, entry, request);
	return check_person(worker, links, uri, entry, request);
}

static enum verdict take_entry(struct ldap_worker *worker, struct links *links, const char *uri, LDAPMessage *message,
			       struct ldap_request *request)
{
	LDAP *handle = links->searcher.handle;
	char *dn = ldap_get_dn(handle, message);
	const struct ldap_entry entry = {
		.handle = handle,
		.message = message,
		.dn = dn,
		.config = worker->shared->config,
		.tell = &worker->shared->tell,
	};
	ldap_step("found the entry %s", dn ? dn : "");
	enum verdict verdict = dn && dn[0] ? judge_entry(worker, links, uri, &entry, request)
					   : ldap_question_answer(request, VERDICT_NONE, "an entry without a name");
	ldap_memfree(dn);
	return verdict;
}

static enum verdict find_user(struct ldap_worker *worker, struct links *links, const char *uri,
			      struct ldap_request *request)
{
	LDAPMessage *result = NULL;
	int code = search_user(worker, &links->searcher, request->name, &result);
	if (code == LDAP_SIZELIMIT_EXCEEDED)
		return ldap_question_answer(request, VERDICT_NONE, "several users of that name");
	if (code == LDAP_NO_RESULTS_RETURNED)
		return ldap_question_answer(request, VERDICT_NONE, "name too long for the filter");
	if (code != LDAP_SUCCESS)
		return give_up(worker, request, &links->searcher, code);
	int count = ldap_count_entries(links->searcher.handle, result);
	enum verdict verdict = VERDICT_NONE;
	if (count == 1)
		verdict = take_entry(worker, links, uri, ldap_first_entry(links->searcher.handle, result), request);
	else
		ldap_question_answer(request, VERDICT_NONE, count == 0 ? "unknown user" : "several users of that name");
	ldap_msgfree(result);
	return verdict;
}

enum verdict ldap_question_ask(struct ldap_worker *worker, struct links *links, const char *uri,
			       struct ldap_request *request)
{
	identity_free(&request->identity);
	request->is_other = false;
	if (open_searcher(worker, &links->searcher, uri) != LDAP_SUCCESS)
		return ldap_question_answer(request, VERDICT_UNAVAILABLE,
					    worker->blame == BLAME_SERVICE ? "bind_dn refused"
									   : "directory unavailable");
	if (request->question == LDAP_PROBE)
		return ask_root(worker, links, request);
	return find_user(worker, links, uri, request);
}

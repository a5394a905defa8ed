/* Frames for admin from visits, and answers from its frames. Owns nothing. */
#include "console/asking.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "net/endpoint.h"

#define JSON_TYPE "application/json"
#define PREFIX "/api/v1/"
/* Bytes of all names and values of a query. */
#define QUERY_MAXIMUM 32768
/* As long as a ticket is good (admin/tickets.h). */
#define LOGIN_COOKIE_SECONDS 600U
#define ADMIN_IS_AWAY SPAN("{\"ok\":false,\"error\":\"try again in a moment\"}\n")

bool asking_is_for(const struct visit *visit)
{
	return strncmp(visit->path, PREFIX, sizeof(PREFIX) - 1) == 0;
}

/* ---- to admin */

struct query {
	struct buf list;
	enum status status;
};

static enum MHD_Result add_argument(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct query *query = context;
	(void)kind;
	query->status = codec_list_add(&query->list, span_of(name));
	if (query->status == STATUS_OK)
		query->status = codec_list_add(&query->list, span_of(value));
	return query->status == STATUS_OK ? MHD_YES : MHD_NO;
}

/* Some web servers add a field of their own to the browser's. */
void asking_find_address(const struct visit *visit, bool has_tls, char out_address[HEAD_ADDRESS_SIZE])
{
	struct endpoint endpoint = { 0 };
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(visit->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	out_address[0] = '\0';
	if (!has_tls && head_find_forwarded(visit_last_field(visit, "X-Forwarded-For"), out_address))
		return;
	if (info == NULL || info->client_addr == NULL)
		return;
	int family = info->client_addr->sa_family;
	if (family != AF_INET && family != AF_INET6)
		return;
	endpoint.size = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	memcpy(&endpoint.storage, info->client_addr, endpoint.size);
	endpoint_format(&endpoint, out_address);
}

static enum status pass_on(const struct visit *visit, struct door *door, bool has_tls)
{
	struct query query = { 0 };
	char address[HEAD_ADDRESS_SIZE];
	buf_init(&query.list, QUERY_MAXIMUM);
	asking_find_address(visit, has_tls, address);
	MHD_get_connection_values(visit->connection, MHD_GET_ARGUMENT_KIND, add_argument, &query);
	const struct door_console_asked asked = {
		.request = visit->number,
		.address = span_of(address),
		.method = span_of(visit->method),
		.path = span_of(visit->path),
		.query = codec_list_of(&query.list),
		.token = head_find_cookie(visit_field(visit, "Cookie"), SPAN(SESSION_COOKIE)),
		.bearer = head_find_bearer(visit_field(visit, "Authorization")),
		.proof = visit_field(visit, "X-CSRF-Token"),
		.body = buf_span(&visit->body),
	};
	enum status status = query.status == STATUS_OK ? door_send_console_asked(door, &asked) : query.status;
	buf_free(&query.list);
	return status;
}

/* A form of another site's page can send no JSON. */
static bool has_right_type(const struct visit *visit)
{
	return strcmp(visit->method, "POST") != 0 || head_is_json(visit_field(visit, "Content-Type"));
}

static void refuse_visit(struct site *site, struct visit *visit, unsigned code, struct span text)
{
	visit_set_text(visit, code, JSON_TYPE, text);
	site_answer(site, visit);
}

void asking_begin(struct site *site, struct visit *visit, struct door *door, bool has_tls)
{
	if (!has_right_type(visit)) {
		refuse_visit(site, visit, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
			     SPAN("{\"ok\":false,\"error\":\"expected Content-Type: application/json\"}\n"));
		return;
	}
	enum status status = door ? pass_on(visit, door, has_tls) : STATUS_UNAVAILABLE;
	if (status == STATUS_OK)
		return;
	visit->answer.retry_after = 1;
	refuse_visit(site, visit, MHD_HTTP_SERVICE_UNAVAILABLE, ADMIN_IS_AWAY);
}

/* ---- from admin */

char *asking_make_cookie(struct span token)
{
	char *cookie = NULL;
	int size = asprintf(&cookie, "%s=%.*s; Path=/; Secure; HttpOnly; SameSite=Strict%s", SESSION_COOKIE,
			    SPAN_ARGS(token), span_is_empty(token) ? "; Max-Age=0" : "");
	return size < 0 ? NULL : cookie;
}

char *asking_make_login_cookie(struct span ticket)
{
	char *cookie = NULL;
	int size = asprintf(&cookie, "%s=%.*s; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=%u", LOGIN_COOKIE,
			    SPAN_ARGS(ticket), span_is_empty(ticket) ? 0U : LOGIN_COOKIE_SECONDS);
	return size < 0 ? NULL : cookie;
}

static const char *allowed_method(struct span method)
{
	if (span_is_empty(method))
		return NULL;
	return span_equal(method, SPAN("GET")) ? "GET, HEAD" : "POST";
}

enum status asking_take_answer(struct site *site, const struct door_console_answered *answered)
{
	struct visit *visit = site_find(site, answered->request);
	if (answered->code < 200 || answered->code > 599)
		return STATUS_INVALID;
	if (visit == NULL)
		return STATUS_OK; /* its browser is gone */
	visit_set_text(visit, answered->code, JSON_TYPE, answered->body);
	visit->answer.allow = allowed_method(answered->allow);
	visit->answer.retry_after = answered->retry;
	if (answered->token.size || answered->ends)
		visit->answer.cookie = asking_make_cookie(answered->token);
	if ((answered->token.size || answered->ends) && visit->answer.cookie == NULL)
		visit_set_text(visit, MHD_HTTP_SERVICE_UNAVAILABLE, JSON_TYPE, ADMIN_IS_AWAY);
	site_answer(site, visit);
	return STATUS_OK;
}

static void refuse_waiting(void *context, struct visit *visit)
{
	visit->answer.retry_after = 1;
	refuse_visit(context, visit, MHD_HTTP_SERVICE_UNAVAILABLE, ADMIN_IS_AWAY);
}

void asking_lose_admin(struct site *site)
{
	site_each(site, refuse_waiting);
}

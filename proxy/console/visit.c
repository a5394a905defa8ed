/* Owns what a request said and what it is answered, until the library has sent that. */
#include "console/visit.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "console/supply.h"

/* Bytes of an answer's body: a frame of a door. */
#define ANSWER_MAXIMUM (1U << 20)
/* Bytes that the library asks for at once. */
#define BLOCK 16384

/* For files that only change with the program. */
#define KEPT "private, max-age=300"

/*
 * What every answer says. Nothing of another origin is loaded, nothing runs that is not a file of ours, and no other
 * page may hold ours in a frame, or hear where its reader came from.
 */
static const struct {
	const char *name, *value;
} always[] = {
	{ "Content-Security-Policy",
	  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
	  "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'" },
	{ "Cross-Origin-Embedder-Policy", "require-corp" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()" },
	{ "Referrer-Policy", "no-referrer" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "X-Frame-Options", "DENY" },
};

struct visit *visit_create(struct site *site, struct MHD_Connection *connection, const char *method, const char *path)
{
	struct visit *visit = calloc(1, sizeof(*visit));
	if (visit == NULL)
		return NULL;
	visit->site = site;
	visit->connection = connection;
	visit->method = strdup(method);
	visit->path = strdup(path);
	buf_init_sensitive(&visit->body, VISIT_BODY_MAXIMUM);
	buf_init_sensitive(&visit->answer.body, ANSWER_MAXIMUM);
	if (visit->method == NULL || visit->path == NULL)
		visit_free(&visit);
	return visit;
}

void visit_free(struct visit **visit)
{
	struct visit *ending = *visit;
	*visit = NULL;
	if (ending == NULL)
		return;
	buf_free(&ending->body);
	buf_free(&ending->answer.body);
	supply_free(&ending->answer.supply);
	free(ending->answer.cookie);
	free(ending->answer.login_cookie);
	free(ending->answer.location);
	free(ending->method);
	free(ending->path);
	free(ending);
}

struct span visit_field(const struct visit *visit, const char *name)
{
	return span_of(MHD_lookup_connection_value(visit->connection, MHD_HEADER_KIND, name));
}

struct last_field {
	const char *name, *value;
};

static enum MHD_Result keep_field(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct last_field *last = context;
	(void)kind;
	if (strcasecmp(name, last->name) == 0)
		last->value = value;
	return MHD_YES;
}

struct span visit_last_field(const struct visit *visit, const char *name)
{
	struct last_field last = { .name = name };
	MHD_get_connection_values(visit->connection, MHD_HEADER_KIND, keep_field, &last);
	return span_of(last.value);
}

void visit_set_text(struct visit *visit, unsigned code, const char *type, struct span text)
{
	buf_clear(&visit->answer.body);
	visit->answer.type = type;
	visit->answer.code = buf_append(&visit->answer.body, text) == STATUS_OK ? code : MHD_HTTP_SERVICE_UNAVAILABLE;
}

/* ---- the response */

static ssize_t read_body(void *context, uint64_t position, char *out_bytes, size_t size)
{
	const struct buf *body = context;
	struct span rest = span_slice(buf_span(body), position, buf_size(body));
	if (rest.size == 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	size_t taken = rest.size < size ? rest.size : size;
	memcpy(out_bytes, rest.data, taken);
	return (ssize_t)taken;
}

static void free_body(void *context)
{
	struct buf *body = context;
	buf_free(body);
	free(body);
}

/*
 * By a callback: a body that the library holds itself would leave together with the header by sendmsg(2), which a
 * console may not call.
 */
static struct MHD_Response *make_response(struct visit_answer *answer)
{
	if (answer->supply)
		return supply_make_response(&answer->supply);
	struct buf *body = malloc(sizeof(*body));
	if (body == NULL)
		return NULL;
	*body = answer->body;
	buf_init_sensitive(&answer->body, ANSWER_MAXIMUM);
	struct MHD_Response *response =
		MHD_create_response_from_callback(buf_size(body), BLOCK, read_body, body, free_body);
	if (response == NULL)
		free_body(body);
	return response;
}

static bool add_fields(struct MHD_Response *response, const struct visit_answer *answer, bool has_tls, bool is_last)
{
	char seconds[16];
	bool added = MHD_add_response_header(response, "Content-Type", answer->type) == MHD_YES;
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]) && added; i++)
		added = MHD_add_response_header(response, always[i].name, always[i].value) == MHD_YES;
	if (added)
		added = MHD_add_response_header(response, "Cache-Control", answer->may_be_kept ? KEPT : "no-store") ==
			MHD_YES;
	if (added && answer->file[0]) {
		char disposition[96];
		snprintf(disposition, sizeof(disposition), "attachment; filename=\"%s\"", answer->file);
		added = MHD_add_response_header(response, "Content-Disposition", disposition) == MHD_YES;
	}
	if (added && answer->location)
		added = MHD_add_response_header(response, "Location", answer->location) == MHD_YES;
	if (added && has_tls)
		added = MHD_add_response_header(response, "Strict-Transport-Security", "max-age=63072000") == MHD_YES;
	if (added && answer->allow)
		added = MHD_add_response_header(response, "Allow", answer->allow) == MHD_YES;
	if (added && answer->code == MHD_HTTP_UNAUTHORIZED) /* RFC 9110, 11.6.1 */
		added = MHD_add_response_header(response, "WWW-Authenticate", "Bearer") == MHD_YES;
	if (added && answer->cookie)
		added = MHD_add_response_header(response, "Set-Cookie", answer->cookie) == MHD_YES;
	if (added && answer->login_cookie)
		added = MHD_add_response_header(response, "Set-Cookie", answer->login_cookie) == MHD_YES;
	if (added && answer->refresh)
		added = MHD_add_response_header(response, "Refresh", answer->refresh) == MHD_YES;
	snprintf(seconds, sizeof(seconds), "%u", answer->retry_after);
	if (added && answer->retry_after)
		added = MHD_add_response_header(response, "Retry-After", seconds) == MHD_YES;
	if (added && answer->is_stream) /* a web server in front is not to keep it back */
		added = MHD_add_response_header(response, "X-Accel-Buffering", "no") == MHD_YES;
	if (added && (is_last || answer->is_stream))
		added = MHD_add_response_header(response, "Connection", "close") == MHD_YES;
	return added;
}

bool visit_send(struct visit *visit, bool has_tls, bool is_last)
{
	struct MHD_Response *response = make_response(&visit->answer);
	if (response == NULL)
		return false;
	bool sent = add_fields(response, &visit->answer, has_tls, is_last) &&
		    MHD_queue_response(visit->connection, visit->answer.code, response) == MHD_YES;
	MHD_destroy_response(response);
	return sent;
}

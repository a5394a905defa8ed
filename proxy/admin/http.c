/*
 * libmicrohttpd on one thread. It owns the daemon, and with it the socket; a
 * response that can't be made loses its connection.
 */
#include "admin/http.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/http_guests.h"

/* Scrapers are few. */
#define CONNECTIONS_MAXIMUM 64
/* Of them, for one address. */
#define CONNECTIONS_OF_A_PEER 48
/* That have given way but are not closed yet. */
#define CONNECTIONS_CLOSING 64U
/* Of silence, before a connection is closed. */
#define CONNECTION_SECONDS 10U
/* For a request's line and header. */
#define CONNECTION_BYTES 16384U
/* Of COUNTER_ROLE_HUNG: the roles, and the embedded Redis last. */
#define ROLE_LABELS (ROLE_KINDS + 1)
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define PLAIN_TYPE "text/plain; charset=utf-8"

struct http {
	struct MHD_Daemon *daemon;
	int quiet_fd; /* the listening socket once drained, for http_free to close; -1 before */
	const struct stats *first;
	unsigned seats;
	const struct config *config;
	_Atomic bool attached[ROLE_KINDS];
	_Atomic bool supervisor_hung;
	struct places places; /* the thread's alone */
};

/* ---- answers: each is a text on the heap, NULL out of memory */

static char *write_metrics(struct http *http, unsigned *out_code)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	stats_write(http->first, http->seats, http->config, out);
	*out_code = MHD_HTTP_OK;
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* 503 asks for a restart of everything, so only the supervisor counts: it replaces the other roles itself. */
static char *write_health(struct http *http, unsigned *out_code)
{
	bool hung = atomic_load(&http->supervisor_hung);
	*out_code = hung ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
	return strdup(hung ? "hung: supervisor\n" : "ok\n");
}

static bool is_missing(struct http *http, unsigned role)
{
	return (role == ROLE_AUTH || role == ROLE_RELAY) && !atomic_load(&http->attached[role]);
}

/* As the supervisor says in its own slab: what other processes write into theirs counts for nothing here. */
static bool is_hung(struct http *http, unsigned role)
{
	if (role == ROLE_SUPERVISOR)
		return atomic_load(&http->supervisor_hung);
	return stats_sum(http->first, 1, COUNTER_ROLE_HUNG, role) != 0;
}

/* "hung: gate, relay" and a line end. False: there is none, and nothing was written. */
static bool write_roles(struct http *http, const char *what, bool (*is_so)(struct http *http, unsigned role), FILE *out)
{
	bool any = false;
	for (unsigned role = 0; role < ROLE_LABELS; role++) {
		if (!is_so(http, role))
			continue;
		fprintf(out, "%s%s", any ? ", " : what, role < ROLE_KINDS ? role_kind_text(role) : "redis");
		any = true;
	}
	if (any)
		fputc('\n', out);
	return any;
}

static char *write_readiness(struct http *http, unsigned *out_code)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	bool missing = write_roles(http, "missing: ", is_missing, out);
	bool hung = write_roles(http, "hung: ", is_hung, out);
	if (!missing && !hung)
		fputs("ready\n", out);
	*out_code = missing || hung ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

struct page {
	const char *path;
	const char *type;
	char *(*write)(struct http *http, unsigned *out_code);
};

static const struct page pages[] = {
	{ "/metrics", METRICS_TYPE, write_metrics },
	{ "/healthz", PLAIN_TYPE, write_health },
	{ "/readyz", PLAIN_TYPE, write_readiness },
};

/* ---- HTTP */

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned code, const char *type, char *text)
{
	struct MHD_Response *response =
		text ? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE) : NULL;
	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type", type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	enum MHD_Result result = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_request(struct http *http, struct MHD_Connection *connection, const char *url,
				      const char *method)
{
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, PLAIN_TYPE, strdup("read only\n"));
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		unsigned code = MHD_HTTP_INTERNAL_SERVER_ERROR;
		if (strcmp(url, pages[i].path) != 0)
			continue;
		char *text = pages[i].write(http, &code);
		return send_text(connection, code, pages[i].type, text);
	}
	return send_text(connection, MHD_HTTP_NOT_FOUND, PLAIN_TYPE, strdup("not here\n"));
}

/* Called once with the header, again for each piece of a body (dropped), and at last with none left. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_size, void **state)
{
	static char seen;
	http_guest_asks(connection);
	(void)version;
	(void)upload;
	if (*state != &seen) {
		*state = &seen;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	return answer_request(context, connection, url, method);
}

enum status http_create(int fd, const struct stats *first, unsigned seats, const struct config *config,
			struct http **out_http)
{
	struct http *http = calloc(1, sizeof(*http));
	if (!http) {
		close(fd);
		return STATUS_NO_MEMORY;
	}
	http->first = first;
	http->seats = seats;
	http->config = config;
	http->quiet_fd = -1;
	http->places = (struct places){ .maximum = CONNECTIONS_MAXIMUM, .share = CONNECTIONS_OF_A_PEER };
	http->daemon = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_request, http,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAXIMUM + CONNECTIONS_CLOSING,
		MHD_OPTION_NOTIFY_CONNECTION, http_guest_changed, &http->places, MHD_OPTION_CONNECTION_TIMEOUT,
		CONNECTION_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_END);
	if (!http->daemon) {
		close(fd);
		free(http);
		return STATUS_UNAVAILABLE;
	}
	*out_http = http;
	return STATUS_OK;
}

void http_set_attached(struct http *http, enum role_kind role, bool attached)
{
	atomic_store(&http->attached[role], attached);
}

void http_set_supervisor_hung(struct http *http, bool hung)
{
	atomic_store(&http->supervisor_hung, hung);
}

/* The admin role that takes over shares the listening socket: stopping alone would shut it down for both. */
void http_drain(struct http *http)
{
	if (http->quiet_fd < 0)
		http->quiet_fd = MHD_quiesce_daemon(http->daemon);
}

void http_free(struct http **http)
{
	if (!*http)
		return;
	http_drain(*http);
	MHD_stop_daemon((*http)->daemon);
	if ((*http)->quiet_fd >= 0)
		close((*http)->quiet_fd);
	free(*http);
	*http = NULL;
}

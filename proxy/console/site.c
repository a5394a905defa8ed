/*
 * Owns the daemons, and by them sockets and connections, and the visits that wait. The library has an epoll descriptor
 * of its own, which the loop watches; it makes no thread.
 */
#include "console/site.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "console/crowd.h"
#include "console/transport.h"
#include "net/endpoint.h"

/* Of one listening socket. */
#define CONNECTIONS_MAXIMUM 512U
/* Of one network, with TLS: whoever comes through a web server in front has its address. */
#define CONNECTIONS_OF_A_NETWORK 64U
/* Of silence, before a connection is closed. */
#define SILENCE_SECONDS 15U
/* For a handshake and a request, and again for each further request: whoever sends a byte now and then. */
#define REQUEST_MS 30000U
/*
 * With TLS the library wants to be called again at once for as long as a handshake is not complete, whether anything
 * came or not. So if nothing came or went, it is called after this time, or when its epoll descriptor says so.
 */
#define IDLE_CALL_MS 50U
/* For a request's line and header. */
#define HEADER_BYTES 32768U
/* What the kernel keeps of an answer while its reader is slow; by itself it takes 4 MiB a connection. */
#define UNREAD_BYTES 131072

/* One listening socket. */
struct outlet {
	struct site *site;
	struct MHD_Daemon *daemon;
	struct watch *watch;
	struct crowd crowd;
	int quiet_fd; /* the listening socket once drained, to be closed; -1 before */
};

struct site {
	struct loop *loop;
	struct site_options options;
	struct outlet outlets[SITE_SOCKETS_MAXIMUM];
	size_t outlet_count;
	struct timer *timer; /* when the library wants to be called again */
	struct map visits;   /* that wait, by number */
	uint64_t last_number;
	uint64_t moved; /* how often bytes came or went, with TLS */
	bool is_draining;
};

/* ---- the library's turns */

static void run_daemons(struct site *site)
{
	bool any = false;
	uint64_t soonest = 0, moved = site->moved;
	for (size_t i = 0; i < site->outlet_count; i++) {
		MHD_UNSIGNED_LONG_LONG wait = 0;
		MHD_run(site->outlets[i].daemon);
		if (MHD_get_timeout(site->outlets[i].daemon, &wait) != MHD_YES)
			continue;
		soonest = any && soonest < wait ? soonest : wait;
		any = true;
	}
	if (site->options.has_tls && moved == site->moved && soonest < IDLE_CALL_MS)
		soonest = IDLE_CALL_MS;
	if (any)
		timer_set(site->timer, soonest);
	else
		timer_clear(site->timer);
}

static void on_ready(void *context, unsigned events)
{
	const struct outlet *outlet = context;
	(void)events;
	run_daemons(outlet->site);
}

static void on_time(void *context)
{
	run_daemons(context);
}

static void look_at_drain(struct site *site)
{
	if (site->is_draining && site->visits.count == 0 && site->options.on_idle)
		site->options.on_idle(site->options.context);
}

/* ---- visits */

static void forget_visit(struct site *site, struct visit *visit)
{
	if (visit->number && site_find(site, visit->number))
		map_remove(&site->visits, &visit->by_number);
}

static enum MHD_Result send_answer(struct visit *visit)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(visit->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct transport *transport = info ? info->socket_context : NULL;
	if (transport)
		transport_allow(transport, REQUEST_MS);
	return visit_send(visit, visit->site->options.has_tls, visit->site->is_draining) ? MHD_YES : MHD_NO;
}

/* The request is complete: it waits for its answer, suspended. */
static enum MHD_Result ask_owner(struct visit *visit)
{
	struct site *site = visit->site;
	visit->number = ++site->last_number;
	visit->is_asked = true;
	if (map_add(&site->visits, &visit->by_number, map_hash_number(&site->visits, visit->number)) != STATUS_OK)
		return MHD_NO;
	site->options.on_visit(site->options.context, visit);
	if (visit->answer.code)
		return send_answer(visit);
	MHD_suspend_connection(visit->connection);
	visit->is_suspended = true;
	return MHD_YES;
}

static enum MHD_Result take_body(struct visit *visit, struct span bytes, size_t *upload_size)
{
	*upload_size = 0;
	if (visit->answer.code == 0 && buf_append(&visit->body, bytes) != STATUS_OK)
		return MHD_NO;
	return MHD_YES;
}

/* Before any byte of its body is read. */
static bool is_too_large(const struct visit *visit)
{
	uint64_t size = 0;
	struct span length = visit_field(visit, "Content-Length");
	return !span_is_empty(length) && (span_to_u64(length, &size) != STATUS_OK || size > VISIT_BODY_MAXIMUM);
}

static enum MHD_Result begin_visit(struct site *site, struct MHD_Connection *connection, const char *path,
				   const char *method, void **state)
{
	struct visit *visit = visit_create(site, connection, method, path);
	*state = visit;
	if (visit == NULL)
		return MHD_NO;
	if (!is_too_large(visit))
		return MHD_YES;
	visit_set_text(visit, MHD_HTTP_CONTENT_TOO_LARGE, "application/json",
		       SPAN("{\"ok\":false,\"error\":\"a request has 65536 bytes at most\"}\n"));
	return send_answer(visit);
}

/* Called with the header, again for each piece of a body, with none left, and once more when it was answered. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *upload, size_t *upload_size,
				  void **state)
{
	const struct outlet *outlet = context;
	struct visit *visit = *state;
	(void)version;
	if (visit == NULL)
		return begin_visit(outlet->site, connection, path, method, state);
	if (*upload_size)
		return take_body(visit, (struct span){ upload, *upload_size }, upload_size);
	return visit->answer.code ? send_answer(visit) : visit->is_asked ? MHD_YES : ask_owner(visit);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode how)
{
	const struct outlet *outlet = context;
	struct visit *visit = *state;
	(void)connection;
	(void)how;
	if (visit)
		forget_visit(outlet->site, visit);
	visit_free(&visit);
	*state = NULL;
	look_at_drain(outlet->site);
}

/* ---- connections */

/* "" for what is no address. */
static void format_address(const struct sockaddr *from, char out_text[ENDPOINT_TEXT_SIZE])
{
	struct endpoint endpoint = { 0 };
	out_text[0] = '\0';
	if (from == NULL || (from->sa_family != AF_INET && from->sa_family != AF_INET6))
		return;
	endpoint.size = from->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	memcpy(&endpoint.storage, from, endpoint.size);
	endpoint_format(&endpoint, out_text);
}

static enum MHD_Result may_connect(void *context, const struct sockaddr *from, socklen_t size)
{
	const struct outlet *outlet = context;
	char address[ENDPOINT_TEXT_SIZE];
	(void)size;
	format_address(from, address);
	bool has_room = !outlet->site->options.has_tls || *address == '\0' ||
			crowd_has_room(&outlet->crowd, span_of(address), CONNECTIONS_OF_A_NETWORK);
	return has_room ? MHD_YES : MHD_NO;
}

static void join_crowd(struct outlet *outlet, struct MHD_Connection *connection, struct transport *transport)
{
	char address[ENDPOINT_TEXT_SIZE];
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	format_address(info ? info->client_addr : NULL, address);
	if (*address)
		crowd_add(&outlet->crowd, &transport->guest, span_of(address));
}

static void on_connection(void *context, struct MHD_Connection *connection, void **transport_at,
			  enum MHD_ConnectionNotificationCode what)
{
	struct outlet *outlet = context;
	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (*transport_at)
			crowd_remove(&((struct transport *)*transport_at)->guest);
		free(*transport_at);
		*transport_at = NULL;
		return;
	}
	struct transport *transport = calloc(1, sizeof(*transport));
	*transport_at = transport;
	if (transport) {
		transport->moved = &outlet->site->moved;
		join_crowd(outlet, connection, transport);
	}
	if (transport && transport_begin(transport, connection, outlet->site->options.has_tls) == STATUS_OK)
		transport_allow(transport, REQUEST_MS);
	else
		log_warning("a browser's connection can't be taken: out of memory");
}

/* ---- life */

static const char *priorities_of(const struct site_options *options)
{
	return options->allows_tls13_only ? "NORMAL:-VERS-ALL:+VERS-TLS1.3"
					  : "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-CIPHER-ALL:"
					    "+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM";
}

static struct MHD_Daemon *start_daemon(struct outlet *outlet, int fd)
{
	const struct site_options *options = &outlet->site->options;
	const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (options->has_tls ? MHD_USE_TLS : 0);
	struct MHD_OptionItem more[] = {
		{ MHD_OPTION_LISTEN_SOCKET, fd, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAXIMUM, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, SILENCE_SECONDS, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADER_BYTES, NULL },
		{ MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, outlet },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, outlet },
		{ options->has_tls ? MHD_OPTION_HTTPS_PRIORITIES : MHD_OPTION_END, 0, (void *)priorities_of(options) },
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, options->has_tls ? options->certificate->bytes : NULL },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, options->has_tls ? options->key->bytes : NULL },
		{ MHD_OPTION_END, 0, NULL },
	};
	return MHD_start_daemon(flags, 0, may_connect, outlet, on_request, outlet, MHD_OPTION_ARRAY, more,
				MHD_OPTION_END);
}

enum status site_create(struct loop *loop, const struct site_options *options, struct site **out_site)
{
	struct site *site = calloc(1, sizeof(*site));
	if (site == NULL)
		return STATUS_NO_MEMORY;
	site->loop = loop;
	site->options = *options;
	enum status status = map_init(&site->visits);
	if (status == STATUS_OK)
		status = timer_make(loop, on_time, site, &site->timer);
	if (status == STATUS_OK)
		*out_site = site;
	else
		site_free(&site);
	return status;
}

enum status site_listen(struct site *site, int fd)
{
	struct outlet *outlet = &site->outlets[site->outlet_count];
	if (site->outlet_count == SITE_SOCKETS_MAXIMUM) {
		close(fd);
		return STATUS_TOO_LARGE;
	}
	*outlet = (struct outlet){ .site = site, .quiet_fd = -1 };
	/* Accepted sockets inherit it, so that the sandbox need not allow the call. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){ UNREAD_BYTES }, sizeof(int)) != 0)
		log_warning("the console's answers to slow readers are bounded by the kernel alone");
	outlet->daemon = start_daemon(outlet, fd);
	if (outlet->daemon == NULL) {
		close(fd);
		return STATUS_UNAVAILABLE;
	}
	site->outlet_count++;
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(outlet->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	return info ? watch_create(site->loop, info->epoll_fd, WATCH_READ, on_ready, outlet, &outlet->watch)
		    : STATUS_UNAVAILABLE;
}

struct visit *site_find(const struct site *site, uint64_t number)
{
	struct map_link *link = map_first(&site->visits, map_hash_number(&site->visits, number));
	for (; link; link = map_next(link)) {
		struct visit *visit = MAP_OWNER(link, struct visit, by_number);
		if (visit->number == number)
			return visit;
	}
	return NULL;
}

void site_answer(struct site *site, struct visit *visit)
{
	forget_visit(site, visit);
	if (visit->answer.code == 0)
		visit->answer.code = MHD_HTTP_INTERNAL_SERVER_ERROR;
	if (!visit->is_suspended)
		return;
	visit->is_suspended = false;
	MHD_resume_connection(visit->connection);
	site_wake(site);
}

void site_wake(struct site *site)
{
	timer_set(site->timer, 0); /* the library looks for what was resumed when it is called */
}

struct each {
	struct site *site;
	void (*visit)(void *site, struct visit *visit);
};

static void visit_link(void *context, struct map_link *link)
{
	const struct each *each = context;
	each->visit(each->site, MAP_OWNER(link, struct visit, by_number));
}

void site_each(struct site *site, void (*visit)(void *site, struct visit *visit))
{
	struct each each = { site, visit };
	map_visit(&site->visits, visit_link, &each);
}

static void stop_accepting(struct outlet *outlet)
{
	if (outlet->quiet_fd < 0)
		outlet->quiet_fd = MHD_quiesce_daemon(outlet->daemon);
}

void site_drain(struct site *site)
{
	site->is_draining = true;
	for (size_t i = 0; i < site->outlet_count; i++)
		stop_accepting(&site->outlets[i]);
	look_at_drain(site);
}

/* The library ends the process if a connection is suspended when its daemon stops. */
static void resume_visit(void *context, struct visit *visit)
{
	visit_set_text(visit, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain", SPAN("the console ends\n"));
	site_answer(context, visit);
}

void site_free(struct site **site)
{
	struct site *s = *site;
	*site = NULL;
	if (s == NULL)
		return;
	s->options.on_idle = NULL;
	site_each(s, resume_visit);
	for (size_t i = 0; i < s->outlet_count; i++) {
		watch_free(&s->outlets[i].watch);
		stop_accepting(&s->outlets[i]);
		MHD_stop_daemon(s->outlets[i].daemon);
		if (s->outlets[i].quiet_fd >= 0)
			close(s->outlets[i].quiet_fd);
	}
	map_free(&s->visits);
	timer_free(&s->timer);
	free(s);
}

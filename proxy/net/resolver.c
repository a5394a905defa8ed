/*
 * The resolver. Owns one c-ares channel, a watch for each of its sockets and
 * one timer for its retries. c-ares can't cancel a single query: a resolution
 * that was cancelled stays until c-ares is done with it.
 */
#include "net/resolver_cache.h"

#include <ares.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define HOST_MAXIMUM 255 /* bytes: RFC 1035, 2.3.4 */
#define TRY_MS 2000      /* for one server to answer */
#define TRIES 3          /* rounds over the servers */

/* From 1.31 on c-ares caches answers itself, denials too; only our cache knows when an old one may stand in. */
#ifdef ARES_OPT_QUERY_CACHE
#define NO_CACHE_OF_ITS_OWN ARES_OPT_QUERY_CACHE /* with qcache_max_ttl 0 */
#else
#define NO_CACHE_OF_ITS_OWN 0
#endif

/* One socket of c-ares. */
struct query_socket {
	struct query_socket *next;
	struct resolver *resolver;
	ares_socket_t fd;
	struct watch *watch;
};

struct resolver {
	struct loop *loop;
	ares_channel channel;
	struct timer *retry;
	struct query_socket *sockets;
	struct resolution *pending; /* those not cancelled */
	struct resolver_cache cache;
	unsigned busy; /* calls into c-ares on the stack */
	bool freed;    /* by the owner, while busy */
};

/* c-ares may answer inside the call that asks, and the resolution may be gone when it returns. */
struct asking {
	struct resolution **out;
	bool is_over;
};

/* Invariant: in its resolver's `pending` list iff on_answer is not NULL. */
struct resolution {
	struct resolution *next;
	struct resolver *resolver;
	struct timer *limit;
	void (*on_answer)(void *context, const struct resolver_answer *answer);
	void *context;
	struct asking *asking; /* while inside resolver_ask */
	in_port_t port;
	char host[HOST_MAXIMUM + 1];
};

/* ---- c-ares on the loop */

static void destroy_resolver(struct resolver *resolver)
{
	ares_destroy(resolver->channel);
	resolver_cache_wipe(&resolver->cache);
	timer_free(&resolver->retry);
	ares_library_cleanup();
	free(resolver);
}

static void enter_ares(struct resolver *resolver)
{
	resolver->busy++;
}

/* After each call into c-ares: sets the timer to when it wants to be called next. */
static void leave_ares(struct resolver *resolver)
{
	struct timeval wait;
	if (--resolver->busy)
		return;
	if (resolver->freed) {
		destroy_resolver(resolver);
		return;
	}
	if (ares_timeout(resolver->channel, NULL, &wait))
		timer_set(resolver->retry, (uint64_t)wait.tv_sec * 1000 + (uint64_t)wait.tv_usec / 1000 + 1);
	else
		timer_clear(resolver->retry);
}

static void process_ares(struct resolver *resolver, ares_socket_t readable, ares_socket_t writable)
{
	enter_ares(resolver);
	ares_process_fd(resolver->channel, readable, writable);
	leave_ares(resolver);
}

static void on_retry(void *context)
{
	process_ares(context, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void on_ready(void *context, unsigned events)
{
	struct query_socket *socket = context;
	ares_socket_t fd = socket->fd;
	process_ares(socket->resolver, events & WATCH_READ ? fd : ARES_SOCKET_BAD,
		     events & WATCH_WRITE ? fd : ARES_SOCKET_BAD);
}

static void add_socket(struct resolver *resolver, ares_socket_t fd, unsigned events)
{
	struct query_socket *socket = calloc(1, sizeof(*socket));
	if (socket == NULL)
		return; /* its query runs into the limit */
	*socket = (struct query_socket){ .next = resolver->sockets, .resolver = resolver, .fd = fd };
	if (watch_create(resolver->loop, fd, events, on_ready, socket, &socket->watch) != STATUS_OK) {
		free(socket);
		return;
	}
	resolver->sockets = socket;
}

/* c-ares opened a socket, waits for something else on it, or is about to close it (both 0). */
static void on_socket(void *context, ares_socket_t fd, int readable, int writable)
{
	struct resolver *resolver = context;
	struct query_socket **at = &resolver->sockets;
	unsigned events = (readable ? WATCH_READ : 0U) | (writable ? WATCH_WRITE : 0U);
	while (*at && (*at)->fd != fd)
		at = &(*at)->next;
	struct query_socket *socket = *at;
	if (socket && events == 0) {
		*at = socket->next;
		watch_free(&socket->watch);
		free(socket);
	} else if (socket) {
		watch_set(socket->watch, events);
	} else if (events) {
		add_socket(resolver, fd, events);
	}
}

/* ---- life */

enum status resolver_create(struct loop *loop, struct resolver **out_resolver)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	if (resolver == NULL)
		return STATUS_NO_MEMORY;
	struct ares_options options = {
		.timeout = TRY_MS,
		.tries = TRIES,
		.sock_state_cb = on_socket,
		.sock_state_cb_data = resolver,
	};
	resolver->loop = loop;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		free(resolver);
		return STATUS_SYSTEM;
	}
	if (ares_init_options(&resolver->channel, &options,
			      ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | NO_CACHE_OF_ITS_OWN) !=
	    ARES_SUCCESS) {
		ares_library_cleanup();
		free(resolver);
		return STATUS_SYSTEM;
	}
	if (timer_make(loop, on_retry, resolver, &resolver->retry) != STATUS_OK) {
		destroy_resolver(resolver);
		return STATUS_NO_MEMORY;
	}
	*out_resolver = resolver;
	return STATUS_OK;
}

enum status resolver_use_servers(struct resolver *resolver, const char *servers)
{
	return ares_set_servers_ports_csv(resolver->channel, servers) == ARES_SUCCESS ? STATUS_OK : STATUS_INVALID;
}

/* Its owner no longer waits for it; c-ares may still hold it. */
static void let_go(struct resolution *resolution)
{
	struct resolution **at = &resolution->resolver->pending;
	while (*at != resolution)
		at = &(*at)->next;
	*at = resolution->next;
	timer_free(&resolution->limit);
	resolution->on_answer = NULL;
	if (resolution->asking) {
		*resolution->asking->out = NULL;
		resolution->asking->is_over = true;
		resolution->asking = NULL;
	}
}

void resolver_free(struct resolver **resolver)
{
	struct resolver *r = *resolver;
	*resolver = NULL;
	if (r == NULL)
		return;
	while (r->pending)
		let_go(r->pending);
	if (r->busy)
		r->freed = true;
	else
		destroy_resolver(r);
}

/* ---- answers */

static void give_answer(struct resolution *resolution, const struct resolver_answer *answer)
{
	void (*on_answer)(void *context, const struct resolver_answer *answer) = resolution->on_answer;
	void *context = resolution->context;
	let_go(resolution);
	on_answer(context, answer);
}

/* From the cache; false: it has none. */
static bool recall_answer(struct resolver *resolver, const char *host, in_port_t port, bool stale,
			  struct resolver_answer *out_answer)
{
	const struct resolver_answer *kept =
		resolver_cache_find(&resolver->cache, host, stale, loop_now_ms(resolver->loop));
	if (kept == NULL)
		return false;
	*out_answer = *kept;
	out_answer->is_stale = stale;
	for (size_t i = 0; i < out_answer->count; i++)
		endpoint_set_port(&out_answer->endpoints[i], port);
	return true;
}

/* No server answers: an earlier answer may still be right. */
static void answer_without(struct resolution *resolution, const struct resolver_answer *failure)
{
	struct resolver_answer kept;
	bool has_kept = recall_answer(resolution->resolver, resolution->host, resolution->port, true, &kept);
	give_answer(resolution, has_kept ? &kept : failure);
}

static void on_limit(void *context)
{
	const struct resolver_answer late = { .status = STATUS_TIMEOUT, .reason = "no answer from DNS in time" };
	answer_without(context, &late);
}

static enum status status_of(int error)
{
	switch (error) {
	case ARES_SUCCESS:
		return STATUS_OK;
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
	case ARES_ENONAME:
	case ARES_EBADNAME:
		return STATUS_NOT_FOUND;
	case ARES_ETIMEOUT:
		return STATUS_TIMEOUT;
	default:
		return STATUS_UNAVAILABLE;
	}
}

static const struct ares_addrinfo_node *next_of_family(const struct ares_addrinfo_node *node, bool v6)
{
	while (node && node->ai_family != (v6 ? AF_INET6 : AF_INET))
		node = node->ai_next;
	return node;
}

static void add_endpoint(struct resolver_answer *answer, const struct sockaddr *address, size_t size, in_port_t port)
{
	struct endpoint *endpoint = &answer->endpoints[answer->count++];
	memcpy(&endpoint->storage, address, size);
	endpoint->size = (socklen_t)size;
	endpoint_set_port(endpoint, port);
}

/* c-ares sorts by RFC 6724; the families then take turns, so that a broken one costs one attempt and not all. */
static void add_in_turn(struct resolver_answer *answer, const struct ares_addrinfo_node *nodes, in_port_t port)
{
	bool v6 = nodes && nodes->ai_family == AF_INET6;
	const struct ares_addrinfo_node *next[2] = { next_of_family(nodes, false), next_of_family(nodes, true) };
	while (answer->count < RESOLVER_ENDPOINTS && (next[0] || next[1])) {
		if (next[v6] == NULL)
			v6 = !v6;
		add_endpoint(answer, next[v6]->ai_addr, (size_t)next[v6]->ai_addrlen, port);
		next[v6] = next_of_family(next[v6]->ai_next, v6);
		v6 = !v6;
	}
}

/* The shortest TTL of all addresses. */
static uint64_t read_ttl(const struct ares_addrinfo_node *nodes)
{
	uint64_t ttl_s = UINT64_MAX;
	for (; nodes; nodes = nodes->ai_next) {
		if (nodes->ai_ttl >= 0 && (uint64_t)nodes->ai_ttl < ttl_s)
			ttl_s = (uint64_t)nodes->ai_ttl;
	}
	return ttl_s == UINT64_MAX ? 0 : ttl_s;
}

static void keep_answer(const struct resolution *resolution, const struct resolver_answer *answer,
			const struct ares_addrinfo_node *nodes)
{
	struct resolver *resolver = resolution->resolver;
	if (answer->status == STATUS_OK)
		resolver_cache_put(&resolver->cache, resolution->host, answer, read_ttl(nodes),
				   loop_now_ms(resolver->loop));
	else if (answer->status == STATUS_NOT_FOUND)
		resolver_cache_drop(&resolver->cache, resolution->host);
}

/* c-ares calls this once for each query, on destruction too. */
static void on_addresses(void *context, int error, int timeouts, struct ares_addrinfo *found)
{
	struct resolution *resolution = context;
	(void)timeouts;
	if (resolution->on_answer) {
		struct resolver_answer result = { .status = status_of(error), .reason = ares_strerror(error) };
		if (found)
			add_in_turn(&result, found->nodes, resolution->port);
		if (result.status == STATUS_OK && result.count == 0) {
			result.status = STATUS_NOT_FOUND;
			result.reason = "no address";
		}
		keep_answer(resolution, &result, found ? found->nodes : NULL);
		if (result.status == STATUS_UNAVAILABLE || result.status == STATUS_TIMEOUT)
			answer_without(resolution, &result);
		else
			give_answer(resolution, &result);
	}
	if (found)
		ares_freeaddrinfo(found);
	free(resolution);
}

/* ---- asking */

static bool is_literal(const char *host, in_port_t port, struct resolver_answer *out_answer)
{
	struct in6_addr address;
	int family = inet_pton(AF_INET, host, &address) == 1 ? AF_INET : AF_INET6;
	if (family == AF_INET6 && inet_pton(AF_INET6, host, &address) != 1)
		return false;
	out_answer->endpoints[out_answer->count++] = endpoint_make(family, &address, port);
	return true;
}

static enum status ask_dns(struct resolver *resolver, const char *host, uint64_t limit_ms,
			   const struct resolution *wanted, struct resolution **out_resolution)
{
	const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct resolution *resolution = malloc(sizeof(*resolution));
	if (resolution == NULL)
		return STATUS_NO_MEMORY;
	*resolution = *wanted;
	if (timer_make(resolver->loop, on_limit, resolution, &resolution->limit) != STATUS_OK) {
		free(resolution);
		return STATUS_NO_MEMORY;
	}
	timer_set(resolution->limit, limit_ms);
	resolution->next = resolver->pending;
	resolver->pending = resolution;
	struct asking asking = { .out = out_resolution };
	resolution->asking = &asking;
	*out_resolution = resolution;
	enter_ares(resolver);
	ares_getaddrinfo(resolver->channel, host, NULL, &hints, on_addresses, resolution);
	if (!asking.is_over)
		resolution->asking = NULL;
	leave_ares(resolver);
	return STATUS_OK;
}

enum status resolver_ask(struct resolver *resolver, struct span host, uint16_t port, uint64_t limit_ms,
			 void (*on_answer)(void *context, const struct resolver_answer *answer), void *context,
			 struct resolution **out_resolution)
{
	char name[HOST_MAXIMUM + 1];
	struct resolver_answer literal = { .status = STATUS_OK, .reason = "" };
	if (host.size == 0 || host.size > HOST_MAXIMUM || span_contains_byte(host, '\0'))
		return STATUS_INVALID;
	memcpy(name, host.data, host.size);
	name[host.size] = '\0';
	if (is_literal(name, htons(port), &literal)) {
		*out_resolution = NULL;
		on_answer(context, &literal);
		return STATUS_OK;
	}
	if (recall_answer(resolver, name, htons(port), false, &literal)) {
		*out_resolution = NULL;
		on_answer(context, &literal);
		return STATUS_OK;
	}
	struct resolution wanted = {
		.resolver = resolver, .on_answer = on_answer, .context = context, .port = htons(port)
	};
	memcpy(wanted.host, name, host.size + 1);
	return ask_dns(resolver, name, limit_ms, &wanted, out_resolution);
}

void resolver_cancel(struct resolution **resolution)
{
	if (*resolution == NULL)
		return;
	let_go(*resolution);
	*resolution = NULL;
}

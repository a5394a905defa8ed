/* One query by the C library's resolver, with a state of its own. */
#include "auth/ldap/srv.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/span.h"

#define ANSWER_SIZE 8192 /* bytes */
#define WAIT_S 1         /* for a name server */
#define TRIES 1
#define FIXED_SIZE 6 /* bytes of a record before its name: priority, weight, port */

static struct sockaddr_in own_server; /* family 0: none */

void ldap_srv_use_server(const char *address, uint16_t port)
{
	own_server = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
	if (inet_pton(AF_INET, address, &own_server.sin_addr) != 1)
		own_server.sin_family = 0;
}

static bool is_host_within(const char *host, const char *domain)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t size = strlen(host), suffix = strlen(domain);
	return size > suffix + 1 && host[size - suffix - 1] == '.' && strcasecmp(host + size - suffix, domain) == 0 &&
	       strspn(host, plain) == size;
}

static unsigned read_u16(const unsigned char *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* False: it is none, or of a host elsewhere. */
static bool read_record(const ns_msg *message, const ns_rr *record, const char *domain, struct ldap_srv_server *server)
{
	const unsigned char *data = ns_rr_rdata(*record);
	if (ns_rr_type(*record) != ns_t_srv || ns_rr_rdlen(*record) <= FIXED_SIZE)
		return false;
	server->priority = (uint16_t)read_u16(data);
	server->weight = (uint16_t)read_u16(data + 2);
	server->port = (uint16_t)read_u16(data + 4);
	return ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), data + FIXED_SIZE, server->host,
				  sizeof(server->host)) > 0 &&
	       server->port != 0 && is_host_within(server->host, domain);
}

static bool goes_before(const struct ldap_srv_server *a, const struct ldap_srv_server *b)
{
	if (a->priority != b->priority)
		return a->priority < b->priority;
	if (a->weight != b->weight)
		return a->weight > b->weight;
	return strcasecmp(a->host, b->host) < 0;
}

/* In its place; the last of a full list falls off. */
static void insert_server(struct ldap_srv_server servers[LDAP_SRV_SERVERS], size_t *count,
			  const struct ldap_srv_server *added)
{
	size_t at = *count;
	while (at > 0 && goes_before(added, &servers[at - 1]))
		at--;
	if (at == LDAP_SRV_SERVERS)
		return;
	size_t moved = (*count < LDAP_SRV_SERVERS ? *count : LDAP_SRV_SERVERS - 1) - at;
	memmove(&servers[at + 1], &servers[at], moved * sizeof(*servers));
	servers[at] = *added;
	if (*count < LDAP_SRV_SERVERS)
		++*count;
}

static enum status read_answer(const unsigned char *bytes, int size, const char *domain,
			       struct ldap_srv_server servers[LDAP_SRV_SERVERS], size_t *out_count)
{
	ns_msg message;
	size_t count = 0;
	if (ns_initparse(bytes, size, &message) != 0)
		return STATUS_UNAVAILABLE;
	for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
		struct ldap_srv_server server = { 0 };
		ns_rr record;
		if (ns_parserr(&message, ns_s_an, i, &record) != 0)
			return STATUS_UNAVAILABLE;
		if (read_record(&message, &record, domain, &server))
			insert_server(servers, &count, &server);
	}
	*out_count = count;
	return count ? STATUS_OK : STATUS_NOT_FOUND;
}

static void set_up(struct __res_state *state)
{
	state->retrans = WAIT_S;
	state->retry = TRIES;
	if (own_server.sin_family == 0)
		return;
	state->nscount = 1;
	state->nsaddr_list[0] = own_server;
}

enum status ldap_srv_ask(const char *domain, struct ldap_srv_server out_servers[LDAP_SRV_SERVERS], size_t *out_count)
{
	char name[LDAP_SRV_HOST_SIZE + 16];
	unsigned char answer[ANSWER_SIZE];
	struct __res_state state = { 0 };
	enum status status = STATUS_UNAVAILABLE;
	if (res_ninit(&state) != 0)
		return STATUS_UNAVAILABLE;
	set_up(&state);
	snprintf(name, sizeof(name), "_ldap._tcp.%s", domain);
	int size = res_nquery(&state, name, ns_c_in, ns_t_srv, answer, sizeof(answer));
	if (size > 0)
		status = read_answer(answer, size < ANSWER_SIZE ? size : ANSWER_SIZE, domain, out_servers, out_count);
	else if (state.res_h_errno == HOST_NOT_FOUND || state.res_h_errno == NO_DATA)
		status = STATUS_NOT_FOUND;
	res_nclose(&state);
	return status;
}

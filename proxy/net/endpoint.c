/* Addresses with a port, made and read. Pure. */
#include "net/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

struct endpoint endpoint_make(int family, const void *address, in_port_t port)
{
	struct endpoint endpoint = { .storage.ss_family = (sa_family_t)family };
	if (family == AF_INET6) {
		endpoint.size = sizeof(struct sockaddr_in6);
		memcpy(&((struct sockaddr_in6 *)&endpoint.storage)->sin6_addr, address, sizeof(struct in6_addr));
	} else {
		endpoint.size = sizeof(struct sockaddr_in);
		memcpy(&((struct sockaddr_in *)&endpoint.storage)->sin_addr, address, sizeof(struct in_addr));
	}
	endpoint_set_port(&endpoint, port);
	return endpoint;
}

void endpoint_set_port(struct endpoint *endpoint, in_port_t port)
{
	if (endpoint->storage.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&endpoint->storage)->sin6_port = port;
	else
		((struct sockaddr_in *)&endpoint->storage)->sin_port = port;
}

/* ---- text */

static enum status parse_path(struct span path, struct endpoint *out_endpoint)
{
	struct endpoint endpoint = { .size = sizeof(struct sockaddr_un) };
	struct sockaddr_un *address = (struct sockaddr_un *)&endpoint.storage;
	if (path.size == 0 || path.size >= sizeof(address->sun_path) || span_contains_byte(path, '\0'))
		return STATUS_INVALID;
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path.data, path.size);
	*out_endpoint = endpoint;
	return STATUS_OK;
}

static enum status parse_port(struct span text, in_port_t *out_port)
{
	uint64_t port;
	TRY(span_to_u64(text, &port));
	if (port > UINT16_MAX)
		return STATUS_INVALID;
	*out_port = htons((uint16_t)port);
	return STATUS_OK;
}

static enum status parse_ip(struct span host, in_port_t port, struct endpoint *out_endpoint)
{
	char text[INET6_ADDRSTRLEN];
	bool v6 = span_starts_with(host, SPAN("[")) && host.size > 2 && host.data[host.size - 1] == ']';
	if (v6)
		host = span_slice(host, 1, host.size - 1);
	if (host.size >= sizeof(text) || span_contains_byte(host, '\0'))
		return STATUS_INVALID;
	memcpy(text, host.data, host.size);
	text[host.size] = '\0';
	struct in6_addr address;
	int family = v6 ? AF_INET6 : AF_INET;
	if (inet_pton(family, text, &address) != 1)
		return STATUS_INVALID;
	*out_endpoint = endpoint_make(family, &address, port);
	return STATUS_OK;
}

enum status endpoint_parse(struct span text, struct endpoint *out_endpoint)
{
	if (span_starts_with(text, SPAN("unix:")))
		return parse_path(span_slice(text, 5, text.size), out_endpoint);
	size_t colon = text.size;
	while (colon && text.data[colon - 1] != ':')
		colon--;
	if (colon < 2)
		return STATUS_INVALID;
	in_port_t port;
	TRY(parse_port(span_slice(text, colon, text.size), &port));
	return parse_ip(span_slice(text, 0, colon - 1), port, out_endpoint);
}

void endpoint_format(const struct endpoint *endpoint, char out_text[ENDPOINT_TEXT_SIZE])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&endpoint->storage;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&endpoint->storage;
	out_text[0] = '\0';
	if (endpoint->storage.ss_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, out_text, ENDPOINT_TEXT_SIZE);
	else if (endpoint->storage.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], out_text, ENDPOINT_TEXT_SIZE);
	else if (endpoint->storage.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &v6->sin6_addr, out_text, ENDPOINT_TEXT_SIZE);
	else if (endpoint->storage.ss_family == AF_UNIX)
		snprintf(out_text, ENDPOINT_TEXT_SIZE, "local");
}

uint16_t endpoint_port(const struct endpoint *endpoint)
{
	if (endpoint->storage.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&endpoint->storage)->sin_port);
	if (endpoint->storage.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&endpoint->storage)->sin6_port);
	return 0;
}

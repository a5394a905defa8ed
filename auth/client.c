/* Copies of what is known of a client. */
#include "auth/client.h"

#include <stdlib.h>
#include <string.h>

static struct span cut(struct span s)
{
	return span_slice(s, 0, CLIENT_TEXT_MAXIMUM);
}

static struct span put(char **at, struct span s)
{
	struct span kept = { *at, cut(s).size };
	if (kept.size)
		memcpy(*at, s.data, kept.size);
	*at += kept.size;
	return kept;
}

enum status client_copy(const struct client *given, struct client *out_client)
{
	size_t size = cut(given->address).size + cut(given->listener).size + cut(given->tls_version).size +
		      cut(given->tls_cipher).size + cut(given->tls_client_subject).size + cut(given->helo).size;
	char *memory = malloc(size + 1);
	if (memory == NULL)
		return STATUS_NO_MEMORY;
	char *at = memory;
	out_client->memory = memory;
	out_client->address = put(&at, given->address);
	out_client->port = given->port;
	out_client->listener = put(&at, given->listener);
	out_client->tls_version = put(&at, given->tls_version);
	out_client->tls_cipher = put(&at, given->tls_cipher);
	out_client->tls_client_subject = put(&at, given->tls_client_subject);
	out_client->helo = put(&at, given->helo);
	return STATUS_OK;
}

void client_free(struct client *client)
{
	free(client->memory);
	*client = (struct client){ 0 };
}

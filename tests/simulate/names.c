/* net/tls.h and net/resolver.h, played: TLS is what streams make of it, and addresses are the names that are known. */
#include <arpa/inet.h>
#include <stdio.h>

#include "net/resolver.h"
#include "net/tls.h"
#include "tests/simulate/world.h"

static char no_context;

enum status tls_client_create(const struct tls_client_options *options, struct tls_context **out_context,
			      char **out_error)
{
	(void)options, (void)out_error;
	*out_context = (struct tls_context *)&no_context;
	return STATUS_OK;
}

void tls_context_free(struct tls_context **context)
{
	*context = NULL;
}

size_t tls_memory(void)
{
	return 0;
}

enum status resolver_create(struct loop *loop, struct resolver **out_resolver)
{
	(void)loop;
	*out_resolver = (struct resolver *)&no_context;
	return STATUS_OK;
}

void resolver_free(struct resolver **resolver)
{
	*resolver = NULL;
}

/* Addresses alone are known. */
enum status resolver_ask(struct resolver *resolver, struct span host, uint16_t port, uint64_t limit_ms,
			 void (*on_answer)(void *context, const struct resolver_answer *answer), void *context,
			 struct resolution **out_resolution)
{
	char text[64];
	struct in_addr address;
	(void)resolver, (void)limit_ms;
	*out_resolution = NULL;
	snprintf(text, sizeof(text), "%.*s", SPAN_ARGS(host));
	if (inet_pton(AF_INET, text, &address) != 1)
		return STATUS_INVALID;
	struct resolver_answer answer = { .status = STATUS_OK, .count = 1, .reason = "" };
	answer.endpoints[0] = endpoint_make(AF_INET, &address, htons(port));
	on_answer(context, &answer);
	return STATUS_OK;
}

void resolver_cancel(struct resolution **resolution)
{
	*resolution = NULL;
}

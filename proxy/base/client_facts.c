/* What is known of a client: its texts, taken together. */
#include "base/client_facts.h"

#define TEXTS 6

static void list_texts(struct client_facts *facts, struct span *out_texts[TEXTS])
{
	out_texts[0] = &facts->address;
	out_texts[1] = &facts->listener;
	out_texts[2] = &facts->tls_version;
	out_texts[3] = &facts->tls_cipher;
	out_texts[4] = &facts->tls_client_subject;
	out_texts[5] = &facts->helo;
}

struct client_facts client_facts_cut(const struct client_facts *from, size_t maximum)
{
	struct client_facts facts = *from;
	struct span *texts[TEXTS];
	list_texts(&facts, texts);
	for (size_t i = 0; i < TEXTS; i++)
		*texts[i] = span_slice(*texts[i], 0, maximum);
	return facts;
}

enum status client_facts_copy(struct arena *arena, const struct client_facts *from, struct client_facts *out_facts)
{
	struct client_facts facts = *from;
	struct span *texts[TEXTS];
	list_texts(&facts, texts);
	for (size_t i = 0; i < TEXTS; i++)
		TRY(arena_copy(arena, *texts[i], texts[i]));
	*out_facts = facts;
	return STATUS_OK;
}

/*
 * The table of grants. Owns them together with the deliveries that hold one; a grant that can't be stored does not
 * exist.
 */
#include "relay/grants.h"

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/clock.h"

#include "relay/recipient_rules.h"

/* Invariant: one for each gate that has a grant in the table; `count` of them. */
struct gate_share {
	struct gate_share *next;
	uint32_t gate;
	uint64_t count;
};

struct grants {
	const struct config *config;
	struct map map;
	struct gate_share *shares;
};

enum status grants_create(const struct config *config, struct grants **out_grants)
{
	struct grants *grants = calloc(1, sizeof(*grants));
	if (grants == NULL)
		return STATUS_NO_MEMORY;
	grants->config = config;
	enum status status = map_init(&grants->map);
	if (status != STATUS_OK) {
		free(grants);
		return status;
	}
	*out_grants = grants;
	return STATUS_OK;
}

void grant_name_session(uint32_t gate, uint64_t session, char out_name[32])
{
	snprintf(out_name, 32, "%u-%llu", gate, (unsigned long long)session);
}

struct grant *grant_hold(struct grant *grant)
{
	grant->references++;
	return grant;
}

void grant_release(struct grant **grant)
{
	if (*grant && --(*grant)->references == 0) {
		arena_reset(&(*grant)->arena);
		free(*grant);
	}
	*grant = NULL;
}

static enum status copy_list(struct arena *arena, struct codec_list list, struct span_list *out_list)
{
	size_t count = codec_list_count(list);
	struct span *items = count ? arena_alloc(arena, count * sizeof(*items)) : NULL;
	if (count && items == NULL)
		return STATUS_NO_MEMORY;
	struct span item;
	for (size_t i = 0; i < count && codec_list_next(&list, &item); i++)
		TRY(arena_copy(arena, item, &items[i]));
	*out_list = (struct span_list){ items, count };
	return STATUS_OK;
}

static size_t memory_of_list(struct codec_list list)
{
	return codec_list_count(list) * sizeof(struct span) + alignof(max_align_t) + list.encoded.size;
}

/* Bytes that all of its texts take: each idle client has them, so no more is taken. */
static size_t memory_of_texts(const struct door_grant *message)
{
	const struct client_facts *client = &message->client;
	return client->address.size + client->listener.size + client->tls_version.size + client->tls_cipher.size +
	       client->tls_client_subject.size + client->helo.size + message->user.size + message->user_id.size +
	       message->login.size + message->auth_method.size + message->sasl_mechanism.size +
	       message->app_password_id.size + message->languages.size + memory_of_list(message->groups) +
	       memory_of_list(message->senders) + memory_of_list(message->recipients);
}

static enum status copy_identity(struct grant *grant, const struct door_grant *message)
{
	struct arena *arena = &grant->arena;
	TRY(arena_copy(arena, message->user, &grant->user));
	TRY(arena_copy(arena, message->user_id, &grant->user_id));
	TRY(arena_copy(arena, message->login, &grant->login));
	TRY(arena_copy(arena, message->auth_method, &grant->auth_method));
	TRY(arena_copy(arena, message->sasl_mechanism, &grant->sasl_mechanism));
	TRY(arena_copy(arena, message->app_password_id, &grant->app_password_id));
	TRY(arena_copy(arena, message->languages, &grant->languages));
	TRY(copy_list(arena, message->groups, &grant->groups));
	TRY(copy_list(arena, message->senders, &grant->senders));
	return copy_list(arena, message->recipients, &grant->recipients);
}

/* ---- what a gate may hold */

static struct gate_share **find_share(struct grants *grants, uint32_t gate)
{
	struct gate_share **at = &grants->shares;
	while (*at && (*at)->gate != gate)
		at = &(*at)->next;
	return at;
}

/* No gate has more sessions than the node may have connections: one that asks for more must not fill our memory. */
static enum status take_share(struct grants *grants, uint32_t gate)
{
	struct gate_share **at = find_share(grants, gate);
	if (*at && (*at)->count >= grants->config->limits.connections)
		return STATUS_TOO_LARGE;
	if (*at == NULL) {
		*at = calloc(1, sizeof(**at));
		if (*at == NULL)
			return STATUS_NO_MEMORY;
		(*at)->gate = gate;
	}
	(*at)->count++;
	return STATUS_OK;
}

static void give_share_back(struct grants *grants, uint32_t gate)
{
	struct gate_share **at = find_share(grants, gate);
	struct gate_share *share = *at;
	assert(share && share->count > 0);
	if (--share->count > 0)
		return;
	*at = share->next;
	free(share);
}

/* ---- coming and going */

static enum status enter_grant(struct grants *grants, struct grant *grant)
{
	uint64_t hash = map_hash_numbers(&grants->map, grant->gate, grant->session);
	TRY(take_share(grants, grant->gate));
	enum status status = map_add(&grants->map, &grant->link, hash);
	if (status != STATUS_OK)
		give_share_back(grants, grant->gate);
	return status;
}

static void limit_app_password(struct quota_limits *limits, const struct door_grant *message)
{
	snprintf(limits->app_password, sizeof(limits->app_password), "%.*s",
		 SPAN_ARGS(span_slice(message->app_password_id, 0, sizeof(limits->app_password) - 1)));
	limits->app_password_messages_per_day = message->messages_per_day;
}

static enum status store_grant(struct grants *grants, struct grant *grant, const struct door_grant *message)
{
	TRY(client_facts_copy(&grant->arena, &message->client, &grant->client));
	TRY(copy_identity(grant, message));
	quota_limits_for(grants->config, grant->user, grant->groups.items, grant->groups.count, &grant->limits);
	limit_app_password(&grant->limits, message);
	grant->senders_bind = message->senders_bind;
	grant->rule = recipient_rules_find(grants->config, grant);
	struct grant *former = grants_find(grants, message->gate, message->session);
	TRY(enter_grant(grants, grant));
	if (former)
		grants_drop(grants, former);
	return STATUS_OK;
}

enum status grants_add(struct grants *grants, const struct door_grant *message, struct grant **out_grant)
{
	if (span_is_empty(message->user) || span_is_empty(message->user_id))
		return STATUS_INVALID;
	struct grant *grant = calloc(1, sizeof(*grant));
	if (grant == NULL)
		return STATUS_NO_MEMORY;
	grant->references = 1;
	grant->gate = message->gate;
	grant->session = message->session;
	grant->rights = message->rights;
	grant->since_s = clock_wall_us() / 1000000;
	grant_name_session(message->gate, message->session, grant->name);
	arena_init_blocks(&grant->arena, GRANT_MEMORY, memory_of_texts(message));
	enum status status = store_grant(grants, grant, message);
	if (status != STATUS_OK) {
		grant_release(&grant);
		return status;
	}
	*out_grant = grant;
	return STATUS_OK;
}

static enum status fill_own(struct grant *grant, struct span sender)
{
	grant->senders.items = arena_alloc(&grant->arena, sizeof(*grant->senders.items));
	if (grant->senders.items == NULL)
		return STATUS_NO_MEMORY;
	TRY(arena_copy(&grant->arena, sender, grant->senders.items));
	grant->senders.count = 1;
	return STATUS_OK;
}

enum status grant_create_own(struct span sender, struct grant **out_grant)
{
	struct grant *grant = calloc(1, sizeof(*grant));
	if (grant == NULL)
		return STATUS_NO_MEMORY;
	grant->references = 1;
	grant->is_own = true;
	grant->senders_bind = true;
	grant->user = SPAN(GRANT_OWN_USER);
	arena_init(&grant->arena, GRANT_MEMORY);
	enum status status = fill_own(grant, sender);
	if (status != STATUS_OK) {
		grant_release(&grant);
		return status;
	}
	*out_grant = grant;
	return STATUS_OK;
}

struct grant *grants_find(const struct grants *grants, uint32_t gate, uint64_t session)
{
	uint64_t hash = map_hash_numbers(&grants->map, gate, session);
	for (struct map_link *link = map_first(&grants->map, hash); link; link = map_next(link)) {
		struct grant *grant = MAP_OWNER(link, struct grant, link);
		if (grant->gate == gate && grant->session == session)
			return grant;
	}
	return NULL;
}

void grants_drop(struct grants *grants, struct grant *grant)
{
	map_remove(&grants->map, &grant->link);
	give_share_back(grants, grant->gate);
	grant_release(&grant);
}

struct gate_drop {
	struct grants *grants;
	uint32_t gate;
	void (*on_dropped)(void *context, struct grant *grant);
	void *context;
};

static void drop_grant_of_gate(void *context, struct map_link *link)
{
	const struct gate_drop *drop = context;
	struct grant *grant = MAP_OWNER(link, struct grant, link);
	if (grant->gate != drop->gate)
		return;
	drop->on_dropped(drop->context, grant);
	grants_drop(drop->grants, grant);
}

void grants_drop_gate(struct grants *grants, uint32_t gate, void (*on_dropped)(void *context, struct grant *grant),
		      void *context)
{
	struct gate_drop drop = { grants, gate, on_dropped, context };
	map_visit(&grants->map, drop_grant_of_gate, &drop);
}

size_t grants_count(const struct grants *grants)
{
	return grants->map.count;
}

struct grant_visit {
	void (*visit)(void *context, struct grant *grant);
	void *context;
};

static void visit_grant(void *context, struct map_link *link)
{
	const struct grant_visit *visit = context;
	visit->visit(visit->context, MAP_OWNER(link, struct grant, link));
}

void grants_visit(struct grants *grants, void (*visit)(void *context, struct grant *grant), void *context)
{
	struct grant_visit each = { visit, context };
	map_visit(&grants->map, visit_grant, &each);
}

static void drop_any_grant(void *context, struct map_link *link)
{
	grants_drop(context, MAP_OWNER(link, struct grant, link));
}

void grants_free(struct grants **grants)
{
	if (*grants == NULL)
		return;
	map_visit(&(*grants)->map, drop_any_grant, *grants);
	map_free(&(*grants)->map);
	free(*grants);
	*grants = NULL;
}

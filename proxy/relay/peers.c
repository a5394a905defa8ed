/* Owns what it knows of other nodes, and one call at a time in each direction. */
#include "relay/peers.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_text.h"

#define CALL_LIMIT_MS 5000
#define NODE_SIZE 254      /* bytes of a node's name, the NUL included */
#define KEY_MAXIMUM 512    /* bytes */
#define VALUE_MAXIMUM 2048 /* bytes of a statement as JSON */

struct peer {
	char node[NODE_SIZE];
	char signature[AUDIT_SIGNATURE_HEX_SIZE]; /* of the statement that was recorded last */
};

struct peers {
	struct redis *redis;
	struct audit *audit;
	const char *node;
	struct buf key;
	struct timer *timer;
	struct audit_statement latest; /* of ours */
	bool is_publishing, is_latest_sent;
	struct peer known[PEERS_MAXIMUM];
	size_t count;
};

/* ---- ours */

static void send_latest(struct peers *peers);

static void on_published(void *context, enum status status, const struct redis_value *value)
{
	struct peers *peers = context;
	(void)status, (void)value; /* the next one comes soon */
	peers->is_publishing = false;
	if (!peers->is_latest_sent)
		send_latest(peers);
}

static void send_latest(struct peers *peers)
{
	json_t *object = audit_statement_to_json(&peers->latest);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	peers->is_latest_sent = true; /* or lost: out of memory */
	if (text == NULL)
		return;
	const struct span words[] = { SPAN("HSET"), buf_span(&peers->key), span_of(peers->node), span_of(text) };
	peers->is_publishing = redis_call(peers->redis, words, sizeof(words) / sizeof(words[0]), CALL_LIMIT_MS,
					  on_published, peers) == STATUS_OK;
	free(text);
}

void peers_publish(struct peers *peers, const struct audit_statement *statement)
{
	peers->latest = *statement;
	peers->is_latest_sent = false;
	if (!peers->is_publishing && redis_is_up(peers->redis))
		send_latest(peers);
}

/* ---- theirs */

/* NULL: there are too many. */
static struct peer *find_or_add_peer(struct peers *peers, struct span node)
{
	for (size_t i = 0; i < peers->count; i++)
		if (span_equal(span_of(peers->known[i].node), node))
			return &peers->known[i];
	if (peers->count == PEERS_MAXIMUM)
		return NULL;
	struct peer *peer = &peers->known[peers->count++];
	*peer = (struct peer){ 0 };
	memcpy(peer->node, node.data, node.size);
	return peer;
}

static enum status read_statement(struct span text, struct audit_statement *out_statement)
{
	json_t *object = text.size <= VALUE_MAXIMUM ? json_read(text) : NULL;
	enum status status = audit_statement_from_json(object, out_statement);
	json_decref(object);
	return status;
}

static void take_statement(struct peers *peers, struct span node, struct span text)
{
	struct audit_statement statement;
	bool is_name = node.size && node.size < NODE_SIZE && span_is_printable(node);
	if (!is_name || span_equal(node, span_of(peers->node)) || read_statement(text, &statement) != STATUS_OK)
		return;
	struct peer *peer = find_or_add_peer(peers, node);
	if (peer == NULL || strcmp(peer->signature, statement.signature) == 0 ||
	    audit_statement_verify(&statement) != STATUS_OK)
		return;
	const struct audit_chain_facts facts = { .statement = &statement, .peer = node };
	const struct audit_event event = { .type = AUDIT_PEER, .chain = &facts };
	if (audit_submit(peers->audit, &event, NULL, NULL) == STATUS_OK)
		memcpy(peer->signature, statement.signature, sizeof(peer->signature));
}

static void on_statements(void *context, enum status status, const struct redis_value *value)
{
	struct peers *peers = context;
	timer_set(peers->timer, PEERS_INTERVAL_MS);
	if (status != STATUS_OK || redis_value_type(value) != REDIS_ARRAY)
		return;
	size_t count = redis_value_count(value);
	for (size_t i = 0; i + 1 < count && i < 2 * (PEERS_MAXIMUM + 1); i += 2)
		take_statement(peers, redis_value_text(redis_value_at(value, i)),
			       redis_value_text(redis_value_at(value, i + 1)));
}

static void look_at_others(void *context)
{
	struct peers *peers = context;
	const struct span words[] = { SPAN("HGETALL"), buf_span(&peers->key) };
	if (redis_call(peers->redis, words, sizeof(words) / sizeof(words[0]), CALL_LIMIT_MS, on_statements, peers) !=
	    STATUS_OK)
		timer_set(peers->timer, PEERS_INTERVAL_MS);
}

/* ---- beginning and end */

enum status peers_create(struct loop *loop, struct redis *redis, struct audit *audit, const char *prefix,
			 const char *node, struct peers **out_peers)
{
	struct peers *peers = calloc(1, sizeof(*peers));
	if (peers == NULL)
		return STATUS_NO_MEMORY;
	peers->redis = redis;
	peers->audit = audit;
	peers->node = node;
	buf_init(&peers->key, KEY_MAXIMUM);
	enum status status = buf_printf(&peers->key, "%saudit-heads:1", prefix);
	if (status == STATUS_OK)
		status = timer_make(loop, look_at_others, peers, &peers->timer);
	if (status != STATUS_OK) {
		peers_free(&peers);
		return status;
	}
	timer_set(peers->timer, PEERS_FIRST_MS);
	*out_peers = peers;
	return STATUS_OK;
}

void peers_free(struct peers **peers)
{
	if (*peers == NULL)
		return;
	timer_free(&(*peers)->timer);
	buf_free(&(*peers)->key);
	free(*peers);
	*peers = NULL;
}

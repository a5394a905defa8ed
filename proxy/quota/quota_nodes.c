/* The nodes' rules: one call a minute. Owns what it made; borrows the Redis client. */
#include "quota/quota_nodes.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "redis/script.h"

#define CALL_MS 3000
#define FIRST_MS 200          /* after the start; and until Redis has answered once */
#define LOOK_MS 60000         /* between two looks */
#define OLD_S "180"           /* a node that has been silent for so long counts no more */
#define FINGERPRINT_DIGITS 16 /* of the sections' digest */
#define RULES_SIZE 256        /* bytes of "ZONE WINDOW FINGERPRINT", the NUL included */
#define HOW_SIZE 512          /* the same, of a sentence */
#define SECTIONS_MAXIMUM (8U << 20)

static const char source[] =
#include "quota/nodes.lua.h"
	;

struct quota_nodes {
	struct loop *loop;
	struct redis *redis;
	struct redis_script script;
	struct timer *timer;
	quota_nodes_callback *callback;
	void *context;
	char *key, *node;
	char rules[RULES_SIZE];
	char how[HOW_SIZE]; /* as it was told last */
	size_t count;
	bool is_retired;
};

/* ---- our rules */

static enum status write_list(struct buf *out, const struct config_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		TRY(buf_printf(out, "%s\n", list->items[i]));
	return buf_append_byte(out, '\t');
}

static enum status write_section(struct buf *out, const struct config_quota *section)
{
	const uint64_t numbers[] = { section->shared,
				     section->messages_per_day,
				     section->recipients_per_day,
				     section->bytes_per_day,
				     section->new_recipients_per_day,
				     section->messages_per_hour,
				     section->messages_per_minute,
				     section->recipients_per_message,
				     section->refused_recipients_per_hour };
	TRY(buf_printf(out, "%s\t", section->name));
	TRY(write_list(out, &section->users));
	TRY(write_list(out, &section->groups));
	TRY(write_list(out, &section->domains));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		TRY(buf_printf(out, "%llu\t", (unsigned long long)numbers[i]));
	return STATUS_OK;
}

static enum status write_rules(const struct config *config, char out_rules[RULES_SIZE])
{
	struct buf sections BUF_AUTO;
	unsigned char digest[HASH_SHA256_SIZE];
	char digits[FINGERPRINT_DIGITS + 1];
	buf_init(&sections, SECTIONS_MAXIMUM);
	for (size_t i = 0; i < config->quota.count; i++)
		TRY(write_section(&sections, &config->quota.items[i]));
	TRY(hash_sha256(buf_span(&sections), digest));
	hash_to_hex(digest, FINGERPRINT_DIGITS / 2, digits);
	snprintf(out_rules, RULES_SIZE, "%.100s %s %s", config->quota_day.timezone,
		 config->quota_day.window == QUOTA_WINDOW_ROLLING ? "rolling" : "day", digits);
	return STATUS_OK;
}

/* ---- theirs */

/* What is other there, in words: time zone and window by name. */
static void describe_difference(struct span ours, struct span theirs, struct span node, char out_how[HOW_SIZE])
{
	struct span our_zone, their_zone, our_window, their_window;
	if (!span_cut(&ours, ' ', &our_zone) || !span_cut(&ours, ' ', &our_window) ||
	    !span_cut(&theirs, ' ', &their_zone) || !span_cut(&theirs, ' ', &their_window))
		snprintf(out_how, HOW_SIZE, "node %.*s counts by rules that can't be read here", SPAN_ARGS(node));
	else if (!span_equal(our_zone, their_zone))
		snprintf(out_how, HOW_SIZE, "node %.*s counts by the time zone %.*s, this one by %.*s", SPAN_ARGS(node),
			 SPAN_ARGS(their_zone), SPAN_ARGS(our_zone));
	else if (!span_equal(our_window, their_window))
		snprintf(out_how, HOW_SIZE, "node %.*s has quota_day.window = \"%.*s\", this one \"%.*s\"",
			 SPAN_ARGS(node), SPAN_ARGS(their_window), SPAN_ARGS(our_window));
	else
		snprintf(out_how, HOW_SIZE, "node %.*s has other quota sections than this one", SPAN_ARGS(node));
}

static void compare_nodes(struct quota_nodes *nodes, const struct redis_value *value)
{
	char how[HOW_SIZE] = "";
	size_t count = 0;
	for (size_t i = 0; i + 1 < redis_value_count(value); i += 2) {
		struct span node = redis_value_text(redis_value_at(value, i));
		struct span rules = redis_value_text(redis_value_at(value, i + 1));
		if (span_equal(rules, span_of(nodes->rules)))
			continue;
		if (count++ == 0)
			describe_difference(span_of(nodes->rules), span_slice(rules, 0, RULES_SIZE),
					    span_slice(node, 0, RULES_SIZE), how);
	}
	if (count == nodes->count && strcmp(how, nodes->how) == 0)
		return;
	nodes->count = count;
	memcpy(nodes->how, how, sizeof(how));
	nodes->callback(nodes->context, count, how);
}

/* ---- the call */

static void on_answer(void *context, enum status status, const struct redis_value *value)
{
	struct quota_nodes *nodes = context;
	bool has_answered = status == STATUS_OK && redis_value_type(value) == REDIS_ARRAY;
	if (nodes->is_retired)
		return;
	timer_set(nodes->timer, has_answered ? LOOK_MS : FIRST_MS);
	if (has_answered)
		compare_nodes(nodes, value);
}

static void on_time(void *context)
{
	struct quota_nodes *nodes = context;
	const struct span arguments[] = { span_of(nodes->key), span_of(nodes->node), span_of(nodes->rules),
					  SPAN(OLD_S) };
	if (redis_run_script(nodes->redis, &nodes->script, arguments, 4, 1, CALL_MS, on_answer, nodes) != STATUS_OK)
		timer_set(nodes->timer, FIRST_MS);
}

/* ---- life */

static enum status set_up_nodes(struct quota_nodes *nodes, const struct config *config, const char *node)
{
	struct buf key BUF_AUTO;
	buf_init(&key, 1024);
	TRY(buf_printf(&key, "%squota-nodes", config->redis.prefix));
	nodes->key = span_to_string(buf_span(&key));
	nodes->node = strdup(node);
	if (nodes->key == NULL || nodes->node == NULL)
		return STATUS_NO_MEMORY;
	TRY(write_rules(config, nodes->rules));
	TRY(redis_script_init(&nodes->script, source));
	return timer_make(nodes->loop, on_time, nodes, &nodes->timer);
}

enum status quota_nodes_create(struct loop *loop, struct redis *redis, const struct config *config, const char *node,
			       quota_nodes_callback *callback, void *context, struct quota_nodes **out_nodes)
{
	struct quota_nodes *nodes = calloc(1, sizeof(*nodes));
	if (nodes == NULL)
		return STATUS_NO_MEMORY;
	*nodes = (struct quota_nodes){ .loop = loop, .redis = redis, .callback = callback, .context = context };
	enum status status = set_up_nodes(nodes, config, node);
	if (status != STATUS_OK) {
		quota_nodes_free(&nodes);
		return status;
	}
	timer_set(nodes->timer, FIRST_MS);
	*out_nodes = nodes;
	return STATUS_OK;
}

void quota_nodes_free(struct quota_nodes **nodes)
{
	if (*nodes == NULL)
		return;
	timer_free(&(*nodes)->timer);
	free((*nodes)->key);
	free((*nodes)->node);
	free(*nodes);
	*nodes = NULL;
}

void quota_nodes_retire(struct quota_nodes *nodes)
{
	nodes->is_retired = true;
	timer_free(&nodes->timer);
}

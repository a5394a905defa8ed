/* Nodes that count by other rules: found by each other, told once, and forgotten when they are gone. */
#include "quota/quota_nodes.h"
#include "with_quota.h"

struct told {
	size_t count;
	unsigned times;
	char how[512];
};

static void note_difference(void *context, size_t count, const char *how)
{
	struct told *told = context;
	told->count = count;
	told->times++;
	snprintf(told->how, sizeof(told->how), "%s", how);
}

static struct config_quota sections[2] = { { .name = (char *)"default", .messages_per_day = 500 },
					   { .name = (char *)"team", .messages_per_day = 700 } };

static struct config make_config(const char *zone)
{
	return (struct config){ .redis = { .prefix = (char *)"test:" },
				.quota_day = { .timezone = (char *)zone },
				.quota = { sections, 1 } };
}

static struct quota_nodes *begin_node(struct quota_bench *bench, const struct config *config, const char *name,
				      struct told *told)
{
	struct quota_nodes *nodes = NULL;
	*told = (struct told){ 0 };
	assert_int_equal(quota_nodes_create(bench->loop, bench->redis, config, name, note_difference, told, &nodes),
			 STATUS_OK);
	return nodes;
}

static bool both_are_noted(void *context)
{
	struct quota_bench *bench = context;
	return run_redis(bench, "HLEN test:quota-nodes") == 2;
}

/* What the second node hears of the first one's rules; "" where they agree. */
static const char *compare(struct quota_bench *bench, const struct config *one, const struct config *other)
{
	static struct told first, second;
	run_redis(bench, "DEL test:quota-nodes");
	struct quota_nodes *a = begin_node(bench, one, "mx1", &first);
	while (run_redis(bench, "HLEN test:quota-nodes") < 1)
		run_for(bench->loop, 20);
	struct quota_nodes *b = begin_node(bench, other, "mx2", &second);
	while (!both_are_noted(bench))
		run_for(bench->loop, 20);
	run_redis(bench, "HLEN test:quota-nodes"); /* its answer comes after that of the nodes' */
	assert_int_equal(second.count, second.how[0] != '\0');
	quota_nodes_retire(a);
	quota_nodes_retire(b);
	quota_nodes_free(&a);
	quota_nodes_free(&b);
	return second.how;
}

static void nodes_with_the_same_rules_are_quiet(void **state)
{
	struct config config = make_config("UTC");
	assert_string_equal(compare(*state, &config, &config), "");
}

static void what_differs_is_said(void **state)
{
	struct config utc = make_config("UTC"), berlin = make_config("Europe/Berlin"), rolling = utc, more = utc;
	rolling.quota_day.window = QUOTA_WINDOW_ROLLING;
	more.quota.count = 2;
	assert_string_equal(compare(*state, &berlin, &utc),
			    "node mx1 counts by the time zone Europe/Berlin, this one by UTC");
	assert_string_equal(compare(*state, &rolling, &utc),
			    "node mx1 has quota_day.window = \"rolling\", this one \"day\"");
	assert_string_equal(compare(*state, &more, &utc), "node mx1 has other quota sections than this one");
}

static void each_limit_and_member_is_part_of_the_rules(void **state)
{
	char *names[] = { (char *)"ann@example.com" };
	struct config_quota changed[] = {
		sections[0], sections[0], sections[0], sections[0], sections[0], sections[0],
		sections[0], sections[0], sections[0], sections[0], sections[0], sections[0]
	};
	changed[0].messages_per_day = 1;
	changed[1].recipients_per_day = 1;
	changed[2].bytes_per_day = 1;
	changed[3].new_recipients_per_day = 1;
	changed[4].messages_per_hour = 1;
	changed[5].messages_per_minute = 1;
	changed[6].recipients_per_message = 1;
	changed[7].refused_recipients_per_hour = 1;
	changed[8].shared = true;
	changed[9].users = (struct config_list){ names, 1 };
	changed[10].groups = (struct config_list){ names, 1 };
	changed[11].domains = (struct config_list){ names, 1 };
	for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
		struct config one = make_config("UTC"), other = one;
		other.quota.items = &changed[i];
		assert_string_equal(compare(*state, &other, &one), "node mx1 has other quota sections than this one");
	}
}

static void a_node_that_is_silent_counts_no_more(void **state)
{
	struct quota_bench *bench = *state;
	struct config config = make_config("UTC");
	struct told told;
	char line[200];
	snprintf(line, sizeof(line), "HSET test:quota-nodes mx9 1~%ld~Mars~day~0 mx8 2~new mx7 1~%ld~Mars~day~0",
		 time(NULL) - 181, time(NULL) - 90000);
	run_redis(bench, line);
	struct quota_nodes *nodes = begin_node(bench, &config, "mx1", &told);
	while (run_redis(bench, "HEXISTS test:quota-nodes mx1") == 0)
		run_for(bench->loop, 20);
	assert_int_equal(told.count, 0);
	assert_int_equal(run_redis(bench, "HEXISTS test:quota-nodes mx7"), 0); /* gone for good */
	assert_int_equal(run_redis(bench, "HEXISTS test:quota-nodes mx9"), 1);
	quota_nodes_free(&nodes);
}

static void a_loss_of_redis_is_waited_out(void **state)
{
	struct quota_bench *bench = *state;
	struct config config = make_config("UTC");
	struct told told;
	test_redis_stop(&bench->server);
	struct quota_nodes *nodes = begin_node(bench, &config, "mx1", &told);
	run_for(bench->loop, 500); /* it tries in vain */
	test_redis_start(&bench->server);
	run_until(bench->loop, redis_has_come_up, bench);
	while (run_redis(bench, "HEXISTS test:quota-nodes mx1") == 0)
		run_for(bench->loop, 20);
	assert_int_equal(told.times, 0);
	quota_nodes_free(&nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_QUOTA(nodes_with_the_same_rules_are_quiet),
		WITH_QUOTA(what_differs_is_said),
		WITH_QUOTA(each_limit_and_member_is_part_of_the_rules),
		WITH_QUOTA(a_node_that_is_silent_counts_no_more),
		WITH_QUOTA(a_loss_of_redis_is_waited_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is asked about many users at once, on a real redis-server. */
#include "tests/unit/with_ports.h"
#include "tests/unit/with_quota.h"

#define USERS 120U
#define MARKED 7U /* has sent nothing today */

static unsigned right, wrong, unanswered;
static bool looks_back;

/* User number N has sent N messages. */
static void check_report(void *context, const struct quota_report *report)
{
	struct quota_bench *bench = context;
	unsigned number = 0;
	bench->answers++;
	if (report == NULL) {
		unanswered++;
		return;
	}
	char name[16] = "";
	memcpy(name, report->name.name.data, report->name.name.size);
	assert_int_equal(sscanf(name, "user%u", &number), 1);
	unsigned sent = number == MARKED ? 0 : number;
	bool is_right = report->messages == sent && report->limits.messages_per_day == 1000 + number &&
			report->past.today.messages == (looks_back ? sent : 0);
	right += is_right;
	wrong += !is_right;
}

static bool all_answered(void *context)
{
	return ((struct quota_bench *)context)->answers == USERS;
}

static void fill_counts(struct quota_bench *bench)
{
	char line[200];
	bench->limits = (struct quota_limits){ .messages_per_day = 9 };
	assert_int_equal(charge_once(bench), QUOTA_GRANTED);
	run_redis(bench, "HGET test:quota:{alice} day");
	char day[24], end[24];
	snprintf(day, sizeof(day), "%.20s", bench->text);
	run_redis(bench, "HGET test:quota:{alice} end");
	snprintf(end, sizeof(end), "%.20s", bench->text);
	for (unsigned i = 0; i < USERS; i++) {
		if (i == MARKED)
			continue;
		snprintf(line, sizeof(line), "HSET test:quota:{user%u} day %s end %s m %u r %u b 1", i, day, end, i, i);
		run_redis(bench, line);
	}
}

static void ask_about_all(struct quota_bench *bench)
{
	char name[16];
	bench->answers = right = wrong = unanswered = 0;
	for (unsigned i = 0; i < USERS; i++) {
		snprintf(name, sizeof(name), "user%u", i); /* not kept */
		const struct quota_name given = { span_of(name), false };
		const struct quota_limits limits = { .messages_per_day = 1000 + i };
		assert_int_equal((looks_back ? quota_look_back : quota_show)(bench->quota, &given, &limits, true,
									     check_report, bench),
				 STATUS_OK);
	}
	run_until(bench->loop, all_answered, bench);
}

static unsigned calls_of_scripts(const struct quota_bench *bench)
{
	char answer[64];
	unsigned calls = 0, evals = 0;
	test_redis_ask(&bench->server, "info commandstats | grep -o 'cmdstat_evalsha:calls=[0-9]*'", answer,
		       sizeof(answer));
	assert_int_equal(sscanf(answer, "cmdstat_evalsha:calls=%u", &calls), 1);
	test_redis_ask(&bench->server, "info commandstats | grep -o 'cmdstat_eval:calls=[0-9]*'", answer,
		       sizeof(answer));
	assert_int_equal(sscanf(answer, "cmdstat_eval:calls=%u", &evals), 1);
	return calls + evals;
}

static void many_users_take_few_calls_and_each_answer_is_its_users(void **state)
{
	struct quota_bench *bench = *state;
	fill_counts(bench);
	ask_about_all(bench); /* Redis knows the script from here on */
	unsigned before = calls_of_scripts(bench);
	ask_about_all(bench);
	assert_int_equal(right, USERS);
	assert_int_equal(wrong + unanswered, 0);
	assert_in_range(calls_of_scripts(bench) - before, 1, USERS / 20);
}

static void so_it_is_with_what_they_have_sent_on_former_days(void **state)
{
	struct quota_bench *bench = *state;
	fill_counts(bench);
	looks_back = true;
	ask_about_all(bench);
	looks_back = false;
	assert_int_equal(right, USERS);
	assert_int_equal(wrong, 0);
}

static void a_name_that_is_too_long_spoils_no_others_answers(void **state)
{
	struct quota_bench *bench = *state;
	char name[QUOTA_USER_MAXIMUM + 1];
	const struct quota_limits limits = { .messages_per_day = 1003 };
	bench->answers = right = wrong = unanswered = 0;
	memset(name, 'x', sizeof(name));
	const struct quota_name given = { { name, sizeof(name) }, false }, third = { SPAN("user3"), false };
	fill_counts(bench);
	bench->answers = 0;
	assert_int_equal(quota_show(bench->quota, &third, &limits, true, check_report, bench), STATUS_OK);
	assert_int_equal(quota_show(bench->quota, &given, &limits, true, check_report, bench), STATUS_TOO_LARGE);
	run_until(bench->loop, has_answered, bench);
	assert_int_equal(right, 1);
}

static void what_redis_does_not_answer_is_told_of_each(void **state)
{
	struct quota_bench *bench = *state;
	kill(bench->server.pid, SIGSTOP);
	ask_about_all(bench);
	kill(bench->server.pid, SIGCONT);
	assert_int_equal(unanswered, USERS);
}

static void questions_that_wait_end_with_the_quota(void **state)
{
	struct quota_bench *bench = *state;
	const struct quota_name name = { SPAN("alice"), false };
	bench->answers = 0;
	assert_int_equal(quota_show(bench->quota, &name, &bench->limits, true, check_report, bench), STATUS_OK);
	quota_free(&bench->quota);
	run_for(bench->loop, 3);
	assert_int_equal(bench->answers, 0);
}

/* ---- a shard of a cluster, which takes no call about keys of several slots */

static int set_up_shard(void **state)
{
	struct quota_bench *bench = calloc(1, sizeof(*bench));
	snprintf(bench->server.folder, sizeof(bench->server.folder), "/tmp/subgate-redis-XXXXXX");
	assert_non_null(mkdtemp(bench->server.folder));
	snprintf(bench->server.address, sizeof(bench->server.address), "127.0.0.1");
	snprintf(bench->server.port, sizeof(bench->server.port), "%u", test_free_port());
	snprintf(bench->server.bus, sizeof(bench->server.bus), "%u", test_free_port());
	begin_quota(bench);
	test_redis_expect(&bench->server, "cluster addslotsrange 0 16383", "OK");
	for (char answer[32] = ""; strncmp(answer, "cluster_state:ok", 16) != 0;)
		test_redis_ask(&bench->server, "cluster info", answer, sizeof(answer));
	*state = bench;
	return 0;
}

static void a_shard_is_asked_about_each_user_alone(void **state)
{
	struct quota_bench *bench = *state;
	fill_counts(bench);
	ask_about_all(bench);
	assert_int_equal(right, USERS);
	assert_int_equal(wrong + unanswered, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_QUOTA(many_users_take_few_calls_and_each_answer_is_its_users),
		WITH_QUOTA(so_it_is_with_what_they_have_sent_on_former_days),
		WITH_QUOTA(a_name_that_is_too_long_spoils_no_others_answers),
		WITH_QUOTA(what_redis_does_not_answer_is_told_of_each),
		WITH_QUOTA(questions_that_wait_end_with_the_quota),
		cmocka_unit_test_setup_teardown(a_shard_is_asked_about_each_user_alone, set_up_shard, tear_down_quota),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

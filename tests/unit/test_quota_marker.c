/* The marker against a real redis-server: whatever it loses is told once, and nothing else is. */
#include "tests/unit/marker_bench.h"

static void what_redis_keeps_is_no_loss(void **state)
{
	struct bench *bench = *state;
	for (int i = 0; i < 5; i++)
		check_marker(bench);
	end_marker(bench);
	start_marker(bench);
	for (int i = 0; i < 5; i++)
		check_marker(bench);
	assert_int_equal(bench->losses, 0);
}

static void an_emptied_redis_is_told_once(void **state)
{
	struct bench *bench = *state;
	check_marker(bench);
	test_redis_tell(&bench->server, "FLUSHALL");
	marker_check(bench->marker);
	run_until(bench->loop, has_lost, bench);
	assert_non_null(strstr(bench->what, "is gone"));
	check_marker(bench);
	assert_int_equal(bench->losses, 1);
}

static void no_charge_counts_until_the_counts_are_back(void **state)
{
	struct bench *bench = *state;
	char why[MARKER_WAITING_SIZE];
	assert_int_equal(confirm(bench), MARKER_SOUND);
	assert_true(is_sound(bench));
	empty_redis(bench);
	assert_true(wants_counts(bench));
	assert_false(is_sound(bench));
	marker_explain(bench->marker, why);
	assert_string_equal(why, "counts are being rebuilt from the audit");
	assert_int_equal(confirm(bench), MARKER_UNSOUND);
	marker_bring_done(bench->marker, bench->wanted);
	marker_explain(bench->marker, why);
	assert_string_equal(why, "counts are being rebuilt from the audit"); /* nobody is known to be waited for */
	run_until(bench->loop, is_sound, bench);
	assert_int_equal(bench->sounds, 1);
	assert_int_equal(confirm(bench), MARKER_SOUND);
}

static void counts_brought_to_a_memory_that_was_lost_again_are_of_no_use(void **state)
{
	struct bench *bench = *state;
	char first[MARKER_ID_SIZE];
	check_marker(bench);
	empty_redis(bench);
	memcpy(first, bench->wanted, sizeof(first));
	empty_redis(bench);
	assert_string_not_equal(first, bench->wanted);
	marker_bring_done(bench->marker, first);
	assert_int_equal(confirm(bench), MARKER_UNSOUND);
	marker_bring_done(bench->marker, bench->wanted);
	run_until(bench->loop, is_sound, bench);
	assert_int_equal(bench->losses, 1); /* it was told, and is not over */
}

/* The first node remembers the other one, named "two". */
static bool knows_of_two(void *context)
{
	const struct bench *bench = context;
	char text[1024] = "";
	int fd = open(bench->file, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	return strstr(text, "two") != NULL;
}

/* The other node was seen here, and must bring its counts as well. */
static void every_node_that_was_here_is_waited_for(void **state)
{
	struct bench *bench = *state;
	struct bench other = { .loop = bench->loop, .redis = bench->redis };
	char why[MARKER_WAITING_SIZE];
	other.marker = make_marker(&other, "two", -1);
	run_until(bench->loop, knows_of_two, bench); /* each notes who is here */
	assert_int_equal(confirm(bench), MARKER_SOUND);
	empty_redis(bench);
	marker_bring_done(bench->marker, bench->wanted);
	for (int i = 0; i < 5; i++)
		assert_int_equal(confirm(bench), MARKER_UNSOUND);
	marker_explain(bench->marker, why);
	assert_string_equal(why, "counts are being rebuilt; those of two are missing");
	run_until(bench->loop, wants_counts, &other);
	assert_int_equal(confirm(bench), MARKER_UNSOUND);
	marker_bring_done(other.marker, other.wanted);
	run_until(bench->loop, is_sound, bench);
	assert_int_equal(confirm(bench), MARKER_SOUND);
	redis_free(&bench->redis);
	marker_free(&other.marker);
}

static void a_node_that_is_gone_for_good_can_be_done_without(void **state)
{
	struct bench *bench = *state;
	struct bench other = { .loop = bench->loop, .redis = bench->redis };
	other.marker = make_marker(&other, "two", -1);
	run_until(bench->loop, knows_of_two, bench);
	end_marker(bench);
	marker_free(&other.marker);
	test_redis_tell(&bench->server, "FLUSHALL");
	start_marker(bench); /* it remembers the other one */
	assert_int_equal(confirm(bench), MARKER_UNSOUND);
	marker_bring_done(bench->marker, bench->wanted);
	assert_int_equal(confirm(bench), MARKER_UNSOUND);
	assert_int_equal(marker_do_without(bench->marker, SPAN("two")), STATUS_OK);
	run_until(bench->loop, is_sound, bench);
	empty_redis(bench);
	marker_bring_done(bench->marker, bench->wanted);
	run_until(bench->loop, is_sound, bench); /* and not after the next loss, either */
}

/* It was here unseen, and comes with the id of the memory that was lost. */
static void a_node_that_nobody_knew_stops_charges_when_it_comes(void **state)
{
	struct bench *bench = *state;
	struct bench other = { .loop = bench->loop, .redis = bench->redis };
	char file[112];
	snprintf(file, sizeof(file), "%s-two", bench->file);
	check_marker(bench);
	empty_redis(bench);
	marker_bring_done(bench->marker, bench->wanted);
	run_until(bench->loop, is_sound, bench);
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "0123456789abcdef0123456789abcdef", 32), 32); /* as an older version wrote it */
	other.marker = make_marker(&other, "two", fd);
	run_until(bench->loop, wants_counts, &other);
	assert_int_equal(confirm(bench), MARKER_UNSOUND);
	marker_bring_done(other.marker, other.wanted);
	run_until(bench->loop, is_sound, bench);
	redis_free(&bench->redis);
	marker_free(&other.marker);
	unlink(file);
}

static void a_process_that_drains_ends_no_waiting_for_its_node(void **state)
{
	struct bench *bench = *state;
	check_marker(bench);
	marker_drain(bench->marker);
	empty_redis(bench);
	marker_bring_done(bench->marker, bench->wanted);
	for (int i = 0; i < 5; i++)
		assert_int_equal(confirm(bench), MARKER_UNSOUND);
	bench->wanted[0] = '\0';
	end_marker(bench);
	start_marker(bench); /* its successor reads the former id, and brings the counts */
	run_until(bench->loop, wants_counts, bench);
	marker_bring_done(bench->marker, bench->wanted);
	run_until(bench->loop, is_sound, bench);
}

/* A replica was promoted that has the memory, and not what was brought to it. */
static void counts_that_are_waited_for_once_more_are_brought_once_more(void **state)
{
	struct bench *bench = *state;
	check_marker(bench);
	empty_redis(bench);
	marker_bring_done(bench->marker, bench->wanted);
	run_until(bench->loop, is_sound, bench);
	bench->wanted[0] = '\0';
	test_redis_tell(&bench->server, "HSET test:marker w:one 1 state rebuilding");
	run_until(bench->loop, wants_counts, bench);
	assert_int_equal(confirm(bench), MARKER_UNSOUND);
	marker_bring_done(bench->marker, bench->wanted);
	run_until(bench->loop, is_sound, bench);
}

static void without_its_replicas_no_charge_counts(void **state)
{
	struct bench *bench = *state;
	char why[MARKER_WAITING_SIZE];
	end_marker(bench);
	bench->replicas = 1;
	start_marker(bench);
	assert_int_equal(confirm(bench), MARKER_FEW);
	assert_false(is_sound(bench));
	marker_explain(bench->marker, why);
	assert_string_equal(why, "fewer than 1 replicas have what is written");
}

static void a_lost_connection_leaves_nobody_waiting(void **state)
{
	struct bench *bench = *state;
	check_marker(bench);
	bench->is_confirmed = false;
	kill(bench->server.pid, SIGSTOP);
	assert_int_equal(marker_confirm(bench->marker, &bench->waiter, on_confirmed, bench), STATUS_OK);
	run_until(bench->loop, has_confirmed, bench);
	kill(bench->server.pid, SIGCONT);
	assert_int_equal(bench->verdict, MARKER_UNKNOWN);
}

/* What was lost on the way to a new connection was repeated on it, if it is not too old. */
static void what_a_new_connection_repeats_is_no_loss(void **state)
{
	struct bench *bench = *state;
	check_marker(bench);
	test_redis_tell(&bench->server, "COPY test:marker kept");
	check_marker(bench);
	check_marker(bench);
	test_redis_tell(&bench->server, "COPY kept test:marker REPLACE");
	test_redis_tell(&bench->server, "CLIENT KILL TYPE normal");
	run_for(bench->loop, 100);
	run_until(bench->loop, is_up, bench);
	assert_int_equal(confirm(bench), MARKER_SOUND);
	assert_int_equal(bench->losses, 0);
}

static void it_is_told_without_a_charge(void **state)
{
	struct bench *bench = *state;
	check_marker(bench);
	test_redis_tell(&bench->server, "FLUSHALL");
	run_until(bench->loop, has_lost, bench);
}

static void a_marker_that_another_node_made_anew_is_a_loss_too(void **state)
{
	struct bench *bench = *state;
	check_marker(bench);
	test_redis_tell(&bench->server, "FLUSHALL");
	test_redis_tell(&bench->server, "HSET test:marker id 0123456789abcdef0123456789abcdef");
	marker_check(bench->marker);
	run_until(bench->loop, has_lost, bench);
	assert_non_null(strstr(bench->what, "has changed"));
}

static void a_redis_that_lost_what_it_acknowledged_is_told(void **state)
{
	struct bench *bench = *state;
	check_marker(bench);
	test_redis_tell(&bench->server, "COPY test:marker kept"); /* as a replica has it that was cut off now */
	check_marker(bench);
	check_marker(bench);
	assert_int_equal(bench->losses, 0);
	test_redis_tell(&bench->server, "COPY kept test:marker REPLACE");
	marker_check(bench->marker);
	run_until(bench->loop, has_lost, bench);
	assert_non_null(strstr(bench->what, "lacks what it had acknowledged"));
}

static void what_was_lost_between_two_processes_is_told(void **state)
{
	struct bench *bench = *state;
	check_marker(bench);
	end_marker(bench);
	test_redis_tell(&bench->server, "FLUSHALL");
	start_marker(bench);
	marker_check(bench->marker);
	run_until(bench->loop, has_lost, bench);
	end_marker(bench);
	start_marker(bench); /* it died before it had brought its counts */
	run_until(bench->loop, has_lost, bench);
	marker_bring_done(bench->marker, bench->wanted);
	run_until(bench->loop, is_sound, bench);
	end_marker(bench);
	start_marker(bench);
	check_marker(bench);
	assert_int_equal(bench->losses, 0); /* the new id is kept */
}

static void two_processes_are_no_loss_to_each_other(void **state)
{
	struct bench *bench = *state;
	struct marker *second = NULL;
	check_marker(bench);
	second = make_marker(bench, "one", open(bench->file, O_RDWR | O_CLOEXEC));
	for (int i = 0; i < 5; i++) {
		marker_check(second);
		check_marker(bench);
	}
	assert_int_equal(bench->losses, 0);
	run_for(bench->loop, 100);
	redis_free(&bench->redis);
	marker_free(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(what_redis_keeps_is_no_loss),
		WITH_BENCH(an_emptied_redis_is_told_once),
		WITH_BENCH(it_is_told_without_a_charge),
		WITH_BENCH(no_charge_counts_until_the_counts_are_back),
		WITH_BENCH(counts_brought_to_a_memory_that_was_lost_again_are_of_no_use),
		WITH_BENCH(every_node_that_was_here_is_waited_for),
		WITH_BENCH(a_node_that_is_gone_for_good_can_be_done_without),
		WITH_BENCH(a_node_that_nobody_knew_stops_charges_when_it_comes),
		WITH_BENCH(a_process_that_drains_ends_no_waiting_for_its_node),
		WITH_BENCH(counts_that_are_waited_for_once_more_are_brought_once_more),
		WITH_BENCH(without_its_replicas_no_charge_counts),
		WITH_BENCH(a_lost_connection_leaves_nobody_waiting),
		WITH_BENCH(what_a_new_connection_repeats_is_no_loss),
		WITH_BENCH(a_marker_that_another_node_made_anew_is_a_loss_too),
		WITH_BENCH(a_redis_that_lost_what_it_acknowledged_is_told),
		WITH_BENCH(what_was_lost_between_two_processes_is_told),
		WITH_BENCH(two_processes_are_no_loss_to_each_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

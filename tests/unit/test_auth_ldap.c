/* The directory, asked through its threads: a real slapd that answers, freezes, goes away and comes back. */
#include "directory_trial.h"

/* ---- who is who */

static void test_the_right_password_grants(void **state)
{
	struct trial trial;
	(void)state;
	begin(&trial);
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_GRANTED);
	assert_string_equal(trial.identity.user, "anna@example.com");
	assert_true(lists(&trial.identity.senders, "Anna@Example.com"));
	assert_true(lists(&trial.identity.senders, "anna.a@example.com"));
	assert_true(lists(&trial.identity.groups, "sales"));
	assert_true(lists(&trial.identity.groups, "press"));
	assert_int_equal(ask(&trial, "anna.a@example.com", "anna's secret"), VERDICT_GRANTED);
	end(&trial);
}

static void test_wrong_unknown_and_ambiguous_are_told_apart_here_only(void **state)
{
	struct trial trial;
	(void)state;
	begin(&trial);
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", "wrong"), VERDICT_WRONG);
	assert_string_equal(trial.reason, "wrong password");
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_GRANTED); /* on the same connection */
	assert_int_equal(ask(&trial, "zoe", "anna's secret"), VERDICT_NONE);
	assert_string_equal(trial.reason, "unknown user");
	assert_int_equal(ask(&trial, "twin", "twin's secret"), VERDICT_NONE);
	assert_string_equal(trial.reason, "several users of that name");
	assert_int_equal(ask(&trial, "*", "anna's secret"), VERDICT_NONE);
	assert_int_equal(ask(&trial, "anna)(uid=*", "anna's secret"), VERDICT_NONE);
	end(&trial);
}

static void test_a_name_too_long_for_the_filter_is_nobodys_and_harms_no_other(void **state)
{
	char many[] =
		"(|(uid=%u)(mail=%u)(cn=%u)(sn=%u)(title=%u)(street=%u)(o=%u)(l=%u)(st=%u)(ou=%u)(uid=%u)(uid=%u)"
		"(uid=%u)(uid=%u)(uid=%u)(uid=%u)(uid=%u)(uid=%u)(uid=%u)(uid=%u)(uid=%u)(uid=%u)(uid=%u)(uid=%u))";
	char stars[NAME_SIZE] = "";
	struct trial trial;
	(void)state;
	memset(stars, '*', sizeof(stars) - 1);
	begin(&trial);
	trial.config.filter = many;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, stars, "any"), VERDICT_NONE);
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_GRANTED);
	end(&trial);
}

/* Is told in the log, and no server is to blame: the next question is put to it all the same. */
static void test_a_filter_that_is_none_is_no_servers_fault(void **state)
{
	char broken[] = "(&(uid=%u)";
	struct trial trial;
	(void)state;
	begin(&trial);
	trial.config.filter = broken;
	open_trial(&trial, "search secret");
	run_until(loop, is_up, NULL);
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_UNAVAILABLE);
	assert_true(is_up(NULL));
	end(&trial);
}

static void test_a_look_up_needs_no_password(void **state)
{
	struct trial trial;
	(void)state;
	begin(&trial);
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", NULL), VERDICT_GRANTED);
	assert_string_equal(trial.identity.user, "anna@example.com");
	assert_int_equal(ask(&trial, "zoe", NULL), VERDICT_NONE);
	end(&trial);
}

/* ---- whom we trust */

static void test_a_certificate_of_another_ca_is_no_directory(void **state)
{
	char other[SLAPD_FOLDER_SIZE + 16];
	struct trial trial;
	(void)state;
	begin(&trial);
	snprintf(other, sizeof(other), "%s/other.pem", slapd.folder);
	trial.config.ca_file = other;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_UNAVAILABLE);
	end(&trial);
}

static void test_a_certificate_for_another_name_is_no_directory(void **state)
{
	char uri[64];
	struct trial trial;
	(void)state;
	begin(&trial);
	snprintf(uri, sizeof(uri), "ldaps://127.0.0.2:%u", slapd.port);
	trial.uris[0] = uri;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_UNAVAILABLE);
	end(&trial);
}

static void test_a_ca_file_that_is_not_there_is_told_at_start(void **state)
{
	struct secret password = { 0 };
	const struct directory_proof proof = { .bind_password = &password, .client = { -1, -1 } };
	struct trial trial;
	(void)state;
	begin(&trial);
	trial.config.ca_file = (char[]){ "/nonexistent/ca.pem" };
	assert_int_equal(directory_create(loop, &trial.config, &proof, stats, 0, &trial.directory), STATUS_INVALID);
	assert_null(trial.directory);
}

static bool is_refused(void *context)
{
	(void)context;
	return stats_sum(stats, 1, COUNTER_LDAP_REFUSED, 0) == 1;
}

static void test_a_searcher_who_is_refused_makes_nobody_wrong(void **state)
{
	struct trial trial;
	(void)state;
	begin(&trial);
	open_trial(&trial, "not the search secret");
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_UNAVAILABLE);
	assert_string_equal(trial.reason, "bind_dn refused");
	run_until(loop, is_refused, NULL);
	assert_int_equal(ask(&trial, "anna", NULL), VERDICT_UNAVAILABLE);
	end(&trial);
}

/* ---- when it does not answer */

static void test_the_gauge_follows_without_a_login(void **state)
{
	struct trial trial;
	(void)state;
	begin(&trial);
	stats_set(stats, COUNTER_LDAP_UP, 0, 0);
	open_trial(&trial, "search secret");
	run_until(loop, is_up, NULL);
	end(&trial);
}

/* All its threads: a signal alone is only on its way when kill(2) returns. */
static void freeze(void)
{
	int status;
	assert_int_equal(kill(slapd.pid, SIGSTOP), 0);
	assert_int_equal(waitpid(slapd.pid, &status, WUNTRACED), slapd.pid);
	assert_true(WIFSTOPPED(status));
}

static void test_a_frozen_server_is_given_up_in_time(void **state)
{
	struct trial trial;
	(void)state;
	begin(&trial);
	trial.config.timeout = SHORT_TIMEOUT_MS;
	open_trial(&trial, "search secret");
	freeze();
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_UNAVAILABLE);
	assert_int_equal(kill(slapd.pid, SIGCONT), 0);
	assert_string_equal(trial.reason, "directory unavailable"); /* by the thread, which is free again */
	end(&trial);
}

static void test_one_that_freezes_on_a_kept_connection_is_given_up_too(void **state)
{
	struct trial trial;
	(void)state;
	begin(&trial);
	trial.config.connections = 1;
	trial.config.timeout = LONG_TIMEOUT_MS;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_GRANTED);
	freeze();
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_UNAVAILABLE);
	assert_int_equal(kill(slapd.pid, SIGCONT), 0);
	assert_string_equal(trial.reason, "directory unavailable"); /* by the thread, which is free again */
	end(&trial);
}

static void test_a_server_that_is_gone_comes_back_by_itself(void **state)
{
	struct trial trial;
	(void)state;
	begin(&trial);
	trial.config.connections = 1;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_GRANTED);
	slapd_stop(&slapd);
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_UNAVAILABLE);
	assert_false(is_up(NULL));
	slapd_start(&slapd);
	run_until(loop, is_up, NULL);
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_GRANTED);
	assert_true(is_up(NULL));
	end(&trial);
}

static void test_a_restart_between_two_questions_goes_unnoticed(void **state)
{
	struct trial trial;
	(void)state;
	begin(&trial);
	trial.config.connections = 1;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_GRANTED);
	slapd_stop(&slapd);
	slapd_start(&slapd);
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_GRANTED);
	end(&trial);
}

static void test_the_next_server_stands_in(void **state)
{
	char gone[64];
	struct trial trial;
	(void)state;
	begin(&trial);
	snprintf(gone, sizeof(gone), "ldaps://127.0.0.1:%u", test_free_port());
	trial.uris[0] = gone;
	trial.uris[1] = slapd.uri;
	trial.config.uri.count = 2;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_GRANTED);
	assert_int_equal(ask(&trial, "anna", "wrong"), VERDICT_WRONG);
	end(&trial);
}

static void test_a_look_up_does_not_queue_behind_logins(void **state)
{
	struct trial waiting;
	(void)state;
	begin(&waiting);
	struct trial logins[8];
	waiting.config.connections = 1;
	open_trial(&waiting, "search secret");
	for (size_t i = 0; i < 8; i++) {
		begin(&logins[i]);
		logins[i].directory = waiting.directory;
		identity_init(&logins[i].identity);
		put_question(&logins[i], "anna", "anna's secret");
	}
	assert_int_equal(ask(&waiting, "anna", NULL), VERDICT_GRANTED);
	run_until(loop, is_answered, &logins[7]);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(logins[i].verdict, VERDICT_GRANTED);
		identity_free(&logins[i].identity);
	}
	end(&waiting);
}

static void test_a_forgotten_question_is_never_answered(void **state)
{
	struct trial trial;
	(void)state;
	begin(&trial);
	open_trial(&trial, "search secret");
	put_question(&trial, "anna", "anna's secret");
	directory_forget(&trial.ask);
	run_for(loop, 300);
	assert_false(trial.answered);
	end(&trial);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_right_password_grants),
		cmocka_unit_test(test_wrong_unknown_and_ambiguous_are_told_apart_here_only),
		cmocka_unit_test(test_a_name_too_long_for_the_filter_is_nobodys_and_harms_no_other),
		cmocka_unit_test(test_a_filter_that_is_none_is_no_servers_fault),
		cmocka_unit_test(test_a_look_up_needs_no_password),
		cmocka_unit_test(test_a_certificate_of_another_ca_is_no_directory),
		cmocka_unit_test(test_a_certificate_for_another_name_is_no_directory),
		cmocka_unit_test(test_a_ca_file_that_is_not_there_is_told_at_start),
		cmocka_unit_test(test_a_searcher_who_is_refused_makes_nobody_wrong),
		cmocka_unit_test(test_the_gauge_follows_without_a_login),
		cmocka_unit_test(test_a_frozen_server_is_given_up_in_time),
		cmocka_unit_test(test_one_that_freezes_on_a_kept_connection_is_given_up_too),
		cmocka_unit_test(test_a_server_that_is_gone_comes_back_by_itself),
		cmocka_unit_test(test_a_restart_between_two_questions_goes_unnoticed),
		cmocka_unit_test(test_the_next_server_stands_in),
		cmocka_unit_test(test_a_look_up_does_not_queue_behind_logins),
		cmocka_unit_test(test_a_forgotten_question_is_never_answered),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, start_all, stop_all);
}

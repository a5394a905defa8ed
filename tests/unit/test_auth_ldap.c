/* The directory, asked through its threads: a real slapd that answers, freezes, goes away and comes back. */
#include "with_slapd.h"

#include "auth/ldap/directory.h"
#include "base/clock.h"
#include "with_loop.h"

#define TIMEOUT_MS 1000 /* of one operation, in these tests */

static struct slapd slapd;
static struct loop *loop;
static struct stats *stats;

/* ---- a directory under test */

struct trial {
	char *uris[2];
	struct config_ldap config;
	struct directory *directory;
	struct directory_ask *ask;
	bool answered;
	enum verdict verdict;
	char reason[REASON_SIZE];
	struct identity identity;
};

static char name[] = "corp";
static char bind_dn[] = "cn=subgate,dc=example,dc=com";
static char bind_password_file[] = "";
static char base[] = "ou=people,dc=example,dc=com";
static char filter[] = "(|(uid=%u)(mail=%u))";
static char group_attribute[] = "departmentNumber";
static char mail[] = "mail";
static char *sender_attributes[] = { mail };

/* A trial of the slapd above; what is to be different is set before open_trial. */
static void begin(struct trial *trial)
{
	*trial = (struct trial){ .uris = { slapd.uri } };
	trial->config = (struct config_ldap){
		.name = name,
		.uri = { .items = trial->uris, .count = 1 },
		.ca_file = slapd.ca_file,
		.timeout = TIMEOUT_MS,
		.connections = 2,
		.bind_dn = bind_dn,
		.bind_password_file = bind_password_file,
		.base = base,
		.filter = filter,
		.user_attribute = mail,
		.sender_attributes = { .items = sender_attributes, .count = 1 },
		.group_attribute = group_attribute,
	};
}

static void open_trial(struct trial *trial, const char *bind_password)
{
	struct secret password SECRET_AUTO = { 0 };
	identity_init(&trial->identity);
	assert_int_equal(secret_from_span(span_of(bind_password), &password), STATUS_OK);
	assert_int_equal(directory_create(loop, &trial->config, &password, stats, 0, &trial->directory), STATUS_OK);
}

static void end(struct trial *trial)
{
	directory_free(&trial->directory);
	identity_free(&trial->identity);
}

static void on_answer(void *context, const struct ldap_request *answer)
{
	struct trial *trial = context;
	trial->ask = NULL;
	trial->answered = true;
	trial->verdict = answer->verdict;
	snprintf(trial->reason, sizeof(trial->reason), "%s", answer->reason);
	if (answer->verdict == VERDICT_GRANTED || answer->verdict == VERDICT_DISABLED)
		assert_int_equal(identity_copy(&answer->identity, &trial->identity), STATUS_OK);
}

static bool is_answered(void *context)
{
	return ((struct trial *)context)->answered;
}

static void put_question(struct trial *trial, const char *user, const char *password)
{
	struct secret secret SECRET_AUTO = { 0 };
	trial->answered = false;
	assert_int_equal(secret_from_span(span_of(password), &secret), STATUS_OK);
	assert_int_equal(directory_question(trial->directory, 0, user, NULL, password ? &secret : NULL, on_answer,
					    trial, &trial->ask),
			 STATUS_OK);
}

static enum verdict ask(struct trial *trial, const char *user, const char *password)
{
	put_question(trial, user, password);
	run_until(loop, is_answered, trial);
	return trial->verdict;
}

static bool lists(const struct buf *list, const char *item)
{
	struct codec_list rest = codec_list_of(list);
	struct span found;
	while (codec_list_next(&rest, &found))
		if (span_equal(found, span_of(item)))
			return true;
	return false;
}

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

static void test_who_is_disabled_does_not_get_in(void **state)
{
	struct trial trial;
	(void)state;
	begin(&trial);
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "bert", NULL), VERDICT_DISABLED);
	assert_int_equal(ask(&trial, "bert", "wrong"), VERDICT_WRONG);
	assert_int_not_equal(ask(&trial, "bert", "bert's secret"), VERDICT_GRANTED);
	end(&trial);
}

static void test_without_a_mail_attribute_the_name_given_stands(void **state)
{
	struct trial trial;
	(void)state;
	begin(&trial);
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "nomail", "nomail's secret"), VERDICT_GRANTED);
	assert_string_equal(trial.identity.user, "nomail");
	assert_int_equal(buf_size(&trial.identity.senders), 0);
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
	struct trial trial;
	(void)state;
	begin(&trial);
	trial.config.ca_file = (char[]){ "/nonexistent/ca.pem" };
	assert_int_equal(directory_create(loop, &trial.config, &password, stats, 0, &trial.directory), STATUS_INVALID);
	assert_null(trial.directory);
}

static void test_a_searcher_who_is_refused_makes_nobody_wrong(void **state)
{
	struct trial trial;
	(void)state;
	begin(&trial);
	open_trial(&trial, "not the search secret");
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_UNAVAILABLE);
	end(&trial);
}

/* ---- when it does not answer */

static bool is_up(void *context)
{
	(void)context;
	return stats_sum(stats, 1, COUNTER_LDAP_UP, 0) == 1;
}

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
	open_trial(&trial, "search secret");
	freeze();
	uint64_t began_ms = clock_monotonic_ms();
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_UNAVAILABLE);
	uint64_t took_ms = clock_monotonic_ms() - began_ms;
	assert_int_equal(kill(slapd.pid, SIGCONT), 0);
	assert_true(took_ms < TIMEOUT_MS + 1000);
	assert_string_equal(trial.reason, "directory unavailable"); /* by the thread, which is free again */
	end(&trial);
}

static void test_one_that_freezes_on_a_kept_connection_is_given_up_too(void **state)
{
	struct trial trial;
	(void)state;
	begin(&trial);
	trial.config.connections = 1;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_GRANTED);
	freeze();
	uint64_t began_ms = clock_monotonic_ms();
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_UNAVAILABLE);
	uint64_t took_ms = clock_monotonic_ms() - began_ms;
	assert_int_equal(kill(slapd.pid, SIGCONT), 0);
	assert_true(took_ms < TIMEOUT_MS + 1000);
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
	run_for(loop, LDAP_DOWN_MS + 100);
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
	snprintf(gone, sizeof(gone), "ldaps://127.0.0.1:%u", slapd_free_port());
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

static int start_all(void **state)
{
	(void)state;
	slapd_create(&slapd);
	return loop_create(&loop) == STATUS_OK && stats_create_private(&stats) == STATUS_OK ? 0 : -1;
}

static int stop_all(void **state)
{
	(void)state;
	slapd_remove(&slapd);
	stats_free_private(&stats);
	loop_free(loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_right_password_grants),
		cmocka_unit_test(test_wrong_unknown_and_ambiguous_are_told_apart_here_only),
		cmocka_unit_test(test_a_look_up_needs_no_password),
		cmocka_unit_test(test_who_is_disabled_does_not_get_in),
		cmocka_unit_test(test_without_a_mail_attribute_the_name_given_stands),
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

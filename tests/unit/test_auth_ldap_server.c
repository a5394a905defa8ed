/* The health of a directory's server: what questions and probes make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "auth/ldap/server.h"

static const struct ldap_server fresh = { .uri = "ldaps://server", .directory = "corp" };

static void test_a_question_casts_a_doubt_that_an_answer_lifts(void **state)
{
	struct ldap_server server = fresh;
	(void)state;
	assert_int_equal(ldap_server_health(&server), LDAP_HEALTH_UP);
	ldap_server_doubt(&server, "no answer in time");
	assert_int_equal(ldap_server_health(&server), LDAP_HEALTH_DOUBTED);
	ldap_server_note_answer(&server);
	assert_int_equal(ldap_server_health(&server), LDAP_HEALTH_UP);
}

static void test_what_a_probe_found_is_not_changed_by_a_question_without_an_answer(void **state)
{
	struct ldap_server server = fresh;
	(void)state;
	ldap_server_note_failed_probe(&server, LDAP_HEALTH_SILENT, "no answer in time");
	ldap_server_doubt(&server, "no answer in time");
	assert_int_equal(ldap_server_health(&server), LDAP_HEALTH_SILENT);
	ldap_server_note_failed_probe(&server, LDAP_HEALTH_DOUBTED, "connection refused");
	assert_int_equal(ldap_server_health(&server), LDAP_HEALTH_DOUBTED);
	ldap_server_note_answered_probe(&server);
	assert_int_equal(ldap_server_health(&server), LDAP_HEALTH_UP);
}

static void test_questions_are_patient_with_one_that_is_slow_but_there(void **state)
{
	struct ldap_server server = fresh;
	(void)state;
	const uint64_t patience_ms[] = { 1000, 2000, 4000, 4000 };
	for (size_t i = 0; i < sizeof(patience_ms) / sizeof(patience_ms[0]); i++) {
		assert_int_equal(ldap_server_patience_ms(&server, 4000), patience_ms[i]);
		ldap_server_suspect(&server);
		ldap_server_note_answered_probe(&server);
		ldap_server_note_answered_probe(&server); /* once for each suspicion */
	}
	ldap_server_suspect(&server);
	ldap_server_note_failed_probe(&server, LDAP_HEALTH_SILENT, "no answer in time");
	ldap_server_note_answered_probe(&server);
	assert_int_equal(ldap_server_patience_ms(&server, 4000), 1000);
}

static void test_connections_of_an_age_are_doubted_together_and_once(void **state)
{
	struct ldap_server server = fresh;
	(void)state;
	unsigned epoch = ldap_server_epoch(&server);
	ldap_server_end_epoch(&server, epoch);
	ldap_server_end_epoch(&server, epoch); /* by another thread, of a connection as old */
	assert_int_equal(ldap_server_epoch(&server), epoch + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_question_casts_a_doubt_that_an_answer_lifts),
		cmocka_unit_test(test_what_a_probe_found_is_not_changed_by_a_question_without_an_answer),
		cmocka_unit_test(test_questions_are_patient_with_one_that_is_slow_but_there),
		cmocka_unit_test(test_connections_of_an_age_are_doubted_together_and_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

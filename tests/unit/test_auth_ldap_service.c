/* The searching account: who may bind, and when, after it was refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "auth/ldap/service.h"
#include "base/clock.h"

#define THREADS 8

static struct ldap_service service;

static int begin(void **state)
{
	(void)state;
	ldap_service_init(&service, "corp");
	return 0;
}

static int end(void **state)
{
	(void)state;
	ldap_service_destroy(&service);
	return 0;
}

static void bind_with(enum ldap_service_result result)
{
	assert_true(ldap_service_begin(&service));
	ldap_service_end(&service, result, "ldaps://server", "Invalid credentials");
}

static void test_a_refused_password_is_not_tried_again_at_once(void **state)
{
	(void)state;
	bind_with(LDAP_SERVICE_REFUSED);
	assert_true(ldap_service_is_refused(&service));
	assert_true(ldap_service_pauses(&service));
	assert_false(ldap_service_begin(&service));
}

/* Lets a pause pass. */
static void wait_out_pause(void)
{
	service.pause_until_ms = clock_monotonic_ms();
}

static void test_the_pause_grows_up_to_a_limit_and_ends_with_a_success(void **state)
{
	(void)state;
	uint64_t expected_ms = LDAP_SERVICE_PAUSE_MS;
	for (int i = 0; i < 8; i++) {
		bind_with(LDAP_SERVICE_REFUSED);
		assert_int_equal(service.pause_ms, expected_ms);
		expected_ms =
			expected_ms * 2 < LDAP_SERVICE_PAUSE_MOST_MS ? expected_ms * 2 : LDAP_SERVICE_PAUSE_MOST_MS;
		wait_out_pause();
	}
	bind_with(LDAP_SERVICE_ACCEPTED);
	assert_false(ldap_service_is_refused(&service));
	assert_false(ldap_service_pauses(&service));
	bind_with(LDAP_SERVICE_REFUSED);
	assert_int_equal(service.pause_ms, LDAP_SERVICE_PAUSE_MS);
}

static void test_no_answer_is_no_refusal(void **state)
{
	(void)state;
	bind_with(LDAP_SERVICE_UNDECIDED);
	assert_false(ldap_service_is_refused(&service));
	bind_with(LDAP_SERVICE_ACCEPTED);
}

/* ---- several threads */

static atomic_uint tried;

static void *try_to_bind(void *context)
{
	(void)context;
	if (!ldap_service_begin(&service))
		return NULL;
	atomic_fetch_add(&tried, 1);
	ldap_service_end(&service, LDAP_SERVICE_REFUSED, "ldaps://server", "Invalid credentials");
	return NULL;
}

static void test_of_threads_that_start_together_one_alone_tries_a_wrong_password(void **state)
{
	pthread_t threads[THREADS];
	(void)state;
	atomic_store(&tried, 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, try_to_bind, NULL), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(atomic_load(&tried), 1);
}

static void test_one_whose_server_is_silent_does_not_hold_up_the_others(void **state)
{
	(void)state;
	assert_true(ldap_service_begin(&service));
	bind_with(LDAP_SERVICE_ACCEPTED); /* after LDAP_SERVICE_TURN_MS */
	assert_true(ldap_service_begin(&service));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_refused_password_is_not_tried_again_at_once),
		CASE(test_the_pause_grows_up_to_a_limit_and_ends_with_a_success),
		CASE(test_no_answer_is_no_refusal),
		CASE(test_of_threads_that_start_together_one_alone_tries_a_wrong_password),
		CASE(test_one_whose_server_is_silent_does_not_hold_up_the_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

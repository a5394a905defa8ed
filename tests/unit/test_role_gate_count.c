/* How many gates there are. */
#include <unistd.h>

#include "role/role.h"
#include "tests/unit/config_trial.h"

static unsigned count_gates(const char *text)
{
	struct config *config = load_text(text);
	unsigned count = role_gate_count(config);
	config_free(&config);
	return count;
}

static void there_are_as_many_as_the_configuration_says(void **state)
{
	(void)state;
	assert_int_equal(count_gates("gates = 1\n" LEAST), 1);
	assert_int_equal(count_gates("gates = 7\n" LEAST), 7);
}

static void there_is_one_for_every_two_cores_by_default(void **state)
{
	(void)state;
	assert_int_equal(count_gates(LEAST), (sysconf(_SC_NPROCESSORS_ONLN) + 1) / 2);
	assert_int_equal(count_gates("gates = 0\n" LEAST), count_gates(LEAST));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_are_as_many_as_the_configuration_says),
		cmocka_unit_test(there_is_one_for_every_two_cores_by_default),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

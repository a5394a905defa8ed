/* The text that Prometheus reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stats/stats.h"

#define TEXT_SIZE (1U << 20) /* bytes: 40 relays' series fit */

static const char config_text[] = "listener in { address = {\"127.0.0.1:465\"} }\n"
				  "auth { backends = {\"app_password\"} }\n"
				  "relay first { host = \"a\" auth = \"none\" }\n"
				  "relay second { host = \"b\" auth = \"none\" }\n"
				  "route default { relays = {\"first\", \"second\"} }\n";

static char exported[TEXT_SIZE];

static struct config *load_config(const char *text)
{
	struct config *config = NULL;
	assert_int_equal(config_load(span_of(text), "/etc/test.conf", stderr, &config), STATUS_OK);
	return config;
}

static void export_stats(const struct stats *stats, const struct config *config)
{
	FILE *out = fmemopen(exported, sizeof(exported), "w");
	stats_write(stats, 1, config, out);
	assert_int_equal(fclose(out), 0);
}

static void assert_line(const char *line)
{
	const char *found = strstr(exported, line);
	if (!found)
		print_error("missing: %s\n", line);
	assert_non_null(found);
	assert_true(found == exported || found[-1] == '\n');
	assert_true(found[strlen(line)] == '\n');
}

/* Two seats: the supervisor's, and one of a process that an attacker has taken over. */
static void what_others_say_in_the_name_of_the_supervisor_is_not_shown(void **state)
{
	(void)state;
	struct config *config = load_config(config_text);
	struct stats *supervisor, *gate;
	const struct stats *first;
	FILE *out = fmemopen(exported, sizeof(exported), "w");
	int fd = memfd_create("slabs", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)stats_memory_size(2)), 0);
	assert_int_equal(stats_map(fd, SUPERVISOR_SEAT, &supervisor), STATUS_OK);
	assert_int_equal(stats_map(fd, SUPERVISOR_SEAT + 1, &gate), STATUS_OK);
	assert_int_equal(stats_map_all(fd, 2, &first), STATUS_OK);
	stats_set(supervisor, COUNTER_ROLE_HUNG, 3, 1);
	stats_set(gate, COUNTER_ROLE_HUNG, 2, 1);
	stats_add(gate, COUNTER_ROLE_RESTARTS, 2, 1000);
	stats_write(first, 2, config, out);
	assert_int_equal(fclose(out), 0);
	assert_line("subgate_role_hung{role=\"relay\"} 1");
	assert_line("subgate_role_hung{role=\"auth\"} 0");
	assert_line("subgate_role_restarts_total{role=\"auth\"} 0");
	close(fd);
	config_free(&config);
}

static void every_counter_has_help_type_and_labels(void **state)
{
	struct stats *stats = *state;
	struct config *config = load_config(config_text);
	stats_add(stats, COUNTER_CONNECTIONS, 0, 4);
	stats_add(stats, COUNTER_MESSAGES, 1 * STATS_SECOND_LABELS + STATS_RESULT_OK, 9);
	stats_set(stats, COUNTER_SESSIONS, 1, 3);
	export_stats(stats, config);
	assert_line("# HELP subgate_connections_total Client connections accepted.");
	assert_line("# TYPE subgate_connections_total counter");
	assert_line("subgate_connections_total{listener=\"in\"} 4");
	assert_line("subgate_messages_total{relay=\"first\",result=\"ok\"} 0");
	assert_line("subgate_messages_total{relay=\"second\",result=\"ok\"} 9");
	assert_line("# TYPE subgate_sessions gauge");
	assert_line("subgate_sessions{state=\"authenticated\"} 3");
	assert_line("subgate_message_bytes_total 0");
	assert_line("# TYPE subgate_ldap_up gauge");
	assert_null(strstr(exported, "subgate_ldap_up{"));
	config_free(&config);
}

static void a_directory_is_a_server(void **state)
{
	struct config *config = load_config("listener in { address = {\"127.0.0.1:465\"} }\n"
					    "relay first { host = \"a\" auth = \"none\" }\n"
					    "ldap corp { uri = {\"ldaps://d\"} base = \"dc=x\" }\n");
	export_stats(*state, config);
	assert_line("subgate_ldap_up{server=\"corp\"} 0");
	config_free(&config);
}

static void a_histogram_cumulates_and_counts_in_seconds(void **state)
{
	struct stats *stats = *state;
	struct config *config = load_config(config_text);
	stats_observe_ms(stats, COUNTER_UPSTREAM_TIME, 0, 5);
	stats_observe_ms(stats, COUNTER_UPSTREAM_TIME, 0, 6);
	stats_observe_ms(stats, COUNTER_UPSTREAM_TIME, 0, 60000);
	export_stats(stats, config);
	assert_line("# TYPE subgate_upstream_seconds histogram");
	assert_line("subgate_upstream_seconds_bucket{relay=\"first\",le=\"0.005\"} 1");
	assert_line("subgate_upstream_seconds_bucket{relay=\"first\",le=\"0.01\"} 2");
	assert_line("subgate_upstream_seconds_bucket{relay=\"first\",le=\"10\"} 2");
	assert_line("subgate_upstream_seconds_bucket{relay=\"first\",le=\"+Inf\"} 3");
	assert_line("subgate_upstream_seconds_sum{relay=\"first\"} 60.011000");
	assert_line("subgate_upstream_seconds_count{relay=\"first\"} 3");
	config_free(&config);
}

static void the_longest_of_several_durations_shows_in_seconds(void **state)
{
	struct stats *stats = *state;
	struct config *config = load_config(config_text);
	stats_note_longest_us(stats, COUNTER_LOOP_TURN_LONGEST, 1, 1500);
	stats_note_longest_us(stats, COUNTER_LOOP_TURN_LONGEST, 1, 2000003);
	stats_note_longest_us(stats, COUNTER_LOOP_TURN_LONGEST, 1, 900);
	stats_observe_us(stats, COUNTER_LOOP_TURN, 1, 5001);
	stats_observe_us(stats, COUNTER_LOOP_TURN, 1, 250);
	export_stats(stats, config);
	assert_line("# TYPE subgate_loop_turn_longest_seconds gauge");
	assert_line("subgate_loop_turn_longest_seconds{role=\"gate\"} 2.000003");
	assert_line("subgate_loop_turn_longest_seconds{role=\"relay\"} 0.000000");
	assert_line("subgate_loop_turn_seconds_bucket{role=\"gate\",le=\"0.005\"} 1");
	assert_line("subgate_loop_turn_seconds_bucket{role=\"gate\",le=\"0.01\"} 2");
	assert_line("subgate_loop_turn_seconds_sum{role=\"gate\"} 0.005251");
	config_free(&config);
}

static void a_gauge_never_shows_less_than_nothing(void **state)
{
	struct stats *stats = *state;
	struct config *config = load_config(config_text);
	stats_add(stats, COUNTER_SESSIONS, 0, (uint64_t)-1);
	export_stats(stats, config);
	assert_line("subgate_sessions{state=\"open\"} 0");
	config_free(&config);
}

static void more_relays_than_labels_end_in_other(void **state)
{
	struct stats *stats = *state;
	static char text[8192];
	size_t used = (size_t)snprintf(text, sizeof(text),
				       "listener in { address = {\"127.0.0.1:465\"} }\n"
				       "auth { backends = {\"app_password\"} }\n"
				       "route default { relays = {\"r0\"} }\n");
	for (unsigned i = 0; i < 40; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "relay r%u { host = \"a\" auth = \"none\" }\n", i);
	struct config *config = load_config(text);
	stats_add(stats, COUNTER_MESSAGES, 39 * STATS_SECOND_LABELS + STATS_RESULT_REFUSED, 2);
	export_stats(stats, config);
	assert_line("subgate_messages_total{relay=\"r30\",result=\"refused\"} 0");
	assert_line("subgate_messages_total{relay=\"other\",result=\"refused\"} 2");
	assert_null(strstr(exported, "messages_total{relay=\"r31\""));
	config_free(&config);
}

static void labels_are_escaped(void **state)
{
	struct config *config = load_config(config_text);
	char *name = config->listener.items[0].name;
	config->listener.items[0].name = (char *)"a\"b\\c\nd";
	export_stats(*state, config);
	assert_line("subgate_connections_total{listener=\"a\\\"b\\\\c\\nd\"} 0");
	config->listener.items[0].name = name;
	config_free(&config);
}

static int set_up(void **state)
{
	return stats_create_private((struct stats **)state);
}

static int tear_down(void **state)
{
	stats_free_private((struct stats **)state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_counter_has_help_type_and_labels, set_up, tear_down),
		cmocka_unit_test(what_others_say_in_the_name_of_the_supervisor_is_not_shown),
		cmocka_unit_test_setup_teardown(a_directory_is_a_server, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_histogram_cumulates_and_counts_in_seconds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_longest_of_several_durations_shows_in_seconds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_gauge_never_shows_less_than_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(more_relays_than_labels_end_in_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(labels_are_escaped, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The admin role by HTTP: metrics, health, and nothing that could change anything. */
#include "admin_world.h"

/* ---- HTTP */

static void assert_status(const char *line)
{
	assert_memory_equal(world.reads, line, strlen(line));
}

static void metrics_show_what_the_slabs_hold(void **state)
{
	(void)state;
	stats_add(world.stats, COUNTER_CONNECTIONS, 0, 12);
	get_page("GET /metrics HTTP/1.0\r\n\r\n");
	assert_status("HTTP/1.1 200 OK\r\n");
	assert_non_null(strstr(world.reads, "Content-Type: text/plain; version=0.0.4"));
	assert_non_null(strstr(world.reads, "\nsubgate_connections_total{listener=\"in\"} 12\n"));
}

static void a_living_admin_is_healthy(void **state)
{
	(void)state;
	get_page("GET /healthz HTTP/1.0\r\n\r\n");
	assert_status("HTTP/1.1 200 OK\r\n");
}

static void ready_is_who_has_auth_and_relay(void **state)
{
	(void)state;
	get_page("GET /readyz HTTP/1.0\r\n\r\n");
	assert_status("HTTP/1.1 503 ");
	assert_non_null(strstr(world.reads, "\r\n\r\nmissing: auth, relay\n"));
	attach_role(ROLE_AUTH);
	get_page("GET /readyz HTTP/1.0\r\n\r\n");
	assert_non_null(strstr(world.reads, "\r\n\r\nmissing: relay\n"));
	attach_role(ROLE_RELAY);
	get_page("GET /readyz HTTP/1.0\r\n\r\n");
	assert_status("HTTP/1.1 200 OK\r\n");
}

static void nothing_can_be_changed_by_http(void **state)
{
	(void)state;
	get_page("POST /metrics HTTP/1.0\r\nContent-Length: 2\r\n\r\nab");
	assert_status("HTTP/1.1 405 ");
	assert_non_null(strstr(world.reads, "Allow: GET, HEAD\r\n"));
	get_page("DELETE /healthz HTTP/1.0\r\n\r\n");
	assert_status("HTTP/1.1 405 ");
	get_page("GET /etc/passwd HTTP/1.0\r\n\r\n");
	assert_status("HTTP/1.1 404 ");
}

static void head_gives_no_body(void **state)
{
	(void)state;
	get_page("HEAD /healthz HTTP/1.0\r\n\r\n");
	assert_status("HTTP/1.1 200 OK\r\n");
	assert_string_equal(strstr(world.reads, "\r\n\r\n"), "\r\n\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROLE_TEST(metrics_show_what_the_slabs_hold),
		ROLE_TEST(a_living_admin_is_healthy),
		ROLE_TEST(ready_is_who_has_auth_and_relay),
		ROLE_TEST(nothing_can_be_changed_by_http),
		ROLE_TEST(head_gives_no_body),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The admin role as a whole, on a loop of its own: real sockets and doors,
 * with roles played by the test at the doors' other ends. Clients are threads,
 * as they wait.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/commands.h"
#include "admin/ctl.h"
#include "door/messages.h"
#include "net/listener.h"
#include "role/role.h"

#define TEXT_SIZE 65536 /* bytes of what a client reads */
#define TEST_MS 15000   /* after which a test is stuck */

static struct {
	struct loop *loop;
	struct config *config;
	struct role_context context;
	struct stats *stats;
	void *admin;
	char path[108];
	struct endpoint http;
	int control_fd, http_fd, slabs_fd;
	int supervisor_fd; /* the other end of the door that opens the control socket */
	bool finished;
	/* the role played, and what it was asked */
	struct door *door;
	const char *answer; /* NULL: keeps silent */
	char asked[TEXT_SIZE];
	/* the client */
	struct wakeup *done;
	struct timer *stuck;
	const char *sends;
	char reads[TEXT_SIZE];
	FILE *errors;
} world;

/* ---- what the supervisor's room gives a role */

int role_take_fd(const struct role_context *context, const char *name)
{
	(void)context;
	int *fd = strcmp(name, "control") == 0 ? &world.control_fd
		  : strcmp(name, "http") == 0  ? &world.http_fd
					       : &world.slabs_fd;
	int taken = *fd;
	*fd = -1;
	return taken;
}

enum status role_take_secret(const struct role_context *context, const char *name, struct secret *out_secret)
{
	(void)context, (void)name, (void)out_secret;
	return STATUS_NOT_FOUND;
}

void role_door_lost(const struct role_context *context, enum role_kind peer, uint32_t instance)
{
	(void)context, (void)peer, (void)instance;
}

void role_finish(const struct role_context *context)
{
	(void)context;
	world.finished = true;
	loop_stop(world.loop);
}

const char *role_kind_text(enum role_kind kind)
{
	static const char *const names[] = { "supervisor", "gate", "auth", "relay", "admin" };
	return names[kind];
}

/* ---- a role at the other end of a door */

static enum status play(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_control_request request;
	(void)context;
	assert_int_equal(type, DOOR_CONTROL_REQUEST);
	assert_int_equal(door_read_control_request(payload, &request), STATUS_OK);
	snprintf(world.asked, sizeof(world.asked), "%.*s", SPAN_ARGS(request.json));
	if (!world.answer)
		return STATUS_INVALID; /* as if it died */
	struct door_control_reply reply = { .request = request.request, .json = span_of(world.answer) };
	struct door_control_reply late = { .request = request.request + 1000, .json = SPAN("{\"ok\":true}") };
	assert_int_equal(door_send_control_reply(door, &late), STATUS_OK);
	return door_send_control_reply(door, &reply);
}

static void on_closed(void *context, struct door *door)
{
	(void)context;
	(void)door;
	door_free(&world.door);
}

static const struct door_handler player = { .on_frame = play, .on_closed = on_closed };

static void attach(enum role_kind kind)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(door_create(world.loop, pair[0], &player, NULL, &world.door), STATUS_OK);
	admin_role.attached(world.admin, kind, 7, pair[1]);
}

static void attach_supervisor(void)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	world.supervisor_fd = pair[0];
	admin_role.attached(world.admin, ROLE_SUPERVISOR, 0, pair[1]);
}

/* ---- clients */

static void on_done(void *context)
{
	(void)context;
	loop_stop(world.loop);
}

static void on_stuck(void *context)
{
	(void)context;
	fail_msg("stuck");
}

static void run_client(void *(*client)(void *), void *argument)
{
	pthread_t thread;
	timer_set(world.stuck, TEST_MS);
	assert_int_equal(pthread_create(&thread, NULL, client, argument), 0);
	loop_run(world.loop);
	pthread_join(thread, NULL);
	timer_clear(world.stuck);
}

static size_t read_all(int fd)
{
	size_t size = 0;
	ssize_t n;
	while ((n = recv(fd, world.reads + size, sizeof(world.reads) - 1 - size, 0)) > 0)
		size += (size_t)n;
	world.reads[size] = '\0';
	return size;
}

/* Sends `sends`, ends its side, and reads to the end. */
static void *talk(void *argument)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	(void)argument;
	memcpy(address.sun_path, world.path, strlen(world.path));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
	    send(fd, world.sends, strlen(world.sends), MSG_NOSIGNAL) > 0) {
		shutdown(fd, SHUT_WR);
		read_all(fd);
	}
	close(fd);
	wakeup_send(world.done);
	return NULL;
}

static void *fetch(void *argument)
{
	(void)argument;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (const struct sockaddr *)&world.http.storage, world.http.size) == 0 &&
	    send(fd, world.sends, strlen(world.sends), MSG_NOSIGNAL) > 0)
		read_all(fd);
	close(fd);
	wakeup_send(world.done);
	return NULL;
}

static void *exchange(void *argument)
{
	json_t **reply = argument;
	json_t *request = json_pack("{s:s}", "command", "relay list");
	if (ctl_exchange(world.path, request, world.errors, reply) != STATUS_OK)
		*reply = NULL;
	json_decref(request);
	wakeup_send(world.done);
	return NULL;
}

static void say(const char *text)
{
	world.sends = text;
	world.reads[0] = '\0';
	run_client(talk, NULL);
}

static void get(const char *request)
{
	world.sends = request;
	world.reads[0] = '\0';
	run_client(fetch, NULL);
}

/* ---- set-up */

static const char config_text[] = "listener in { address = {\"127.0.0.1:465\"} }\n"
				  "auth { backends = {\"app_password\"} }\n"
				  "relay r { host = \"a\" auth = \"none\" }\n";

static int open_socket(const char *address, struct endpoint *out_endpoint)
{
	int fd;
	assert_int_equal(endpoint_parse(span_of(address), out_endpoint), STATUS_OK);
	assert_int_equal(listener_open_socket(out_endpoint, &fd), STATUS_OK);
	return fd;
}

static void open_http(void)
{
	struct endpoint *http = &world.http;
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(fd, 8), 0);
	http->size = sizeof(http->storage);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&http->storage, &http->size), 0);
	world.http_fd = fd;
}

static int set_up(void **state)
{
	char address[128];
	struct endpoint endpoint;
	(void)state;
	memset(&world, 0, sizeof(world));
	snprintf(world.path, sizeof(world.path), "/tmp/test-admin-%d.sock", (int)getpid());
	snprintf(address, sizeof(address), "unix:%s", world.path);
	unlink(world.path);
	world.control_fd = open_socket(address, &endpoint);
	open_http();
	world.slabs_fd = memfd_create("slabs", MFD_CLOEXEC);
	assert_int_equal(ftruncate(world.slabs_fd, (off_t)stats_memory_size(1)), 0);
	assert_int_equal(stats_map(world.slabs_fd, 0, &world.stats), STATUS_OK);
	assert_int_equal(config_load(span_of(config_text), "/etc/test.conf", stderr, &world.config), STATUS_OK);
	assert_int_equal(loop_create(&world.loop), STATUS_OK);
	assert_int_equal(wakeup_create(world.loop, on_done, NULL, &world.done), STATUS_OK);
	assert_int_equal(timer_make(world.loop, on_stuck, NULL, &world.stuck), STATUS_OK);
	world.context = (struct role_context){ .loop = world.loop, .config = world.config, .seats = 1, .node = "test" };
	world.errors = stderr;
	if (admin_role.start(&world.context, &world.admin) != STATUS_OK)
		return -1;
	attach_supervisor();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	door_free(&world.door);
	close(world.supervisor_fd);
	admin_role.stop(world.admin);
	timer_free(&world.stuck);
	wakeup_free(&world.done);
	loop_free(world.loop);
	config_free(&world.config);
	munmap(world.stats, stats_memory_size(1));
	unlink(world.path);
	return 0;
}

/* ---- control socket */

static void a_request_reaches_its_role_and_its_answer_the_client(void **state)
{
	(void)state;
	world.answer = "{\"ok\":true,\"user\":\"a\",\"used\":3}";
	attach(ROLE_RELAY);
	say("{\"command\":\"quota show\",\"user\":\"a\"}\n");
	assert_string_equal(world.asked, "{\"command\":\"quota show\",\"user\":\"a\"}");
	assert_string_equal(world.reads, "{\"ok\":true,\"user\":\"a\",\"used\":3}\n");
}

static void several_requests_of_a_connection_are_answered_in_order(void **state)
{
	(void)state;
	world.answer = "{\"ok\":true}";
	attach(ROLE_AUTH);
	say("{\"command\":\"throttle clear\"}\n{\"command\":\"quota reset\",\"user\":\"a\"}\n{\"command\":\"halt\"}\n"
	    "{\"command\":\"throttle list\"}\n");
	assert_string_equal(world.reads, "{\"ok\":true}\n"
					 "{\"ok\":false,\"error\":\"relay is not running\"}\n"
					 "{\"ok\":false,\"error\":\"unknown command \\\"halt\\\"\"}\n"
					 "{\"ok\":true}\n");
}

static void a_role_that_goes_away_is_told_of(void **state)
{
	(void)state;
	attach(ROLE_AUTH);
	say("{\"command\":\"throttle list\"}\n{\"command\":\"throttle list\"}\n");
	assert_string_equal(world.reads, "{\"ok\":false,\"error\":\"auth is gone; whether it was done is not known\"}\n"
					 "{\"ok\":false,\"error\":\"auth is not running\"}\n");
}

static void a_later_door_replaces_the_former(void **state)
{
	(void)state;
	attach(ROLE_SUPERVISOR);
	struct door *former = world.door;
	world.answer = "{\"ok\":true,\"version\":\"2\"}";
	attach(ROLE_SUPERVISOR);
	door_free(&former);
	say("{\"command\":\"status\"}\n");
	assert_string_equal(world.reads, "{\"ok\":true,\"version\":\"2\"}\n");
}

static void an_answer_that_is_no_json_line_does_not_pass(void **state)
{
	(void)state;
	world.answer = "{\"ok\":true,\n\"user\":\"a\"}";
	attach(ROLE_RELAY);
	say("{\"command\":\"relay list\"}\n");
	assert_string_equal(world.reads, "{\"ok\":false,\"error\":\"the answer can't be read\"}\n");
}

static void a_line_without_an_end_is_refused(void **state)
{
	(void)state;
	static char line[COMMAND_LINE_MAXIMUM + 2];
	memset(line, 'a', sizeof(line) - 1);
	say(line);
	assert_string_equal(world.reads, "{\"ok\":false,\"error\":\"the line is too long\"}\n");
}

static void subgatectl_gets_its_answer(void **state)
{
	(void)state;
	json_t *reply = NULL;
	world.answer = "{\"ok\":true,\"relays\":[]}";
	attach(ROLE_RELAY);
	run_client(exchange, &reply);
	assert_non_null(reply);
	assert_true(json_is_true(json_object_get(reply, "ok")));
	json_decref(reply);
}

static void subgatectl_says_when_nobody_answers(void **state)
{
	(void)state;
	char text[512] = "";
	json_t *reply = NULL;
	world.errors = fmemopen(text, sizeof(text), "w");
	snprintf(world.path, sizeof(world.path), "/tmp/test-admin-%d.none", (int)getpid());
	run_client(exchange, &reply);
	fclose(world.errors);
	assert_null(reply);
	assert_non_null(strstr(text, "no daemon answers at /tmp/test-admin-"));
	assert_non_null(strstr(text, ": is subgate running?"));
}

static void a_drained_role_finishes(void **state)
{
	(void)state;
	admin_role.drain(world.admin, 1000, false);
	assert_true(world.finished);
}

/* ---- HTTP */

static void assert_status(const char *line)
{
	assert_memory_equal(world.reads, line, strlen(line));
}

static void metrics_show_what_the_slabs_hold(void **state)
{
	(void)state;
	stats_add(world.stats, COUNTER_CONNECTIONS, 0, 12);
	get("GET /metrics HTTP/1.0\r\n\r\n");
	assert_status("HTTP/1.1 200 OK\r\n");
	assert_non_null(strstr(world.reads, "Content-Type: text/plain; version=0.0.4"));
	assert_non_null(strstr(world.reads, "\nsubgate_connections_total{listener=\"in\"} 12\n"));
}

static void a_living_admin_is_healthy(void **state)
{
	(void)state;
	get("GET /healthz HTTP/1.0\r\n\r\n");
	assert_status("HTTP/1.1 200 OK\r\n");
}

static void ready_is_who_has_auth_and_relay(void **state)
{
	(void)state;
	get("GET /readyz HTTP/1.0\r\n\r\n");
	assert_status("HTTP/1.1 503 ");
	assert_non_null(strstr(world.reads, "\r\n\r\nmissing: auth, relay\n"));
	attach(ROLE_AUTH);
	struct door *auth = world.door;
	get("GET /readyz HTTP/1.0\r\n\r\n");
	assert_non_null(strstr(world.reads, "\r\n\r\nmissing: relay\n"));
	attach(ROLE_RELAY);
	get("GET /readyz HTTP/1.0\r\n\r\n");
	assert_status("HTTP/1.1 200 OK\r\n");
	door_free(&auth);
}

static void nothing_can_be_changed_by_http(void **state)
{
	(void)state;
	get("POST /metrics HTTP/1.0\r\nContent-Length: 2\r\n\r\nab");
	assert_status("HTTP/1.1 405 ");
	assert_non_null(strstr(world.reads, "Allow: GET, HEAD\r\n"));
	get("DELETE /healthz HTTP/1.0\r\n\r\n");
	assert_status("HTTP/1.1 405 ");
	get("GET /etc/passwd HTTP/1.0\r\n\r\n");
	assert_status("HTTP/1.1 404 ");
}

static void head_gives_no_body(void **state)
{
	(void)state;
	get("HEAD /healthz HTTP/1.0\r\n\r\n");
	assert_status("HTTP/1.1 200 OK\r\n");
	assert_string_equal(strstr(world.reads, "\r\n\r\n"), "\r\n\r\n");
}

#define ROLE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROLE_TEST(a_request_reaches_its_role_and_its_answer_the_client),
		ROLE_TEST(several_requests_of_a_connection_are_answered_in_order),
		ROLE_TEST(a_role_that_goes_away_is_told_of),
		ROLE_TEST(a_later_door_replaces_the_former),
		ROLE_TEST(an_answer_that_is_no_json_line_does_not_pass),
		ROLE_TEST(a_line_without_an_end_is_refused),
		ROLE_TEST(subgatectl_gets_its_answer),
		ROLE_TEST(subgatectl_says_when_nobody_answers),
		ROLE_TEST(a_drained_role_finishes),
		ROLE_TEST(metrics_show_what_the_slabs_hold),
		ROLE_TEST(a_living_admin_is_healthy),
		ROLE_TEST(ready_is_who_has_auth_and_relay),
		ROLE_TEST(nothing_can_be_changed_by_http),
		ROLE_TEST(head_gives_no_body),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

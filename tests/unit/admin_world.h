/* For tests of the admin role: a real one, between clients of its own and played roles behind its doors. */
#ifndef TESTS_ADMIN_WORLD_H
#define TESTS_ADMIN_WORLD_H

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
	struct door *doors[ROLE_KINDS];
	const char *answer; /* NULL: keeps silent */
	char asked[TEXT_SIZE];
	char trace[TEXT_SIZE]; /* requests and records, in order */
	bool audit_fails, relay_dies;
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

void role_distrust_gate(const struct role_context *context, uint32_t instance)
{
	(void)context, (void)instance;
}

void role_finish(const struct role_context *context)
{
	(void)context;
	world.finished = true;
	loop_stop(world.loop);
}

const char *role_kind_text(enum role_kind kind)
{
	static const char *const names[] = { "supervisor", "gate", "auth", "relay", "admin", "console" };
	return names[kind];
}

/* ---- a role at the other end of a door */

static void note_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline void note_line(const char *format, ...)
{
	size_t used = strlen(world.trace);
	va_list args;
	va_start(args, format);
	vsnprintf(world.trace + used, sizeof(world.trace) - used, format, args);
	va_end(args);
}

static inline enum status play_audit(struct door *door, struct span payload)
{
	struct door_command_record record;
	assert_int_equal(door_read_command_record(payload, &record), STATUS_OK);
	assert_int_equal(record.uid, geteuid());
	note_line("%.*s [%.*s] [%.*s] %.*s%s%.*s\n", SPAN_ARGS(record.command), SPAN_ARGS(record.object),
		  SPAN_ARGS(record.options), SPAN_ARGS(record.result), record.reason.size ? ": " : "",
		  SPAN_ARGS(record.reason));
	if (world.relay_dies)
		return STATUS_INVALID;
	struct door_command_recorded reply = { record.request, !world.audit_fails };
	return record.request ? door_send_command_recorded(door, &reply) : STATUS_OK;
}

static inline enum status play_role(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct door_control_request request;
	(void)context;
	if (type == DOOR_COMMAND_RECORD)
		return play_audit(door, payload);
	assert_int_equal(type, DOOR_CONTROL_REQUEST);
	assert_int_equal(door_read_control_request(payload, &request), STATUS_OK);
	snprintf(world.asked, sizeof(world.asked), "%.*s", SPAN_ARGS(request.json));
	note_line("asked\n");
	if (!world.answer)
		return STATUS_INVALID; /* as if it died */
	struct door_control_reply reply = { .request = request.request, .json = span_of(world.answer) };
	struct door_control_reply late = { .request = request.request + 1000, .json = SPAN("{\"ok\":true}") };
	assert_int_equal(door_send_control_reply(door, &late), STATUS_OK);
	return door_send_control_reply(door, &reply);
}

static inline void on_closed(void *context, struct door *door)
{
	struct door **own = context;
	(void)door;
	door_free(own);
}

static const struct door_handler player = { .on_frame = play_role, .on_closed = on_closed };

static inline void attach_role(enum role_kind kind)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(door_create(world.loop, pair[0], &player, &world.doors[kind], &world.doors[kind]), STATUS_OK);
	admin_role.attached(world.admin, kind, 7, pair[1]);
}

static inline void attach_supervisor(void)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	world.supervisor_fd = pair[0];
	admin_role.attached(world.admin, ROLE_SUPERVISOR, 0, pair[1]);
}

/* ---- clients */

static inline void on_done(void *context)
{
	(void)context;
	loop_stop(world.loop);
}

static inline void on_stuck(void *context)
{
	(void)context;
	fail_msg("stuck");
}

static inline void run_client(void *(*client)(void *), void *argument)
{
	pthread_t thread;
	timer_set(world.stuck, TEST_MS);
	assert_int_equal(pthread_create(&thread, NULL, client, argument), 0);
	loop_run(world.loop);
	pthread_join(thread, NULL);
	timer_clear(world.stuck);
}

static inline size_t read_all(int fd)
{
	size_t size = 0;
	ssize_t n;
	while ((n = recv(fd, world.reads + size, sizeof(world.reads) - 1 - size, 0)) > 0)
		size += (size_t)n;
	world.reads[size] = '\0';
	return size;
}

/* Sends `sends`, ends its side, and reads to the end. */
static inline void *talk_to_socket(void *argument)
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

static inline void *fetch_page(void *argument)
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

static inline void *exchange_command(void *argument)
{
	json_t **reply = argument;
	json_t *request = json_pack("{s:s}", "command", "relay list");
	if (ctl_exchange(world.path, request, world.errors, reply) != STATUS_OK)
		*reply = NULL;
	json_decref(request);
	wakeup_send(world.done);
	return NULL;
}

static inline void say_to_socket(const char *text)
{
	world.sends = text;
	world.reads[0] = '\0';
	run_client(talk_to_socket, NULL);
}

static inline void get_page(const char *request)
{
	world.sends = request;
	world.reads[0] = '\0';
	run_client(fetch_page, NULL);
}

/* ---- set-up */

static const char config_text[] = "listener in { address = {\"127.0.0.1:465\"} }\n"
				  "auth { backends = {\"app_password\"} }\n"
				  "relay r { host = \"a\" auth = \"none\" }\n";

static inline int open_socket(const char *address, struct endpoint *out_endpoint)
{
	int fd;
	assert_int_equal(endpoint_parse(span_of(address), out_endpoint), STATUS_OK);
	assert_int_equal(listener_open_socket(out_endpoint, &fd), STATUS_OK);
	return fd;
}

static inline void open_http(void)
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

static inline int set_up(void **state)
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
	world.context = (struct role_context){ .loop = world.loop,
					       .config = world.config,
					       .seats = 1,
					       .node = "test",
					       .admin_group = (gid_t)-1,
					       .operator_group = (gid_t)-1 };
	world.errors = stderr;
	if (admin_role.start(&world.context, &world.admin) != STATUS_OK)
		return -1;
	attach_supervisor();
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < ROLE_KINDS; kind++)
		door_free(&world.doors[kind]);
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

#define ROLE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif

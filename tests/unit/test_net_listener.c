/* Listeners, and addresses as text. */
#include "with_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "net/listener.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* ---- addresses */

static void addresses_are_read_and_written(void **state)
{
	static const struct {
		const char *text, *address;
		uint16_t port;
	} cases[] = {
		{ "0.0.0.0:465", "0.0.0.0", 465 },
		{ "127.0.0.1:0", "127.0.0.1", 0 },
		{ "[::]:587", "::", 587 },
		{ "[2001:DB8::7]:65535", "2001:db8::7", 65535 },
		{ "[::ffff:192.0.2.7]:25", "192.0.2.7", 25 },
		{ "unix:/run/admin.sock", "local", 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct endpoint endpoint;
		char text[ENDPOINT_TEXT_SIZE];
		assert_int_equal(endpoint_parse(span_of(cases[i].text), &endpoint), STATUS_OK);
		endpoint_format(&endpoint, text);
		assert_string_equal(text, cases[i].address);
		assert_int_equal(endpoint_port(&endpoint), cases[i].port);
	}
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		":465",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:x",
		"127.0.0.1:65536",
		"1.2.3:25",
		"::1:25",
		"[::1]",
		"[::1:25",
		"[]:25",
		"[127.0.0.1]:25",
		"unix:",
		"localhost:25",
		"127.0.0.1 :25",
		"127.0.0.1:-1",
		"[fe80::1%lo]:25",
		"0x7f.1:25",
		"[:::::::::::::::::::::::::::::::::::::::::::::::::::::]:25",
	};
	struct endpoint endpoint = { .size = 7 };
	char path[200];
	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_int_equal(endpoint_parse(span_of(wrong[i]), &endpoint), STATUS_INVALID);
	snprintf(path, sizeof(path), "unix:/%0150d", 1);
	assert_int_equal(endpoint_parse(span_of(path), &endpoint), STATUS_INVALID);
	assert_int_equal(endpoint_parse(SPAN("127.0.0.1\0:25"), &endpoint), STATUS_INVALID);
	assert_int_equal(endpoint.size, 7);
}

/* ---- accepting */

#define CLIENTS 8

struct door_keeper {
	struct loop *loop;
	struct listener *listener;
	struct endpoint here; /* where it listens */
	int accepted[CLIENTS];
	size_t count;
	char peer[ENDPOINT_TEXT_SIZE];
	bool frees;
};

static void let_in(void *context, int fd, const struct endpoint *peer)
{
	struct door_keeper *keeper = context;
	endpoint_format(peer, keeper->peer);
	assert_true(keeper->count < CLIENTS);
	keeper->accepted[keeper->count++] = fd;
	if (keeper->frees)
		listener_free(&keeper->listener);
}

static void begin_at(struct door_keeper *keeper, const char *address)
{
	int fd = -1;
	*keeper = (struct door_keeper){ 0 };
	assert_int_equal(loop_create(&keeper->loop), STATUS_OK);
	assert_int_equal(endpoint_parse(span_of(address), &keeper->here), STATUS_OK);
	assert_int_equal(listener_open_socket(&keeper->here, &fd), STATUS_OK);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&keeper->here.storage, &keeper->here.size), 0);
	assert_int_equal(listener_create(keeper->loop, fd, let_in, keeper, &keeper->listener), STATUS_OK);
}

static void end_keeper(struct door_keeper *keeper)
{
	listener_free(&keeper->listener);
	for (size_t i = 0; i < keeper->count; i++)
		close(keeper->accepted[i]);
	loop_free(keeper->loop);
}

static int knock_at(const struct door_keeper *keeper)
{
	int fd = socket(keeper->here.storage.ss_family, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&keeper->here.storage, keeper->here.size), 0);
	return fd;
}

static void a_connection_is_accepted_without_delay_and_without_waiting(void **state)
{
	struct door_keeper keeper;
	int on = 0;
	socklen_t size = sizeof(on);
	(void)state;
	begin_at(&keeper, "127.0.0.1:0");
	int client = knock_at(&keeper);
	run_for(keeper.loop, 5);
	assert_int_equal(keeper.count, 1);
	assert_string_equal(keeper.peer, "127.0.0.1");
	assert_int_equal(getsockopt(keeper.accepted[0], IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
	assert_true(on);
	assert_true(fcntl(keeper.accepted[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(keeper.accepted[0], F_GETFD) & FD_CLOEXEC);
	close(client);
	end_keeper(&keeper);
}

static void a_local_socket_is_listened_on_too(void **state)
{
	struct door_keeper keeper;
	char address[64];
	(void)state;
	snprintf(address, sizeof(address), "unix:/tmp/test_net_listener.%d", getpid());
	begin_at(&keeper, address);
	int client = knock_at(&keeper);
	run_for(keeper.loop, 5);
	assert_int_equal(keeper.count, 1);
	assert_string_equal(keeper.peer, "local");
	close(client);
	unlink(address + 5);
	end_keeper(&keeper);
}

static void several_gates_share_a_port(void **state)
{
	struct door_keeper keeper;
	int fd = -1;
	(void)state;
	begin_at(&keeper, "127.0.0.1:0");
	assert_int_equal(listener_open_socket(&keeper.here, &fd), STATUS_OK);
	close(fd);
	end_keeper(&keeper);
}

static void an_address_of_somebody_else_is_a_system_error(void **state)
{
	struct endpoint elsewhere;
	int fd = -1;
	(void)state;
	assert_int_equal(endpoint_parse(SPAN("192.0.2.1:25"), &elsewhere), STATUS_OK);
	assert_int_equal(listener_open_socket(&elsewhere, &fd), STATUS_SYSTEM);
	assert_int_equal(errno, EADDRNOTAVAIL);
	assert_int_equal(fd, -1);
}

static void a_listener_may_be_freed_while_it_accepts(void **state)
{
	struct door_keeper keeper;
	(void)state;
	begin_at(&keeper, "127.0.0.1:0");
	keeper.frees = true;
	int first = knock_at(&keeper);
	int second = knock_at(&keeper);
	run_for(keeper.loop, 5);
	assert_int_equal(keeper.count, 1);
	assert_null(keeper.listener);
	close(first);
	close(second);
	end_keeper(&keeper);
}

static void a_listener_that_goes_lets_in_those_that_wait(void **state)
{
	struct door_keeper keeper;
	(void)state;
	for (int frees = 0; frees <= 1; frees++) {
		begin_at(&keeper, "127.0.0.1:0");
		keeper.frees = frees;
		int first = knock_at(&keeper);
		int second = knock_at(&keeper);
		listener_finish(&keeper.listener);
		assert_int_equal(keeper.count, frees ? 1 : 2);
		assert_null(keeper.listener);
		close(first);
		close(second);
		end_keeper(&keeper);
	}
}

static void out_of_descriptors_it_pauses_and_comes_back(void **state)
{
	struct door_keeper keeper;
	struct rlimit before, none;
	struct timespec used_before, used;
	(void)state;
	begin_at(&keeper, "127.0.0.1:0");
	int client = knock_at(&keeper);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)client + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used_before);
	run_for(keeper.loop, 100);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	assert_int_equal(keeper.count, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	run_for(keeper.loop, 300);
	assert_int_equal(keeper.count, 1);
	/* It did not spin. */
	long spent_ms = (used.tv_sec - used_before.tv_sec) * 1000 + (used.tv_nsec - used_before.tv_nsec) / 1000000;
	assert_in_range(spent_ms, 0, 50);
	close(client);
	end_keeper(&keeper);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_and_written),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(a_connection_is_accepted_without_delay_and_without_waiting),
		cmocka_unit_test(a_local_socket_is_listened_on_too),
		cmocka_unit_test(several_gates_share_a_port),
		cmocka_unit_test(an_address_of_somebody_else_is_a_system_error),
		cmocka_unit_test(a_listener_may_be_freed_while_it_accepts),
		cmocka_unit_test(a_listener_that_goes_lets_in_those_that_wait),
		cmocka_unit_test(out_of_descriptors_it_pauses_and_comes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The audit on its way to a syslog server that is away, reads nothing or vanishes: every record comes, maybe twice. */
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "export/exports.h"
#include "net/stream.h"
#include "tests/unit/with_loop.h"
#include "tests/unit/with_set_clock.h"

#define RECORDS 4096 /* that a test may write */

/* A server on loopback: one connection at a time; it notes the seq of each record that comes. */
struct server {
	struct loop *loop;
	int listening;
	uint16_t port;
	struct watch *watch;
	struct stream *stream;
	bool reads_nothing;
	unsigned connections;
	unsigned seen[RECORDS + 1]; /* how often each record came */
};

struct fixture {
	struct loop *loop;
	struct resolver *resolver;
	struct stats *stats;
	struct server server;
	struct config config;
	char syslog[64], prefix[16];
	int audit, state;
	unsigned written;
	struct exports *exports;
	unsigned troubles, arrived;
};

/* ---- the server */

static void take_frames(struct server *server)
{
	struct buf *input = stream_input(server->stream);
	for (;;) {
		struct span bytes = buf_span(input);
		size_t blank = span_find_byte(bytes, ' ');
		uint64_t size, seq;
		if (blank == bytes.size)
			return;
		assert_int_equal(span_to_u64(span_slice(bytes, 0, blank), &size), STATUS_OK);
		struct span message = span_slice(bytes, blank + 1, blank + 1 + size);
		if (message.size < size)
			return;
		const char *at = memmem(message.data, message.size, "\"seq\":", 6);
		assert_non_null(at);
		struct span number = span_slice(message, (size_t)(at - message.data) + 6, message.size);
		assert_int_equal(span_to_u64(span_slice(number, 0, span_find_byte(number, '}')), &seq), STATUS_OK);
		assert_in_range(seq, 1, RECORDS);
		server->seen[seq]++;
		buf_consume(input, blank + 1 + size);
	}
}

static void on_event(void *context, struct stream *stream, enum stream_event event)
{
	struct server *server = context;
	(void)stream;
	if (event == STREAM_INPUT)
		take_frames(server);
	else if (event == STREAM_ENDED || event == STREAM_FAILED)
		stream_free(&server->stream);
}

static void on_client(void *context, unsigned events)
{
	struct server *server = context;
	const struct stream_options options = {
		.input_maximum = 1U << 20, .output_maximum = 4096, .on_event = on_event, .context = server
	};
	(void)events;
	int fd = accept4(server->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	stream_free(&server->stream);
	assert_int_equal(stream_create(server->loop, fd, &options, &server->stream), STATUS_OK);
	if (server->reads_nothing)
		stream_pause(server->stream);
	server->connections++;
}

static void open_server(struct server *server, struct loop *loop)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	server->loop = loop;
	server->listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(server->listening, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	setsockopt(server->listening, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int));
	address.sin_port = htons(server->port);
	assert_int_equal(bind(server->listening, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(server->listening, (struct sockaddr *)&address, &size), 0);
	server->port = ntohs(address.sin_port);
	assert_int_equal(listen(server->listening, 8), 0);
	assert_int_equal(watch_create(loop, server->listening, WATCH_READ, on_client, server, &server->watch),
			 STATUS_OK);
}

static void close_server(struct server *server)
{
	stream_free(&server->stream);
	watch_free(&server->watch);
	close(server->listening);
}

/* ---- the audit and its exports */

static int open_unlinked(void)
{
	char path[] = "/tmp/subgate-export-XXXXXX";
	int fd = mkostemp(path, O_APPEND | O_CLOEXEC);
	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static void write_records(struct fixture *f, unsigned count, size_t padding)
{
	for (unsigned i = 0; i < count; i++) {
		char line[65536];
		int size = snprintf(
			line, sizeof(line),
			"{\"ts\":\"2026-11-23T08:15:30.%06uZ\",\"type\":\"message.sent\",\"node\":\"n\",\"text\":"
			"\"%*s\",\"chain\":{\"id\":\"0123456789abcdef\",\"seq\":%u}}\n",
			f->written, (int)padding, "x", f->written + 1);
		assert_int_equal(write(f->audit, line, (size_t)size), size);
		f->written++;
	}
}

static void on_news(void *context, const char *target, bool is_well, const char *what)
{
	struct fixture *f = context;
	(void)what;
	assert_string_equal(target, "syslog");
	f->troubles += !is_well;
}

static void start_exports(struct fixture *f)
{
	const struct exports_options options = {
		.loop = f->loop, .config = &f->config, .stats = f->stats, .node = "n", .on_news = on_news, .context = f
	};
	assert_int_equal(exports_create(&options, &f->exports), STATUS_OK);
	assert_int_equal(exports_add_file(f->exports, f->audit, false), STATUS_OK);
	assert_int_equal(exports_begin(f->exports, f->resolver, NULL, dup(f->state), -1), STATUS_OK);
}

static int begin_fixture(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_int_equal(loop_create(&f->loop), STATUS_OK);
	assert_int_equal(resolver_create(f->loop, &f->resolver), STATUS_OK);
	assert_int_equal(stats_create_private(&f->stats), STATUS_OK);
	f->audit = open_unlinked();
	f->state = open_unlinked();
	assert_int_equal(fcntl(f->state, F_SETFL, 0), 0); /* it is written at its beginning */
	open_server(&f->server, f->loop);
	snprintf(f->syslog, sizeof(f->syslog), "tcp://127.0.0.1:%u", f->server.port);
	f->config.audit.syslog = f->syslog;
	f->config.redis.prefix = f->prefix;
	start_exports(f);
	*state = f;
	return 0;
}

static int end_fixture(void **state)
{
	struct fixture *f = *state;
	exports_free(&f->exports);
	resolver_free(&f->resolver);
	close_server(&f->server);
	close(f->audit);
	close(f->state);
	stats_free_private(&f->stats);
	loop_free(f->loop);
	free(f);
	return 0;
}

static bool have_all_come(void *context)
{
	const struct fixture *f = context;
	for (unsigned seq = 1; seq <= f->written; seq++)
		if (f->server.seen[seq] == 0)
			return false;
	return true;
}

static void forget_seen(struct fixture *f)
{
	memset(f->server.seen, 0, sizeof(f->server.seen));
}

/* ---- cases */

static void records_come_once_and_in_frames(void **state)
{
	struct fixture *f = *state;
	write_records(f, 1000, 700);
	run_until(f->loop, have_all_come, f);
	write_records(f, 1, 1);
	run_until(f->loop, have_all_come, f);
	for (unsigned seq = 1; seq <= f->written; seq++)
		assert_int_equal(f->server.seen[seq], 1);
	assert_int_equal(f->server.connections, 1);
}

static bool has_come_again(void *context)
{
	return ((struct fixture *)context)->server.seen[1] > 0;
}

/* The server's kernel had acknowledged it, but whether the server has read it nobody knows. */
static void what_came_just_before_a_connection_was_lost_comes_again(void **state)
{
	struct fixture *f = *state;
	write_records(f, 3, 1);
	run_until(f->loop, have_all_come, f);
	forget_seen(f);
	stream_free(&f->server.stream);
	run_until(f->loop, has_come_again, f);
	run_until(f->loop, have_all_come, f);
	assert_int_equal(f->troubles, 1);
}

static bool has_connected(void *context)
{
	return ((struct fixture *)context)->server.connections > 0;
}

static void a_server_that_reads_nothing_gets_it_all_once_it_is_another(void **state)
{
	struct fixture *f = *state;
	f->server.reads_nothing = true;
	write_records(f, 300, 60000); /* more than the kernel's buffers take */
	run_until(f->loop, has_connected, f);
	f->server.reads_nothing = false;
	stream_free(&f->server.stream);
	run_until(f->loop, have_all_come, f);
	assert_true(f->server.connections > 1);
}

static bool has_trouble(void *context)
{
	return ((struct fixture *)context)->troubles > 0;
}

static void a_server_that_is_away_gets_it_when_it_is_back(void **state)
{
	struct fixture *f = *state;
	close_server(&f->server);
	write_records(f, 10, 1);
	run_until(f->loop, has_trouble, f);
	open_server(&f->server, f->loop);
	run_until(f->loop, have_all_come, f);
	assert_non_null(f->server.stream);
}

static bool is_confirmed(void *context)
{
	const struct fixture *f = context;
	return stats_sum(f->stats, 1, COUNTER_EXPORTED, EXPORTER_SYSLOG) >= f->written;
}

static void the_next_process_goes_on_where_this_one_stopped(void **state)
{
	struct fixture *f = *state;
	write_records(f, 10, 1);
	run_until(f->loop, have_all_come, f);
	run_until(f->loop, is_confirmed, f);
	exports_free(&f->exports);
	stream_free(&f->server.stream);
	forget_seen(f);
	write_records(f, 10, 1);
	start_exports(f);
	write_records(f, 10, 1);
	for (unsigned seq = 1; seq <= 10; seq++)
		f->server.seen[seq] = 1;
	run_until(f->loop, have_all_come, f);
	assert_int_equal(f->server.seen[1], 1); /* what had arrived does not come again */
	assert_int_equal(f->server.seen[11], 1);
}

static void a_file_that_takes_its_place_follows(void **state)
{
	struct fixture *f = *state;
	int before = f->audit;
	write_records(f, 5, 1);
	f->audit = open_unlinked();
	assert_int_equal(exports_add_file(f->exports, f->audit, false), STATUS_OK);
	write_records(f, 5, 1);
	run_until(f->loop, have_all_come, f);
	int after = f->audit;
	f->audit = before;
	write_records(f, 1, 1); /* another process noticed it later */
	run_until(f->loop, have_all_come, f);
	close(after);
}

static void a_clock_that_is_set_back_delays_no_record(void **state)
{
	struct fixture *f = *state;
	clock_ahead_s = 3600;
	run_for(f->loop, 500); /* longer than it is between two looks */
	write_records(f, 5, 1);
	run_until(f->loop, have_all_come, f);
	clock_ahead_s = 0;
}

static void note_arrival(void *context, enum status status)
{
	struct fixture *f = context;
	assert_int_equal(status, STATUS_OK);
	f->arrived++;
}

static bool have_both_arrived(void *context)
{
	return ((struct fixture *)context)->arrived == 2;
}

static void whoever_waits_hears_once_all_has_arrived(void **state)
{
	struct fixture *f = *state;
	close_server(&f->server);
	write_records(f, 3, 1);
	assert_int_equal(exports_wait(f->exports, SPAN("0123456789abcdef"), 2, note_arrival, f), STATUS_OK);
	assert_int_equal(exports_wait(f->exports, SPAN("0123456789abcdef"), 3, note_arrival, f), STATUS_OK);
	run_until(f->loop, has_trouble, f);
	assert_int_equal(f->arrived, 0);
	assert_true(exports_are_stuck(f->exports));
	open_server(&f->server, f->loop);
	run_until(f->loop, have_both_arrived, f);
	assert_false(exports_are_stuck(f->exports));
	/* What arrived before is known at once; another chain's is not. */
	assert_int_equal(exports_wait(f->exports, SPAN("fedcba9876543210"), 1, note_arrival, f), STATUS_OK);
	run_until(f->loop, have_both_arrived, f);
	run_for(f->loop, 50);
	assert_int_equal(f->arrived, 2);
}

static bool has_arrived(void *context)
{
	return ((struct fixture *)context)->arrived == 1;
}

/* The record fits into our kernel's buffer, and not into the server's. */
static void whoever_waits_is_not_told_before_the_server_s_kernel_has_all_of_it(void **state)
{
	struct fixture *f = *state;
	f->server.reads_nothing = true;
	write_records(f, 1, 30000);
	assert_int_equal(exports_wait(f->exports, SPAN("0123456789abcdef"), 1, note_arrival, f), STATUS_OK);
	run_until(f->loop, has_connected, f);
	run_for(f->loop, 100);
	assert_int_equal(f->arrived, 0);
	stream_resume(f->server.stream);
	run_until(f->loop, has_arrived, f);
}

/* Somebody wrote into the file: it is no text any more, and stands for a record all the same. */
static void write_damaged_record(struct fixture *f)
{
	char line[256];
	int size = snprintf(line, sizeof(line),
			    "{\"ts\":\"2026-11-23T08:15:30.%06uZ\",\"type\":\"message.leaving\",\"node\":\"\xff\\q\","
			    "\"chain\":{\"id\":\"0123456789abcdef\",\"seq\":%u}}\n",
			    f->written, f->written + 1);
	assert_int_equal(write(f->audit, line, (size_t)size), size);
	f->written++;
}

static void a_record_that_is_no_json_arrives_too_before_later_ones_vouch_for_it(void **state)
{
	struct fixture *f = *state;
	exports_free(&f->exports);
	f->config.audit.format = AUDIT_FORMAT_ECS;
	start_exports(f);
	write_records(f, 1, 1);
	run_until(f->loop, have_all_come, f);
	write_damaged_record(f);
	write_records(f, 1, 1);
	assert_int_equal(exports_wait(f->exports, SPAN("0123456789abcdef"), 2, note_arrival, f), STATUS_OK);
	run_until(f->loop, has_arrived, f);
	run_until(f->loop, have_all_come, f);
	assert_int_equal(f->troubles, 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, begin_fixture, end_fixture)
	const struct CMUnitTest tests[] = {
		CASE(records_come_once_and_in_frames),
		CASE(what_came_just_before_a_connection_was_lost_comes_again),
		CASE(a_server_that_reads_nothing_gets_it_all_once_it_is_another),
		CASE(a_server_that_is_away_gets_it_when_it_is_back),
		CASE(the_next_process_goes_on_where_this_one_stopped),
		CASE(a_file_that_takes_its_place_follows),
		CASE(a_clock_that_is_set_back_delays_no_record),
		CASE(whoever_waits_hears_once_all_has_arrived),
		CASE(a_record_that_is_no_json_arrives_too_before_later_ones_vouch_for_it),
		CASE(whoever_waits_is_not_told_before_the_server_s_kernel_has_all_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A Redis that becomes a replica under a live connection, loads, may drop keys, or has moved: on real redis-servers. */
#include <arpa/inet.h>

#include "redis/redis_private.h"
#include "tests/unit/with_ports.h"
#include "tests/unit/with_redis.h"

#define PACKET 512 /* bytes: RFC 1035, 4.2.1 */
#define HEADER 12  /* bytes */
#define ADDRESSES 3

/* Knows one name: its addresses, for a second. */
struct dns {
	int fd;
	struct watch *watch;
	const char *addresses[ADDRESSES]; /* up to NULL */
};

struct bench {
	struct test_redis first, second;
	struct dns dns;
	struct loop *loop;
	struct secret password;
	struct redis *redis;
	unsigned ups, downs;
	char reason[REDIS_REASON_SIZE];
	unsigned answers;
	enum status status;
	char text[160];
	bool changed_nothing;
};

/* ---- DNS */

static void serve_dns(void *context, unsigned events)
{
	struct dns *dns = context;
	struct sockaddr_in client;
	socklen_t client_size = sizeof(client);
	char packet[PACKET];
	(void)events;
	ssize_t got = recvfrom(dns->fd, packet, sizeof(packet), 0, (struct sockaddr *)&client, &client_size);
	assert_true(got > HEADER + 4);
	size_t size = HEADER + strlen(packet + HEADER) + 1 + 4;
	bool is_a = packet[size - 3] == 1; /* there is no AAAA */
	packet[2] = '\x81';
	packet[3] = '\x80';
	memset(packet + 6, 0, 6);
	for (size_t i = 0; is_a && dns->addresses[i]; i++) {
		const char head[] = { '\xc0', HEADER, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4 };
		memcpy(packet + size, head, sizeof(head));
		inet_pton(AF_INET, dns->addresses[i], packet + size + sizeof(head));
		size += sizeof(head) + 4;
		packet[7]++;
	}
	sendto(dns->fd, packet, size, 0, (struct sockaddr *)&client, client_size);
}

static void start_dns(struct bench *bench, char out_server[32])
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(here);
	struct dns *dns = &bench->dns;
	dns->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(dns->fd, (struct sockaddr *)&here, size), 0);
	assert_int_equal(getsockname(dns->fd, (struct sockaddr *)&here, &size), 0);
	assert_int_equal(watch_create(bench->loop, dns->fd, WATCH_READ, serve_dns, dns, &dns->watch), STATUS_OK);
	snprintf(out_server, 32, "127.0.0.1:%u", ntohs(here.sin_port));
}

/* ---- the client */

static void on_change(void *context, bool up, const char *reason)
{
	struct bench *bench = context;
	bench->ups += up;
	bench->downs += !up;
	snprintf(bench->reason, sizeof(bench->reason), "%s", reason);
}

static void on_answer(void *context, enum status status, const struct redis_value *value)
{
	struct bench *bench = context;
	bench->answers++;
	bench->status = status;
	bench->text[0] = '\0';
	if (value == NULL)
		return;
	struct span text = redis_value_text(value);
	snprintf(bench->text, sizeof(bench->text), "%.*s", SPAN_ARGS(text));
	bench->changed_nothing = redis_value_changed_nothing(value);
}

static bool is_up(void *context)
{
	return redis_is_up(((struct bench *)context)->redis);
}

static bool is_down(void *context)
{
	return !is_up(context);
}

static bool has_answer(void *context)
{
	return ((struct bench *)context)->answers > 0;
}

static bool was_told_down(void *context)
{
	return ((struct bench *)context)->downs > 0;
}

static bool was_told_of_a_replica(void *context)
{
	return strstr(((struct bench *)context)->reason, "it is a replica") != NULL;
}

static bool has_all_answers(void *context)
{
	return ((struct bench *)context)->answers == 20;
}

static void make_client(struct bench *bench, const char *server)
{
	struct redis_options options = {
		.server = server, .user = "", .password = &bench->password, .on_change = on_change, .context = bench
	};
	assert_int_equal(redis_create(bench->loop, &options, &bench->redis), STATUS_OK);
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	redis_free(&bench->redis);
	watch_free(&bench->dns.watch);
	if (bench->dns.fd > 0)
		close(bench->dns.fd);
	secret_wipe(&bench->password);
	loop_free(bench->loop);
	if (bench->first.pid)
		test_redis_remove(&bench->first);
	if (bench->second.pid)
		test_redis_remove(&bench->second);
	free(bench);
	return 0;
}

static void ask_redis(struct bench *bench, const char *line)
{
	struct span arguments[8], rest = span_of(line);
	size_t count = 0;
	while (span_cut(&rest, ' ', &arguments[count]))
		count++;
	bench->answers = 0;
	assert_int_equal(redis_call(bench->redis, arguments, count, PATIENCE_MS, on_answer, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
}

static void choose_port(struct bench *bench)
{
	snprintf(bench->first.port, sizeof(bench->first.port), "%u", test_free_port());
	memcpy(bench->second.port, bench->first.port, sizeof(bench->first.port));
	snprintf(bench->first.address, sizeof(bench->first.address), "127.0.0.1");
	snprintf(bench->second.address, sizeof(bench->second.address), "127.0.0.2");
}

static void make_client_by_name(struct bench *bench)
{
	static char server[64];
	char dns[32];
	start_dns(bench, dns);
	snprintf(server, sizeof(server), "redis://redis.example.com:%s", bench->first.port);
	make_client(bench, server);
	assert_int_equal(resolver_use_servers(bench->redis->resolver, dns), STATUS_OK);
}

static void a_primary_that_becomes_a_replica_is_left_when_it_says_so(void **state)
{
	struct bench *bench = *state;
	test_redis_start(&bench->first);
	make_client(bench, bench->first.server);
	run_until(bench->loop, is_up, bench);
	ask_redis(bench, "SET k v");
	assert_string_equal(bench->text, "OK");
	test_redis_tell(&bench->first, "REPLICAOF 127.0.0.1 1");
	ask_redis(bench, "SET k w");
	assert_non_null(strstr(bench->text, "READONLY"));
	assert_true(bench->changed_nothing);
	run_until(bench->loop, is_down, bench);
	assert_int_equal(bench->downs, 1);
	assert_non_null(strstr(bench->reason, "READONLY"));
	/* Asked again it is a replica still, and so not up: a call is known not to have run. */
	run_until(bench->loop, was_told_of_a_replica, bench);
	assert_true(is_down(bench));
	ask_redis(bench, "SET k x");
	assert_int_equal(bench->status, STATUS_UNAVAILABLE);
	test_redis_tell(&bench->first, "REPLICAOF NO ONE");
	run_until(bench->loop, is_up, bench);
	ask_redis(bench, "GET k");
	assert_string_equal(bench->text, "v");
}

static void what_was_pending_on_it_is_answered_before_it_is_left(void **state)
{
	struct bench *bench = *state;
	const struct span set[] = { SPAN("SET"), SPAN("k"), SPAN("v") };
	test_redis_start(&bench->first);
	make_client(bench, bench->first.server);
	run_until(bench->loop, is_up, bench);
	test_redis_tell(&bench->first, "REPLICAOF 127.0.0.1 1");
	for (int i = 0; i < 20; i++)
		assert_int_equal(redis_call(bench->redis, set, 3, PATIENCE_MS, on_answer, bench), STATUS_OK);
	run_until(bench->loop, was_told_down, bench);
	run_until(bench->loop, has_all_answers, bench);
	assert_int_equal(bench->status, STATUS_OK);
	assert_true(bench->changed_nothing);
}

static void an_error_within_a_script_is_seen_and_changed_nothing(void **state)
{
	struct bench *bench = *state;
	struct redis_script script;
	const struct span key = SPAN("k");
	assert_int_equal(redis_script_init(&script, "return redis.call('INCR', KEYS[1])"), STATUS_OK);
	test_redis_start(&bench->first);
	make_client(bench, bench->first.server);
	run_until(bench->loop, is_up, bench);
	test_redis_tell(&bench->first, "REPLICAOF 127.0.0.1 1");
	assert_int_equal(redis_run_script(bench->redis, &script, &key, 1, 1, PATIENCE_MS, on_answer, bench), STATUS_OK);
	run_until(bench->loop, has_answer, bench);
	assert_true(bench->changed_nothing);
	run_until(bench->loop, is_down, bench);
}

/* Nobody writes: the look every few seconds finds it. */
static void a_replica_is_noticed_without_a_call(void **state)
{
	struct bench *bench = *state;
	test_redis_start(&bench->first);
	make_client(bench, bench->first.server);
	run_until(bench->loop, is_up, bench);
	test_redis_tell(&bench->first, "REPLICAOF 127.0.0.1 1");
	run_until(bench->loop, was_told_down, bench);
	assert_non_null(strstr(bench->reason, "it is a replica"));
}

static void a_policy_that_drops_keys_is_refused_and_noticed_later(void **state)
{
	struct bench *bench = *state;
	test_redis_start(&bench->first);
	test_redis_tell(&bench->first, "CONFIG SET maxmemory-policy volatile-lru");
	make_client(bench, bench->first.server);
	run_until(bench->loop, was_told_down, bench);
	assert_int_equal(bench->ups, 0);
	assert_non_null(strstr(bench->reason, "maxmemory-policy is volatile-lru"));
	test_redis_tell(&bench->first, "CONFIG SET maxmemory-policy noeviction");
	run_until(bench->loop, is_up, bench);
	test_redis_tell(&bench->first, "CONFIG SET maxmemory-policy allkeys-random");
	run_until(bench->loop, is_down, bench);
	assert_non_null(strstr(bench->reason, "maxmemory-policy is allkeys-random"));
}

static void a_redis_whose_info_is_forbidden_can_be_used(void **state)
{
	struct bench *bench = *state;
	test_redis_start(&bench->first);
	test_redis_tell(&bench->first, "ACL SETUSER default -info");
	make_client(bench, bench->first.server);
	run_until(bench->loop, is_up, bench);
	ask_redis(bench, "SET k v");
	assert_string_equal(bench->text, "OK");
}

static void every_address_of_a_name_is_tried(void **state)
{
	struct bench *bench = *state;
	choose_port(bench);
	test_redis_start(&bench->first);
	bench->dns.addresses[0] = bench->second.address; /* nothing listens there */
	bench->dns.addresses[1] = bench->first.address;
	make_client_by_name(bench);
	run_until(bench->loop, is_up, bench);
	assert_int_equal(bench->downs, 0);
}

static void of_two_addresses_the_primary_is_found_whichever_it_is(void **state)
{
	struct bench *bench = *state;
	choose_port(bench);
	test_redis_start(&bench->first);
	test_redis_start(&bench->second);
	test_redis_tell(&bench->second, "REPLICAOF 127.0.0.1 1");
	bench->dns.addresses[0] = bench->second.address;
	bench->dns.addresses[1] = bench->first.address;
	make_client_by_name(bench);
	run_until(bench->loop, is_up, bench);
	ask_redis(bench, "SET k first");
	assert_string_equal(bench->text, "OK");
	test_redis_tell(&bench->second, "REPLICAOF NO ONE");
	test_redis_tell(&bench->first, "REPLICAOF 127.0.0.1 1");
	ask_redis(bench, "SET k lost");
	assert_non_null(strstr(bench->text, "READONLY"));
	run_until(bench->loop, is_down, bench);
	run_until(bench->loop, is_up, bench);
	ask_redis(bench, "SET k second");
	assert_string_equal(bench->text, "OK");
	test_redis_tell(&bench->second, "GET k | grep second");
}

static void a_name_that_moved_is_followed(void **state)
{
	struct bench *bench = *state;
	choose_port(bench);
	test_redis_start(&bench->first);
	test_redis_start(&bench->second);
	bench->dns.addresses[0] = bench->first.address;
	make_client_by_name(bench);
	run_until(bench->loop, is_up, bench);
	bench->dns.addresses[0] = bench->second.address;
	test_redis_tell(&bench->first, "REPLICAOF 127.0.0.1 1");
	ask_redis(bench, "SET k lost");
	assert_non_null(strstr(bench->text, "READONLY"));
	run_until(bench->loop, is_down, bench);
	run_until(bench->loop, is_up, bench);
	ask_redis(bench, "SET k second");
	assert_string_equal(bench->text, "OK");
}

static void when_no_address_is_of_use_the_fault_of_one_that_answered_is_told(void **state)
{
	struct bench *bench = *state;
	choose_port(bench);
	test_redis_start(&bench->first);
	test_redis_tell(&bench->first, "REPLICAOF 127.0.0.1 1");
	bench->dns.addresses[0] = bench->first.address;
	bench->dns.addresses[1] = bench->second.address;
	make_client_by_name(bench);
	run_until(bench->loop, was_told_of_a_replica, bench);
	assert_int_equal(bench->downs, 1);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(a_primary_that_becomes_a_replica_is_left_when_it_says_so),
		WITH_BENCH(what_was_pending_on_it_is_answered_before_it_is_left),
		WITH_BENCH(an_error_within_a_script_is_seen_and_changed_nothing),
		WITH_BENCH(a_replica_is_noticed_without_a_call),
		WITH_BENCH(a_policy_that_drops_keys_is_refused_and_noticed_later),
		WITH_BENCH(a_redis_whose_info_is_forbidden_can_be_used),
		WITH_BENCH(every_address_of_a_name_is_tried),
		WITH_BENCH(of_two_addresses_the_primary_is_found_whichever_it_is),
		WITH_BENCH(a_name_that_moved_is_followed),
		WITH_BENCH(when_no_address_is_of_use_the_fault_of_one_that_answered_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

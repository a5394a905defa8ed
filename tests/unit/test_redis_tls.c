/* rediss://: a real redis-server with TLS alone is used if its certificate is one to trust, or else left alone. */
#include "tests/unit/with_sentinels.h"

#include "tests/unit/with_certificate.h"

struct bench {
	struct trio trio; /* its folder, and its first server and Sentinel */
	struct certificate certificate, other;
	struct loop *loop;
	struct secret password;
	struct redis *redis;
	unsigned downs;
	char reason[160];
	char server[64];
};

static void on_change(void *context, bool up, const char *reason)
{
	struct bench *bench = context;
	bench->downs += !up;
	snprintf(bench->reason, sizeof(bench->reason), "%s", reason);
}

static bool is_up(void *context)
{
	return redis_is_up(((struct bench *)context)->redis);
}

static bool was_told_down(void *context)
{
	return ((struct bench *)context)->downs > 0;
}

static void write_file(const struct bench *bench, const char *name, struct span text)
{
	char path[96];
	snprintf(path, sizeof(path), "%s/%s", bench->trio.folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text.data, 1, text.size, file), text.size);
	fclose(file);
}

/* TLS options of a server or a Sentinel, and more lines after them. */
static void start_process(struct bench *bench, struct trio_process *process, bool is_sentinel, const char *more)
{
	const char *folder = bench->trio.folder;
	char lines[1024];
	process->port = test_free_port();
	snprintf(lines, sizeof(lines),
		 "port 0\ntls-port %u\nbind 127.0.0.1\ndir %s\ntls-auth-clients no\ntls-cert-file %s/cert\n"
		 "tls-key-file %s/key\ntls-ca-cert-file %s/cert\ntls-replication yes\n%s",
		 process->port, folder, folder, folder, folder, more);
	trio_start_process(&bench->trio, process, is_sentinel, lines);
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	certificate_make(&bench->certificate, "DNS:redis.example.com,IP:127.0.0.1");
	certificate_make(&bench->other, "DNS:redis.example.com,IP:127.0.0.1");
	snprintf(bench->trio.folder, sizeof(bench->trio.folder), "/tmp/subgate-trio-XXXXXX");
	assert_non_null(mkdtemp(bench->trio.folder));
	write_file(bench, "cert", bench->certificate.certificate);
	write_file(bench, "key", secret_reveal(&bench->certificate.key));
	start_process(bench, &bench->trio.servers[0], false, "requirepass " TEST_REDIS_PASSWORD "\n");
	snprintf(bench->server, sizeof(bench->server), "rediss://127.0.0.1:%u", bench->trio.servers[0].port);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	redis_free(&bench->redis);
	secret_wipe(&bench->password);
	secret_wipe(&bench->certificate.key);
	secret_wipe(&bench->other.key);
	loop_free(bench->loop);
	trio_remove(&bench->trio);
	free(bench);
	return 0;
}

static void make_client(struct bench *bench, struct redis_options options)
{
	options.server = options.server ? options.server : bench->server;
	options.user = "";
	options.password = &bench->password;
	options.on_change = on_change;
	options.context = bench;
	assert_int_equal(redis_open(bench->loop, &options, &bench->redis), STATUS_OK);
}

static void a_certificate_of_the_ca_is_trusted(void **state)
{
	struct bench *bench = *state;
	make_client(bench, (struct redis_options){ .ca_pem = bench->certificate.certificate });
	run_until(bench->loop, is_up, bench);
}

static void another_ca_is_not_trusted_and_no_password_is_sent(void **state)
{
	struct bench *bench = *state;
	make_client(bench, (struct redis_options){ .ca_pem = bench->other.certificate });
	run_until(bench->loop, was_told_down, bench);
	assert_non_null(strstr(bench->reason, "certificate verify failed"));
	assert_false(is_up(bench));
}

static void the_system_does_not_know_it(void **state)
{
	struct bench *bench = *state;
	make_client(bench, (struct redis_options){ 0 });
	run_until(bench->loop, was_told_down, bench);
	assert_non_null(strstr(bench->reason, "certificate verify failed"));
}

static void its_name_is_checked(void **state)
{
	struct bench *bench = *state;
	make_client(bench, (struct redis_options){ .ca_pem = bench->certificate.certificate,
						   .tls_name = "other.example.com" });
	run_until(bench->loop, was_told_down, bench);
	assert_non_null(strstr(bench->reason, "certificate verify failed"));
	redis_free(&bench->redis);
	make_client(bench, (struct redis_options){ .ca_pem = bench->certificate.certificate,
						   .tls_name = "redis.example.com" });
	run_until(bench->loop, is_up, bench);
}

static void a_server_without_tls_is_none(void **state)
{
	struct bench *bench = *state;
	trio_end_process(&bench->trio.servers[0]);
	trio_start_server(&bench->trio, &bench->trio.servers[0], 0);
	make_client(bench, (struct redis_options){ .ca_pem = bench->certificate.certificate });
	run_until(bench->loop, was_told_down, bench);
	assert_false(is_up(bench));
}

/* A file that is no certificate must not become "trust anybody". */
static void a_ca_that_is_none_is_refused(void **state)
{
	struct bench *bench = *state;
	const struct redis_options options = { .server = bench->server, .user = "", .ca_pem = SPAN("no certificate") };
	assert_int_not_equal(redis_open(bench->loop, &options, &bench->redis), STATUS_OK);
	assert_null(bench->redis);
}

static void sentinels_with_tls_lead_to_a_primary_with_tls(void **state)
{
	struct bench *bench = *state;
	char more[192], name[64], *item = name;
	const struct config_list list = { &item, 1 };
	snprintf(more, sizeof(more),
		 "sentinel monitor test 127.0.0.1 %u 1\nsentinel auth-pass test " TEST_REDIS_PASSWORD "\n",
		 bench->trio.servers[0].port);
	start_process(bench, &bench->trio.sentinels[0], true, more);
	snprintf(name, sizeof(name), "rediss://127.0.0.1:%u", bench->trio.sentinels[0].port);
	make_client(bench, (struct redis_options){
				   .ca_pem = bench->certificate.certificate, .sentinels = &list, .master = "test" });
	run_until(bench->loop, is_up, bench);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(a_certificate_of_the_ca_is_trusted),
		WITH_BENCH(another_ca_is_not_trusted_and_no_password_is_sent),
		WITH_BENCH(the_system_does_not_know_it),
		WITH_BENCH(its_name_is_checked),
		WITH_BENCH(a_server_without_tls_is_none),
		WITH_BENCH(a_ca_that_is_none_is_refused),
		WITH_BENCH(sentinels_with_tls_lead_to_a_primary_with_tls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

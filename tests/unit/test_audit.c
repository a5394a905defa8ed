/* The audit: records, chain, orphans, and a disk that fails. On real files. */
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/audit_private.h"
#include "tests/unit/with_loop.h"

struct bench {
	char folder[64], file[80], state_file[80];
	struct loop *loop;
	struct audit *audit;
	struct secret key;
	unsigned told;
	enum status written;
	char trouble[128];
};

static void on_written(void *context, enum status written)
{
	struct bench *bench = context;
	bench->told++;
	bench->written = written;
}

static void on_trouble(void *context, const char *what)
{
	struct bench *bench = context;
	snprintf(bench->trouble, sizeof(bench->trouble), "%s", what);
}

static bool was_told(void *context)
{
	return ((struct bench *)context)->told > 0;
}

static void start_with(struct bench *bench, int fd)
{
	struct audit_options options = {
		.fd = fd,
		.state_fd = open(bench->state_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600),
		.key = &bench->key,
		.sync = AUDIT_SYNC_ALWAYS,
		.node = "node.example",
		.on_trouble = on_trouble,
		.context = bench,
	};
	assert_int_equal(audit_create(bench->loop, &options, &bench->audit), STATUS_OK);
}

static void start(struct bench *bench)
{
	start_with(bench, open(bench->file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	snprintf(bench->folder, sizeof(bench->folder), "/tmp/subgate-audit-XXXXXX");
	assert_non_null(mkdtemp(bench->folder));
	snprintf(bench->file, sizeof(bench->file), "%s/a", bench->folder);
	snprintf(bench->state_file, sizeof(bench->state_file), "%s/s", bench->folder);
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN("0123456789abcdef0123456789abcdef"), &bench->key), STATUS_OK);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	audit_free(&bench->audit);
	loop_free(bench->loop);
	secret_wipe(&bench->key);
	unlink(bench->file);
	unlink(bench->state_file);
	rmdir(bench->folder);
	free(bench);
	return 0;
}

/* All records of the file; each line must be JSON. */
static json_t *read_records(const struct bench *bench)
{
	json_t *records = json_array();
	FILE *file = fopen(bench->file, "r");
	char *line = NULL;
	size_t room = 0;
	assert_non_null(file);
	while (getline(&line, &room, file) > 0) {
		json_t *record = json_loads(line, 0, NULL);
		if (record)
			json_array_append_new(records, record);
		else
			assert_string_equal(line, "torn{\n");
	}
	free(line);
	fclose(file);
	return records;
}

static const char *text_of(const json_t *records, size_t index, const char *name)
{
	return json_string_value(json_object_get(json_array_get(records, index), name));
}

static struct audit_event message_event(enum audit_type type, const char *message, unsigned attempt)
{
	return (struct audit_event){
		.type = type,
		.message = span_of(message),
		.attempt = attempt,
		.user = SPAN("alice@example.com"),
		.has_mail_from = true,
		.mail_from = SPAN("alice@example.com"),
	};
}

static void submit(struct bench *bench, enum audit_type type, const char *message, unsigned attempt)
{
	struct audit_event event = message_event(type, message, attempt);
	bench->told = 0;
	assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
	assert_int_equal(bench->told, 0);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->written, STATUS_OK);
}

static void a_record_holds_what_it_was_given_and_nothing_else(void **state)
{
	struct bench *bench = *state;
	struct audit_recipient recipients[] = {
		{ SPAN("bob@example.net"), { 250, SPAN("2.1.5"), SPAN("OK") } },
		{ SPAN("eve@example.net"), { 550, SPAN("5.1.1"), SPAN("No \"such\"\nuser") } },
	};
	struct audit_event event = message_event(AUDIT_MESSAGE_SENT, "m1", 2);
	event.recipients = recipients;
	event.recipient_count = 2;
	event.response = (struct audit_reply){ 250, SPAN("2.0.0"), SPAN("queued") };
	event.quota = (struct audit_quota){ 3, 500, 1800000000 };
	event.has_duration = true;
	start(bench);
	assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	json_t *records = read_records(bench);
	const json_t *record = json_array_get(records, 0);
	assert_string_equal(text_of(records, 0, "type"), "message.sent");
	assert_string_equal(text_of(records, 0, "node"), "node.example");
	assert_int_equal(strlen(text_of(records, 0, "ts")), strlen("2026-11-23T08:15:30.123456Z"));
	assert_int_equal(json_integer_value(json_object_get(record, "attempt")), 2);
	assert_int_equal(json_array_size(json_object_get(record, "rcpt_to")), 2);
	const json_t *second = json_array_get(json_object_get(record, "rcpt_to"), 1);
	assert_string_equal(json_string_value(json_object_get(second, "text")), "No \"such\"\nuser");
	assert_string_equal(json_string_value(json_object_get(json_object_get(record, "quota"), "resets_at")),
			    "2027-01-15T08:00:00Z");
	assert_int_equal(json_integer_value(json_object_get(record, "duration_ms")), 0);
	assert_null(json_object_get(record, "reason"));
	assert_null(json_object_get(record, "client_port"));
	json_decref(records);
}

static void bytes_that_are_no_utf8_are_replaced_and_the_record_stays_json(void **state)
{
	struct bench *bench = *state;
	static const struct {
		struct span given;
		const char *shown;
	} cases[] = {
		{ SPAN("caf\xe9"), "caf\xef\xbf\xbd" },
		{ SPAN("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd" },                 /* overlong */
		{ SPAN("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* surrogate */
		{ SPAN("a\xf0\x9f\x8e\x89z"), "a\xf0\x9f\x8e\x89z" },
		{ SPAN("\xc2\x9b[2J\xc2\x85\xc2\xa0"),
		  "\xef\xbf\xbd[2J\xef\xbf\xbd\xc2\xa0" },        /* C1 controls, and none */
		{ SPAN("\xf0\x9f"), "\xef\xbf\xbd\xef\xbf\xbd" }, /* cut off */
	};
	start(bench);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct audit_event event = { .type = AUDIT_AUTH_FAILURE, .user = cases[i].given };
		bench->told = 0;
		assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
		run_until(bench->loop, was_told, bench);
		json_t *records = read_records(bench);
		assert_string_equal(text_of(records, i, "user"), cases[i].shown);
		json_decref(records);
	}
}

static void the_chain_can_be_recomputed(void **state)
{
	struct bench *bench = *state;
	unsigned char before[HASH_SHA256_SIZE] = { 0 };
	start(bench);
	for (int i = 0; i < 3; i++)
		submit(bench, AUDIT_MESSAGE_REFUSED, "m", 0);
	FILE *file = fopen(bench->file, "r");
	char *line = NULL;
	size_t room = 0;
	for (int seq = 1; seq <= 3; seq++) {
		char hex[HASH_SHA256_HEX_SIZE], wanted[40];
		unsigned char mac[HASH_SHA256_SIZE];
		struct buf input BUF_AUTO;
		assert_true(getline(&line, &room, file) > 0);
		char *tail = strstr(line, ",\"mac\":\"");
		assert_non_null(tail);
		snprintf(wanted, sizeof(wanted), "\"seq\":%d,\"mac\"", seq);
		assert_non_null(strstr(line, wanted));
		buf_init(&input, 4096);
		assert_int_equal(buf_append(&input, (struct span){ (char *)before, sizeof(before) }), STATUS_OK);
		assert_int_equal(buf_append(&input, (struct span){ line, (size_t)(tail - line) }), STATUS_OK);
		assert_int_equal(hash_hmac_sha256(secret_reveal(&bench->key), buf_span(&input), mac), STATUS_OK);
		hash_to_hex(mac, sizeof(mac), hex);
		assert_memory_equal(tail + strlen(",\"mac\":\""), hex, 64);
		memcpy(before, mac, sizeof(before));
	}
	free(line);
	fclose(file);
}

/* In a child that dies without a word: writes these leavings, then the outcome of the first. */
static void die_with_open_messages(struct bench *bench)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct loop *loop = NULL;
		if (loop_create(&loop) != STATUS_OK)
			_exit(1);
		bench->loop = loop;
		start(bench);
		submit(bench, AUDIT_MESSAGE_LEAVING, "m1", 1);
		submit(bench, AUDIT_MESSAGE_LEAVING, "m2", 1);
		submit(bench, AUDIT_MESSAGE_FAILED, "m2", 1);
		submit(bench, AUDIT_MESSAGE_LEAVING, "m2", 2);
		submit(bench, AUDIT_MESSAGE_SENT, "m1", 1);
		kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void what_a_dead_process_left_open_becomes_unknown_once(void **state)
{
	struct bench *bench = *state;
	die_with_open_messages(bench);
	for (int i = 0; i < 2; i++) { /* the second start finds nothing more */
		start(bench);
		json_t *records = read_records(bench);
		assert_int_equal(json_array_size(records), 6);
		assert_string_equal(text_of(records, 5, "type"), "message.unknown");
		assert_string_equal(text_of(records, 5, "message"), "m2");
		assert_string_equal(text_of(records, 5, "user"), "alice@example.com");
		assert_int_equal(json_integer_value(json_object_get(json_array_get(records, 5), "attempt")), 2);
		json_decref(records);
		audit_free(&bench->audit);
	}
}

static void what_a_living_process_has_open_is_left_alone(void **state)
{
	struct bench *bench = *state;
	start(bench);
	submit(bench, AUDIT_MESSAGE_LEAVING, "mine", 1);
	pid_t pid = fork(); /* locks are not inherited: the child is another process of a reload */
	if (pid == 0) {
		bench->audit = NULL;
		if (loop_create(&bench->loop) != STATUS_OK)
			_exit(1);
		start(bench);
		audit_free(&bench->audit);
		_exit(0);
	}
	int status;
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	json_t *records = read_records(bench);
	assert_int_equal(json_array_size(records), 1);
	json_decref(records);
	submit(bench, AUDIT_MESSAGE_SENT, "mine", 1);
}

static void a_torn_line_stands_alone(void **state)
{
	struct bench *bench = *state;
	int fd = open(bench->file, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "torn{", 5), 5);
	close(fd);
	start(bench);
	submit(bench, AUDIT_MESSAGE_REFUSED, "m", 0);
	json_t *records = read_records(bench);
	assert_int_equal(json_array_size(records), 1);
	json_decref(records);
}

static void a_disk_that_takes_nothing_is_told_and_sticks(void **state)
{
	struct bench *bench = *state;
	struct audit_event event = message_event(AUDIT_MESSAGE_LEAVING, "m1", 1);
	start_with(bench, open("/dev/full", O_RDWR | O_CLOEXEC));
	assert_false(audit_is_stuck(bench->audit));
	assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->written, STATUS_SYSTEM);
	assert_int_equal(bench->told, 1);
	assert_true(audit_is_stuck(bench->audit));
	assert_non_null(strstr(bench->trouble, "space"));
}

static bool is_well(void *context)
{
	return !audit_is_stuck(((struct bench *)context)->audit);
}

static void records_wait_for_a_full_disk_to_have_room_and_none_is_lost(void **state)
{
	struct bench *bench = *state;
	struct rlimit none = { 200, RLIM_INFINITY }, all = { RLIM_INFINITY, RLIM_INFINITY };
	struct audit_event event = message_event(AUDIT_MESSAGE_REFUSED, "m1", 1);
	signal(SIGXFSZ, SIG_IGN);
	start(bench);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(audit_submit(bench->audit, &event, i == 0 ? on_written : NULL, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->written, STATUS_SYSTEM);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
	run_until(bench->loop, is_well, bench);
	submit(bench, AUDIT_MESSAGE_REFUSED, "m2", 1);
	json_t *records = read_records(bench);
	assert_int_equal(json_array_size(records), 4);
	assert_string_equal(text_of(records, 3, "message"), "m2");
	json_decref(records);
}

static bool has_died(void *context)
{
	return waitpid(*(pid_t *)context, NULL, WNOHANG) != 0;
}

/* Another process of a reload, which may write what it likes: writes two records and ends, or dies with half of one. */
static pid_t start_another(struct bench *bench, bool dies)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	pid_t pid = fork();
	if (pid)
		return pid;
	bench->audit = NULL;
	setrlimit(RLIMIT_FSIZE, &all);
	if (loop_create(&bench->loop) != STATUS_OK)
		_exit(1);
	start(bench);
	if (dies) {
		if (write(open(bench->file, O_WRONLY | O_APPEND), "torn{", 5) != 5)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	struct audit_event event = message_event(AUDIT_MESSAGE_REFUSED, "another", 1);
	for (bench->told = 0; bench->told < 2;) { /* the first may hear that it is not written yet */
		if (audit_submit(bench->audit, &event, on_written, bench) != STATUS_OK)
			_exit(1);
		run_for(bench->loop, 1500);
	}
	audit_free(&bench->audit);
	_exit(0);
}

static void a_full_disk_and_another_process_split_no_record(void **state)
{
	struct bench *bench = *state;
	struct rlimit little = { 700, RLIM_INFINITY }, all = { RLIM_INFINITY, RLIM_INFINITY };
	struct audit_event event = message_event(AUDIT_MESSAGE_REFUSED, "m1", 1);
	signal(SIGXFSZ, SIG_IGN);
	start(bench);
	submit(bench, AUDIT_MESSAGE_REFUSED, "m0", 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	bench->told = 0;
	for (int i = 0; i < 3; i++)
		assert_int_equal(audit_submit(bench->audit, &event, i == 0 ? on_written : NULL, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->written, STATUS_SYSTEM); /* the disk is full, with a part of a record on it */
	pid_t another = start_another(bench, false);
	run_for(bench->loop, 2500); /* it has room, and waits all the same */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
	run_until(bench->loop, is_well, bench);
	run_until(bench->loop, has_died, &another);
	submit(bench, AUDIT_MESSAGE_REFUSED, "m2", 1);
	json_t *records = read_records(bench); /* every line of them is JSON */
	assert_in_range(json_array_size(records), 7, 9);
	json_decref(records);
}

static void what_another_process_left_torn_ends_before_the_next_record(void **state)
{
	struct bench *bench = *state;
	start(bench);
	submit(bench, AUDIT_MESSAGE_REFUSED, "m0", 1);
	pid_t another = start_another(bench, true);
	run_until(bench->loop, has_died, &another);
	submit(bench, AUDIT_MESSAGE_REFUSED, "m1", 1);
	json_t *records = read_records(bench);
	assert_int_equal(json_array_size(records), 2);
	assert_string_equal(text_of(records, 1, "message"), "m1");
	json_decref(records);
}

static void a_thousand_recipients_fit_in_a_record(void **state)
{
	struct bench *bench = *state;
	static struct audit_recipient recipients[1000];
	static char address[254], reply[1024];
	struct audit_event event = message_event(AUDIT_MESSAGE_SENT, "m1", 1);
	memset(address, 'a', sizeof(address));
	memset(reply, '"', sizeof(reply));
	for (size_t i = 0; i < 1000; i++) {
		recipients[i].address = (struct span){ address, sizeof(address) };
		recipients[i].reply = (struct audit_reply){ 250, SPAN("2.1.5"), { reply, sizeof(reply) } };
	}
	event.recipients = recipients;
	event.recipient_count = 1000;
	start(bench);
	assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	json_t *records = read_records(bench);
	assert_int_equal(json_array_size(json_object_get(json_array_get(records, 0), "rcpt_to")), 1000);
	json_decref(records);
}

/* Nobody waits for these, so the loop is not woken for each; still it hears of all, and the backlog does not fill. */
static void records_that_nobody_waits_for_leave_the_backlog(void **state)
{
	struct bench *bench = *state;
	static struct audit_recipient recipients[300];
	struct audit_event event = message_event(AUDIT_MESSAGE_REFUSED, "m1", 1);
	const size_t count = 24U << 20 >> 15; /* of at least 32 KiB each: half as much again as the backlog holds */
	for (size_t i = 0; i < 300; i++) {
		recipients[i].address = SPAN("somebody.with.a.long.name@a-long-domain.example.net");
		recipients[i].reply = (struct audit_reply){ 550, SPAN("5.7.1"), SPAN("Not by this relay, nor today") };
	}
	event.recipients = recipients;
	event.recipient_count = 300;
	start(bench);
	for (size_t i = 0; i < count; i++) {
		unsigned waits = 0;
		while (audit_submit(bench->audit, &event, NULL, NULL) != STATUS_OK) {
			assert_true(++waits <
				    1000); /* the writer has its turns meanwhile, however slow the machine is */
			run_for(bench->loop, 5);
		}
		run_for(bench->loop, 0);
	}
	struct stat file = { 0 };
	for (unsigned waits = 0; (size_t)file.st_size <= AUDIT_BACKLOG_MAXIMUM; waits++) {
		assert_true(waits < 1000);
		run_for(bench->loop, 5);
		assert_int_equal(stat(bench->file, &file), 0);
	}
}

static void what_may_leave_has_an_outcome_that_fits(void **state)
{
	struct bench *bench = *state;
	static char reply[65536], from[AUDIT_RECORD_MAXIMUM];
	struct buf record BUF_AUTO;
	struct audit_event event = message_event(AUDIT_MESSAGE_LEAVING, "m1", 1);
	(void)bench;
	memset(from, 'a', sizeof(from));
	memset(reply, '\xff', sizeof(reply));
	buf_init(&record, AUDIT_RECORD_MAXIMUM);
	event.header_from = (struct span){ from, sizeof(from) };
	while (event.header_from.size && audit_record_write(&record, &event, "node.example") != STATUS_OK)
		event.header_from.size -= 1024;
	assert_in_range(event.header_from.size, AUDIT_RECORD_MAXIMUM / 2, AUDIT_RECORD_MAXIMUM);
	for (int byte = 0xff; byte; byte = byte == 0xff ? 1 : 0) {
		memset(reply, byte, sizeof(reply));
		buf_clear(&record);
		event.type = AUDIT_MESSAGE_SENT;
		event.response = (struct audit_reply){ 250, SPAN("2.0.0"), { reply, sizeof(reply) } };
		assert_int_equal(audit_record_write(&record, &event, "node.example"), STATUS_OK);
	}
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(a_record_holds_what_it_was_given_and_nothing_else),
		WITH_BENCH(bytes_that_are_no_utf8_are_replaced_and_the_record_stays_json),
		WITH_BENCH(the_chain_can_be_recomputed),
		WITH_BENCH(what_a_dead_process_left_open_becomes_unknown_once),
		WITH_BENCH(what_a_living_process_has_open_is_left_alone),
		WITH_BENCH(a_torn_line_stands_alone),
		WITH_BENCH(a_disk_that_takes_nothing_is_told_and_sticks),
		WITH_BENCH(records_wait_for_a_full_disk_to_have_room_and_none_is_lost),
		WITH_BENCH(a_full_disk_and_another_process_split_no_record),
		WITH_BENCH(what_another_process_left_torn_ends_before_the_next_record),
		WITH_BENCH(a_thousand_recipients_fit_in_a_record),
		WITH_BENCH(what_may_leave_has_an_outcome_that_fits),
		WITH_BENCH(records_that_nobody_waits_for_leave_the_backlog),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Calls that wait in the spool: in order, over deaths amid a write, and the oldest give way to the newest. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "export/webhook.h"
#include "export/webhook_spool.h"
#include "tests/unit/with_loop.h"
#include "tests/unit/with_set_clock.h"

static int begin_spool(void **state)
{
	char path[] = "/tmp/subgate-webhook-XXXXXX";
	struct webhook_spool *spool = calloc(1, sizeof(*spool));
	spool->fd = mkstemp(path);
	assert_true(spool->fd >= 0);
	unlink(path);
	*state = spool;
	return 0;
}

static int end_spool(void **state)
{
	struct webhook_spool *spool = *state;
	close(spool->fd);
	free(spool);
	return 0;
}

static size_t add(struct webhook_spool *spool, const char *body)
{
	size_t dropped = 99;
	assert_int_equal(webhook_spool_add(spool, span_of(body), &dropped), STATUS_OK);
	return dropped;
}

static void expect_first(struct webhook_spool *spool, const char *expected)
{
	struct buf body BUF_AUTO;
	buf_init(&body, WEBHOOK_BODY_MAXIMUM);
	enum status status = webhook_spool_first(spool, &body);
	assert_int_equal(status, *expected ? STATUS_OK : STATUS_END);
	assert_true(span_equal(buf_span(&body), span_of(expected)));
}

static void end(struct webhook_spool *spool, const char *body)
{
	assert_int_equal(webhook_spool_done(spool, span_of(body)), STATUS_OK);
}

static off_t size_of(const struct webhook_spool *spool)
{
	struct stat about;
	assert_int_equal(fstat(spool->fd, &about), 0);
	return about.st_size;
}

static void calls_come_in_order_and_the_file_is_emptied(void **state)
{
	struct webhook_spool *spool = *state;
	expect_first(spool, "");
	assert_int_equal(add(spool, "{\"a\":1}"), 0);
	assert_int_equal(add(spool, "{\"b\":2}"), 0);
	expect_first(spool, "{\"a\":1}");
	expect_first(spool, "{\"a\":1}");
	end(spool, "{\"a\":1}");
	expect_first(spool, "{\"b\":2}");
	add(spool, "{\"c\":3}");
	end(spool, "{\"b\":2}");
	expect_first(spool, "{\"c\":3}");
	end(spool, "{\"c\":3}");
	expect_first(spool, "");
	assert_int_equal(size_of(spool), 0);
	end(spool, "{\"c\":3}"); /* again, as another process has done it */
}

/* Wherever the process died that wrote it. */
static void a_torn_line_hides_no_other(void **state)
{
	struct webhook_spool *spool = *state;
	static const char line[] = "W1 {\"torn\":1}\n";
	for (size_t size = 1; size < sizeof(line) - 1; size++) {
		assert_int_equal(ftruncate(spool->fd, 0), 0);
		add(spool, "{\"a\":1}");
		assert_int_equal(pwrite(spool->fd, line, size, size_of(spool)), (ssize_t)size);
		add(spool, "{\"b\":2}");
		expect_first(spool, "{\"a\":1}");
		end(spool, "{\"a\":1}");
		struct buf body BUF_AUTO;
		buf_init(&body, WEBHOOK_BODY_MAXIMUM);
		assert_int_equal(webhook_spool_first(spool, &body), STATUS_OK);
		if (size > 3) { /* what was torn is taken for a body, which whoever calls sees is none */
			char torn[sizeof(line)];
			snprintf(torn, sizeof(torn), "%.*s", (int)size - 3, line + 3);
			assert_true(span_equal(buf_span(&body), span_of(torn)));
			end(spool, torn);
		}
		expect_first(spool, "{\"b\":2}");
	}
}

static void what_has_no_room_pushes_the_oldest_out(void **state)
{
	struct webhook_spool *spool = *state;
	char *body = malloc(WEBHOOK_BODY_MAXIMUM + 2);
	size_t dropped = 0, added = 0;
	memset(body, 'x', WEBHOOK_BODY_MAXIMUM + 1);
	body[WEBHOOK_BODY_MAXIMUM + 1] = '\0';
	assert_int_equal(webhook_spool_add(spool, span_of(body), &dropped), STATUS_INVALID);
	assert_int_equal(webhook_spool_add(spool, SPAN("a\nb"), &dropped), STATUS_INVALID);
	body[WEBHOOK_BODY_MAXIMUM - 8] = '\0';
	while (added < 40) {
		char number[8];
		snprintf(number, sizeof(number), "%04zu", added++);
		memcpy(body, number, 4);
		dropped += add(spool, body);
		assert_true(size_of(spool) <= WEBHOOK_SPOOL_MAXIMUM);
	}
	assert_int_equal(dropped, 40 - WEBHOOK_SPOOL_MAXIMUM / WEBHOOK_BODY_MAXIMUM);
	for (size_t i = dropped; i < added; i++) {
		char number[8];
		snprintf(number, sizeof(number), "%04zu", i);
		memcpy(body, number, 4);
		expect_first(spool, body);
		end(spool, body);
	}
	expect_first(spool, "");
	free(body);
}

static int hold_in_another_process(struct webhook_spool *spool)
{
	int code = 0;
	pid_t child = fork();
	if (child == 0) {
		struct webhook_spool own = { .fd = spool->fd };
		size_t dropped;
		_exit(webhook_spool_hold(&own) || webhook_spool_add(&own, SPAN("b"), &dropped) != STATUS_OK);
	}
	assert_int_equal(waitpid(child, &code, 0), child);
	return WEXITSTATUS(code);
}

static void one_process_calls_and_others_add(void **state)
{
	struct webhook_spool *spool = *state;
	add(spool, "a");
	assert_true(webhook_spool_hold(spool));
	assert_int_equal(hold_in_another_process(spool), 0);
	end(spool, "a");
	assert_true(webhook_spool_hold(spool)); /* changing the file has not lost it */
	assert_int_equal(hold_in_another_process(spool), 0);
	expect_first(spool, "b");
	webhook_spool_release(spool);
	assert_int_equal(hold_in_another_process(spool), 1);
}

static void one_that_is_postponed_comes_after_the_others(void **state)
{
	struct webhook_spool *spool = *state;
	size_t dropped = 99;
	add(spool, "a");
	assert_int_equal(webhook_spool_postpone(spool, SPAN("a"), &dropped), STATUS_OK);
	expect_first(spool, "a"); /* alone as before */
	add(spool, "b");
	assert_int_equal(webhook_spool_postpone(spool, SPAN("a"), &dropped), STATUS_OK);
	assert_int_equal(dropped, 0);
	expect_first(spool, "b");
	end(spool, "b");
	expect_first(spool, "a");
	end(spool, "a");
	expect_first(spool, "");
}

static void ignore_news(void *context, bool is_well, const char *what)
{
	(void)context, (void)is_well, (void)what;
}

static bool hold_calls(struct webhook_spool *spool)
{
	return webhook_spool_hold(spool);
}

/* As one that is stopped while it changes the file; but not for ever. */
static bool hold_file(struct webhook_spool *spool)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	alarm(30);
	return fcntl(spool->fd, F_SETLK, &lock) == 0;
}

/* Another process that makes the calls, and makes none; or that changes the file, and does not come to an end. */
static pid_t start_holder(struct webhook_spool *spool, bool (*hold)(struct webhook_spool *spool))
{
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (hold(spool) && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static void end_holder(pid_t holder)
{
	kill(holder, SIGKILL);
	assert_int_equal(waitpid(holder, NULL, 0), holder);
}

static void nobody_waits_for_a_process_that_does_not_give_the_file_back(void **state)
{
	struct webhook_spool *spool = *state;
	struct buf body BUF_AUTO;
	size_t dropped;
	buf_init(&body, WEBHOOK_BODY_MAXIMUM);
	add(spool, "a");
	pid_t holder = start_holder(spool, hold_file);
	assert_int_equal(webhook_spool_add(spool, SPAN("b"), &dropped), STATUS_AGAIN);
	assert_int_equal(webhook_spool_first(spool, &body), STATUS_AGAIN);
	assert_int_equal(webhook_spool_done(spool, SPAN("a")), STATUS_AGAIN);
	end_holder(holder);
	expect_first(spool, "a");
	end(spool, "a");
	expect_first(spool, "");
}

static struct webhook *start_webhook(struct loop *loop, struct webhook_spool *spool)
{
	struct webhook *webhook = NULL;
	const struct webhook_options options = { .loop = loop,
						 .node = "one",
						 .url = "https://192.0.2.1/",
						 .spool_fd = dup(spool->fd),
						 .on_news = ignore_news };
	assert_int_equal(webhook_create(&options, &webhook), STATUS_OK);
	return webhook;
}

static bool is_spooled(struct webhook_spool *spool)
{
	for (unsigned i = 0; i < 30000 && size_of(spool) == 0; i++)
		usleep(1000);
	return size_of(spool) > 0;
}

static void a_notice_waits_until_it_gets_the_file(void **state)
{
	struct webhook_spool *spool = *state;
	struct loop *loop = NULL;
	pid_t caller = start_holder(spool, hold_calls), holder = start_holder(spool, hold_file);
	assert_int_equal(loop_create(&loop), STATUS_OK);
	struct webhook *webhook = start_webhook(loop, spool);
	webhook_post(webhook, &(struct webhook_call){ .kind = SPAN("k"), .severity = SPAN("alarm") });
	sleep(3); /* it has tried, and has given up for now */
	assert_int_equal(size_of(spool), 0);
	end_holder(holder);
	assert_true(is_spooled(spool));
	webhook_free(&webhook);
	loop_free(loop);
	end_holder(caller);
}

/* As of a name that was cut amid a letter. */
static void a_notice_with_bytes_that_are_no_utf8_is_called_all_the_same(void **state)
{
	struct webhook_spool *spool = *state;
	struct loop *loop = NULL;
	struct buf body BUF_AUTO;
	buf_init(&body, WEBHOOK_BODY_MAXIMUM);
	pid_t holder = start_holder(spool, hold_calls);
	assert_int_equal(loop_create(&loop), STATUS_OK);
	struct webhook *webhook = start_webhook(loop, spool);
	webhook_post(webhook, &(struct webhook_call){ .kind = SPAN("k"),
						      .severity = SPAN("alarm"),
						      .subject = SPAN("caf\xc3 \xc3\xa9") });
	webhook_free(&webhook);
	assert_int_equal(webhook_spool_first(spool, &body), STATUS_OK);
	json_t *call = json_loadb(buf_span(&body).data, buf_size(&body), 0, NULL);
	assert_string_equal(json_string_value(json_object_get(call, "subject")), "caf\xef\xbf\xbd \xc3\xa9");
	json_decref(call);
	loop_free(loop);
	end_holder(holder);
}

static void note_trouble(void *context, bool is_well, const char *what)
{
	(void)what;
	*(bool *)context = !is_well;
}

static bool is_in_trouble(void *context)
{
	return *(bool *)context;
}

/* The one that made the calls dies; this process then tries, and nobody listens there. */
static void a_clock_that_is_set_back_delays_no_call(void **state)
{
	struct webhook_spool *spool = *state;
	struct loop *loop = NULL;
	struct webhook *webhook = NULL;
	struct secret secret;
	struct stats *stats = NULL;
	bool was_tried = false;
	pid_t holder = start_holder(spool, hold_calls);
	clock_ahead_s = 3600;
	assert_int_equal(secret_from_span(SPAN("s"), &secret), STATUS_OK);
	assert_int_equal(stats_create_private(&stats), STATUS_OK);
	assert_int_equal(loop_create(&loop), STATUS_OK);
	const struct webhook_options options = { .loop = loop,
						 .node = "one",
						 .url = "https://127.0.0.1:1/",
						 .secret = &secret,
						 .stats = stats,
						 .spool_fd = dup(spool->fd),
						 .on_news = note_trouble,
						 .context = &was_tried };
	assert_int_equal(webhook_create(&options, &webhook), STATUS_OK);
	webhook_post(webhook, &(struct webhook_call){ .kind = SPAN("k"), .severity = SPAN("alarm") });
	run_for(loop, 50);
	kill(holder, SIGKILL);
	assert_int_equal(waitpid(holder, NULL, 0), holder);
	run_until(loop, is_in_trouble, &was_tried);
	webhook_free(&webhook);
	loop_free(loop);
	stats_free_private(&stats);
	secret_wipe(&secret);
	clock_ahead_s = 0;
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, begin_spool, end_spool)
	const struct CMUnitTest tests[] = {
		CASE(calls_come_in_order_and_the_file_is_emptied),
		CASE(a_torn_line_hides_no_other),
		CASE(what_has_no_room_pushes_the_oldest_out),
		CASE(one_process_calls_and_others_add),
		CASE(one_that_is_postponed_comes_after_the_others),
		CASE(nobody_waits_for_a_process_that_does_not_give_the_file_back),
		CASE(a_notice_waits_until_it_gets_the_file),
		CASE(a_notice_with_bytes_that_are_no_utf8_is_called_all_the_same),
		CASE(a_clock_that_is_set_back_delays_no_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

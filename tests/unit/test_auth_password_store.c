/* The store of app passwords: what changes under its file, and what it tells of it. */
#include "app_password_lines.h"
#include "auth/app_password/store.h"

#define OTHER_ID "BBBBBBBB"

struct trial {
	char path[40];
	struct loop *loop;
	struct app_password_store *store;
	unsigned revoked;
};

static void count_revoked(void *context, const struct app_password *password)
{
	struct trial *trial = context;
	(void)password;
	trial->revoked++;
}

static int open_path(const struct trial *trial)
{
	int fd = open(trial->path, O_RDWR | O_APPEND | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void append_line(const struct trial *trial, const char *line)
{
	char text[CHANGE_LINE_MAXIMUM];
	int fd = open_path(trial);
	snprintf(text, sizeof(text), "%s\n", line);
	assert_int_equal(file_append(fd, span_of(text)), STATUS_OK);
	close(fd);
}

static int begin_trial(void **state)
{
	static struct trial trial;
	static const struct store_handler handler = { count_revoked };
	trial = (struct trial){ .path = "/tmp/subgate-test-store-XXXXXX" };
	int fd = mkstemp(trial.path);
	if (fd < 0 || close(fd) != 0 || loop_create(&trial.loop) != STATUS_OK)
		return -1;
	append_line(&trial, NEW_LINE(OLD_ID, "corp:1", ""));
	const struct store_settings settings = {
		.loop = trial.loop, .fd = open_path(&trial), .handler = &handler, .context = &trial
	};
	*state = &trial;
	return store_create(&settings, &trial.store) == STATUS_OK ? 0 : -1;
}

static int end_trial(void **state)
{
	struct trial *trial = *state;
	store_close(&trial->store);
	loop_free(trial->loop);
	return unlink(trial->path);
}

static void stop_loop(void *context)
{
	loop_stop(context);
}

static void turn_for(struct trial *trial, unsigned ms)
{
	struct timer *timer = NULL;
	assert_int_equal(timer_make(trial->loop, stop_loop, trial->loop, &timer), STATUS_OK);
	timer_set(timer, ms);
	loop_run(trial->loop);
	timer_free(&timer);
}

/* The thread has read the file, the former reader knows one more, and then the loop hears of the thread's work. */
static void what_is_made_while_the_file_is_read_anew_is_not_revoked(void **state)
{
	struct trial *trial = *state;
	store_take_file(trial->store, open_path(trial));
	usleep(200000);
	append_line(trial, NEW_LINE(OTHER_ID, "corp:1", ""));
	assert_int_equal(store_refresh(trial->store), STATUS_OK);
	assert_non_null(store_find(trial->store, SPAN(OTHER_ID)));
	turn_for(trial, 300);
	assert_non_null(store_find(trial->store, SPAN(OTHER_ID)));
	assert_int_equal(trial->revoked, 0);
}

static void what_another_file_lacks_is_revoked(void **state)
{
	struct trial *trial = *state;
	assert_int_equal(truncate(trial->path, 0), 0);
	append_line(trial, NEW_LINE(OTHER_ID, "corp:1", ""));
	for (int i = 0; i < 300 && trial->revoked == 0; i++) {
		assert_int_equal(store_refresh(trial->store), STATUS_OK);
		turn_for(trial, 100);
	}
	assert_int_equal(trial->revoked, 1);
	assert_non_null(store_find(trial->store, SPAN(OTHER_ID)));
	assert_null(store_find(trial->store, SPAN(OLD_ID)));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin_trial, end_trial)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_made_while_the_file_is_read_anew_is_not_revoked),
		CASE(what_another_file_lacks_is_revoked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

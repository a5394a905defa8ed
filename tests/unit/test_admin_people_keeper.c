/* Sessions of the console that outlive an admin process: their file, and who keeps it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/people_file.h"
#include "admin/people_keeper.h"
#include "admin/shelf.h"
#include "base/clock.h"
#include "with_loop.h"

#define MINUTE_MS 60000U
#define HOUR_MS 3600000U

static const struct people empty = { .session_limit_ms = 12 * HOUR_MS, .idle_limit_ms = 30 * MINUTE_MS };

static struct secret begin_session(struct people *people, const char *user, uint64_t now_ms)
{
	struct person person = { .rights = UINT64_MAX };
	struct secret token = { 0 };
	struct buf groups BUF_AUTO;
	buf_init(&groups, sizeof(person.groups));
	assert_int_equal(codec_list_add(&groups, SPAN("cn=admins")), STATUS_OK);
	person.groups_size = buf_size(&groups);
	memcpy(person.groups, buf_span(&groups).data, person.groups_size);
	snprintf(person.user, sizeof(person.user), "%s", user);
	snprintf(person.user_id, sizeof(person.user_id), "name:%s", user);
	assert_int_equal(people_begin(people, &person, now_ms, &token), STATUS_OK);
	return token;
}

/* ---- the file */

/* What is left of a session that was begun and used at `then`, and is read at `now`; NULL: it is over. */
static struct person *read_again(const struct people_clock *then, const struct people_clock *now, struct people *people)
{
	struct people before = empty;
	struct buf text BUF_AUTO;
	size_t strange = 7;
	buf_init(&text, 65536);
	struct secret token = begin_session(&before, "anna", then->monotonic_ms);
	assert_int_equal(people_write(&before, then, &text), STATUS_OK);
	people_end_all(&before);
	*people = empty;
	assert_int_equal(people_read(buf_span(&text), now, people, &strange), STATUS_OK);
	assert_true(strange <= 1);
	struct person *person = people_find(people, secret_reveal(&token), now->monotonic_ms);
	assert_int_equal(memmem(buf_span(&text).data, buf_size(&text), secret_reveal(&token).data, 64) == NULL, 1);
	secret_wipe(&token);
	return person;
}

static void a_session_is_as_old_as_the_older_clock_says(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		struct people_clock then, now;
		bool lives;
	} cases[] = {
		{ "at once", { 1000, 9000000 }, { 1000, 9000000 }, true },
		{ "a while after", { 1000, 9000000 }, { 1000 + 29 * MINUTE_MS, 9000000 + 29 * MINUTE_MS }, true },
		{ "too long after", { 1000, 9000000 }, { 1000 + 30 * MINUTE_MS, 9000000 + 30 * MINUTE_MS }, false },
		{ "with a clock set back", { 1000, 9000000 }, { 1000 + 31 * MINUTE_MS, 9000001 }, false },
		{ "before it began", { 1000, 9000000 }, { 2000, 8999999 }, false },
		{ "after a boot", { HOUR_MS, 9000000 }, { 5, 9000000 + MINUTE_MS }, true },
		{ "long after a boot", { HOUR_MS, 9000000 }, { 5, 9000000 + HOUR_MS }, false },
		{ "with a clock set on", { 1000, 9000000 }, { 2000, 9000000 + HOUR_MS }, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct people people;
		struct person *person = read_again(&cases[i].then, &cases[i].now, &people);
		if ((person != NULL) != cases[i].lives)
			fail_msg("%s", cases[i].what);
		if (person) {
			struct codec_list groups = { { person->groups, person->groups_size } };
			struct span group;
			assert_string_equal(person->user, "anna");
			assert_true(person->rights == UINT64_MAX);
			assert_true(codec_list_next(&groups, &group) && span_equal(group, SPAN("cn=admins")));
		}
		people_end_all(&people);
	}
}

static void what_is_no_session_is_left_out(void **state)
{
	(void)state;
	const struct people_clock now = { 1000, 9000000 };
	struct people people = empty;
	size_t strange = 0;
	assert_int_equal(people_read(SPAN("subgate console-sessions 2\n"), &now, &people, &strange), STATUS_INVALID);
	assert_int_equal(people_read(SPAN("x"), &now, &people, &strange), STATUS_INVALID);
	assert_int_equal(people_read(SPAN("subgate console-sessions 1\n{}\n[]\nx\n\n"), &now, &people, &strange),
			 STATUS_OK);
	assert_int_equal(strange, 3);
	assert_null(people.first);
}

/* ---- who keeps it */

/* An admin process, as far as sessions go. */
struct node {
	struct jobs *disk;
	struct people people;
	struct people_keeper *keeper;
};

struct trial {
	struct loop *loop;
	char folder[64];
	int fd;
	struct node one, two;
	struct secret token;
};

static const struct config_console console;

static void begin_node(const struct trial *trial, struct node *node)
{
	static const struct jobs_settings disk = {
		.name = "disk", .kind = LIFE_DISK, .threads = 1, .queue_maximum = 16
	};
	node->people = empty;
	assert_int_equal(jobs_create(trial->loop, &disk, &node->disk), STATUS_OK);
	assert_int_equal(
		people_keeper_create(trial->loop, node->disk, trial->fd, &console, &node->people, &node->keeper),
		STATUS_OK);
}

static void end_node(struct node *node, bool in_order)
{
	assert_true(jobs_free(&node->disk));
	people_keeper_free(&node->keeper, in_order);
	people_end_all(&node->people);
}

static int begin_trial(void **state)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	snprintf(trial->folder, sizeof(trial->folder), "/tmp/people-XXXXXX");
	assert_non_null(mkdtemp(trial->folder));
	trial->fd = open(trial->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(loop_create(&trial->loop), STATUS_OK);
	begin_node(trial, &trial->one);
	*state = trial;
	return 0;
}

static int end_trial(void **state)
{
	static const char *const names[] = { "sessions", "sessions.lock", "sessions.next" };
	struct trial *trial = *state;
	end_node(&trial->one, true);
	loop_free(trial->loop);
	secret_wipe(&trial->token);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(trial->fd, names[i], 0);
	close(trial->fd);
	assert_int_equal(rmdir(trial->folder), 0);
	free(trial);
	return 0;
}

static struct person *find_session(struct node *node, const struct secret *token)
{
	return people_find(&node->people, secret_reveal(token), clock_monotonic_ms());
}

static bool is_in_file(void *context)
{
	const struct trial *trial = context;
	return trial->one.people.first && trial->one.people.first->is_kept;
}

static void a_session_is_there_after_the_process_died(void **state)
{
	struct trial *trial = *state;
	trial->token = begin_session(&trial->one.people, "anna", clock_monotonic_ms());
	run_until(trial->loop, is_in_file, trial);
	end_node(&trial->one, false);
	begin_node(trial, &trial->one);
	assert_string_equal(find_session(&trial->one, &trial->token)->user, "anna");
	/* What is begun last of all is written at an end in order. */
	struct secret last = begin_session(&trial->one.people, "ben", clock_monotonic_ms());
	end_node(&trial->one, true);
	begin_node(trial, &trial->one);
	assert_string_equal(find_session(&trial->one, &last)->user, "ben");
	secret_wipe(&last);
}

static bool has_it_too(void *context)
{
	struct trial *trial = context;
	return find_session(&trial->two, &trial->token) != NULL;
}

static bool has_lost_it_too(void *context)
{
	return !has_it_too(context);
}

static void what_one_admin_begins_and_ends_the_other_hears(void **state)
{
	struct trial *trial = *state;
	begin_node(trial, &trial->two);
	trial->token = begin_session(&trial->one.people, "anna", clock_monotonic_ms());
	run_until(trial->loop, has_it_too, trial);
	people_end(&trial->one.people, find_session(&trial->one, &trial->token));
	/* That it is used there all the time does not bring it back. */
	run_until(trial->loop, has_lost_it_too, trial);
	assert_null(find_session(&trial->one, &trial->token));
	end_node(&trial->two, true);
	begin_node(trial, &trial->two);
	assert_null(find_session(&trial->two, &trial->token));
	end_node(&trial->two, true);
}

static bool is_replaced(void *context)
{
	const struct trial *trial = context;
	struct shelf_mark mark = { 0 };
	return shelf_look(trial->fd, "sessions", &mark) == STATUS_OK && mark.size > 0 && mark.size < 64;
}

static void an_ended_session_stays_ended_while_the_disk_is_broken(void **state)
{
	struct trial *trial = *state;
	trial->token = begin_session(&trial->one.people, "anna", clock_monotonic_ms());
	run_until(trial->loop, is_in_file, trial);
	/* Nothing takes the file's place, as there is a folder in the way of what would. */
	assert_int_equal(mkdirat(trial->fd, "sessions.next", 0700), 0);
	people_end(&trial->one.people, find_session(&trial->one, &trial->token));
	run_for(trial->loop, 3000);
	assert_null(find_session(&trial->one, &trial->token));
	assert_false(is_replaced(trial));
	assert_int_equal(unlinkat(trial->fd, "sessions.next", AT_REMOVEDIR), 0);
	run_until(trial->loop, is_replaced, trial);
	assert_null(find_session(&trial->one, &trial->token));
}

static bool has_anna_alone(void *context)
{
	struct trial *trial = context;
	struct people found = empty;
	struct buf text BUF_AUTO;
	struct shelf_mark mark;
	size_t strange = 0;
	const struct people_clock now = { clock_monotonic_ms(), clock_wall_us() / 1000 };
	buf_init(&text, SHELF_FILE_MAXIMUM);
	assert_int_equal(shelf_read(trial->fd, "sessions", &text, &mark), STATUS_OK);
	assert_int_equal(people_read(buf_span(&text), &now, &found, &strange), STATUS_OK);
	bool is_alone = found.count == 1 && strcmp(found.first->user, "anna") == 0;
	people_end_all(&found);
	return is_alone;
}

/* The end of a session that is not kept is nothing for the file, and does no harm to what is noted for it. */
static void sessions_that_are_kept_and_not_end_in_turns(void **state)
{
	struct trial *trial = *state;
	struct secret tokens[8];
	void *walls[8];
	trial->token = begin_session(&trial->one.people, "anna", clock_monotonic_ms());
	for (size_t i = 0; i < 8; i++) {
		tokens[i] = begin_session(&trial->one.people, "ben", clock_monotonic_ms());
		find_session(&trial->one, &tokens[i])->is_fleeting = i % 2;
	}
	for (size_t i = 0; i < 8; i++) {
		people_end(&trial->one.people, find_session(&trial->one, &tokens[i]));
		secret_wipe(&tokens[i]);
		walls[i] = malloc(24); /* a block that grows moves */
	}
	run_until(trial->loop, has_anna_alone, trial);
	for (size_t i = 0; i < 8; i++)
		free(walls[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_as_old_as_the_older_clock_says),
		cmocka_unit_test(what_is_no_session_is_left_out),
		cmocka_unit_test_setup_teardown(a_session_is_there_after_the_process_died, begin_trial, end_trial),
		cmocka_unit_test_setup_teardown(what_one_admin_begins_and_ends_the_other_hears, begin_trial, end_trial),
		cmocka_unit_test_setup_teardown(an_ended_session_stays_ended_while_the_disk_is_broken, begin_trial,
						end_trial),
		cmocka_unit_test_setup_teardown(sessions_that_are_kept_and_not_end_in_turns, begin_trial, end_trial),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

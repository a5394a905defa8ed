/* Lines of app passwords, what they come to, and the file they are kept in. */
#include "app_password_lines.h"

/* ---- the file */

static char path[] = "/tmp/subgate-test-store-XXXXXX";

static int make_file(void **state)
{
	(void)state;
	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static int open_path(void)
{
	int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void write_raw(const char *text)
{
	int fd = open_path();
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static off_t file_size(void)
{
	struct stat file;
	assert_int_equal(stat(path, &file), 0);
	return file.st_size;
}

#define FILE_AUTO __attribute__((cleanup(file_close)))

static struct password_file *load(void)
{
	struct password_file *file = NULL;
	assert_int_equal(file_open(open_path(), &file), STATUS_OK);
	assert_int_equal(file_load(file), STATUS_OK);
	return file;
}

static enum status append(const struct password_file *file, const char *line)
{
	int fd = file_duplicate(file);
	char text[CHANGE_LINE_MAXIMUM];
	snprintf(text, sizeof(text), "%s\n", line);
	enum status status = file_append(fd, span_of(text));
	close(fd);
	return status;
}

static enum status read_on(struct password_file *file)
{
	return file_read_on(file, NULL, NULL);
}

static bool has(const struct password_file *file, const char *id)
{
	const struct app_password *password = table_find(file_table(file), span_of(id));
	return password && !password->is_revoked;
}

static uint64_t skipped(const struct password_file *file)
{
	uint64_t line;
	return file_skipped(file, &line);
}

static unsigned count_of(const struct password_file *file, const char *owner)
{
	unsigned count = 0;
	const struct app_password *password = table_first(file_table(file), span_of(owner));
	for (; password; password = table_next(password))
		count++;
	return count;
}

static void test_a_new_file_is_empty(void **state)
{
	(void)state;
	struct password_file *file FILE_AUTO = load();
	assert_int_equal(table_count(file_table(file)), 0);
	assert_false(has(file, OLD_ID));
}

static void test_what_was_appended_is_there_after_a_restart(void **state)
{
	(void)state;
	struct password_file *before = load();
	assert_int_equal(append(before, NEW_LINE(OLD_ID, "corp:1", ",\"senders\":[\"a@b.c\"]")), STATUS_OK);
	file_close(&before);
	struct password_file *file FILE_AUTO = load();
	const struct app_password *password = table_first(file_table(file), SPAN("corp:1"));
	assert_non_null(password);
	assert_string_equal(password->id, OLD_ID);
	assert_string_equal(app_password_text(password, APP_PASSWORD_USER), "anna");
	assert_string_equal(app_password_text(password, APP_PASSWORD_LABEL), "x");
	assert_string_equal(app_password_text(password, APP_PASSWORD_FROM), "");
	assert_string_equal(app_password_text(password, APP_PASSWORD_SENDERS), "a@b.c");
	assert_int_equal(password->created_s, 1700000000);
	assert_null(table_next(password));
	assert_null(table_first(file_table(file), SPAN("corp:2")));
}

static void test_what_another_process_appends_is_seen(void **state)
{
	(void)state;
	struct password_file *old_role FILE_AUTO = load();
	struct password_file *new_role FILE_AUTO = load();
	assert_int_equal(append(new_role, NEW_LINE(OLD_ID, "corp:1", "")), STATUS_OK);
	assert_false(has(old_role, OLD_ID));
	assert_int_equal(read_on(old_role), STATUS_OK);
	assert_true(has(old_role, OLD_ID));
	assert_int_equal(append(old_role, REVOKE_LINE(OLD_ID)), STATUS_OK);
	assert_int_equal(read_on(new_role), STATUS_OK);
	assert_false(has(new_role, OLD_ID));
}

static void note_change(void *context, enum change_operation operation, const struct app_password *password)
{
	char *changes = context;
	snprintf(changes + strlen(changes), 64 - strlen(changes), "%d%s ", (int)operation, password->id);
}

static void test_changes_are_told_as_they_are_read(void **state)
{
	(void)state;
	char changes[64] = "";
	struct password_file *file FILE_AUTO = load();
	write_raw(NEW_LINE("A", "corp:1", "") "\n" REVOKE_LINE("A") "\n" REVOKE_LINE("B") "\n");
	assert_int_equal(file_read_on(file, note_change, changes), STATUS_OK);
	assert_string_equal(changes, "0A 1A ");
}

static void test_a_revoked_one_stays_revoked(void **state)
{
	(void)state;
	struct password_file *before = load();
	assert_int_equal(append(before, NEW_LINE("A", "corp:1", "")), STATUS_OK);
	assert_int_equal(append(before, NEW_LINE("B", "corp:1", "")), STATUS_OK);
	assert_int_equal(append(before, REVOKE_LINE("B")), STATUS_OK);
	assert_int_equal(append(before, REVOKE_LINE("B")), STATUS_OK); /* twice, by two administrators */
	file_close(&before);
	struct password_file *file FILE_AUTO = load();
	assert_true(has(file, "A"));
	assert_false(has(file, "B"));
	assert_int_equal(skipped(file), 0);
}

static void test_one_that_is_assigned_changes_its_owner(void **state)
{
	(void)state;
	struct password_file *file FILE_AUTO = load();
	write_raw(OLD_LINE("A", "anna", "") "\n" OLD_LINE("B", "anna", "") "\n" NEW_LINE("C", "corp:1", "") "\n");
	write_raw("{\"v\":2,\"op\":\"assign\",\"id\":\"A\",\"owner\":\"corp:1\"}\n");
	assert_int_equal(read_on(file), STATUS_OK);
	assert_int_equal(count_of(file, "name:anna"), 1);
	assert_int_equal(count_of(file, "corp:1"), 2);
}

static void test_one_that_is_made_to_expire_does(void **state)
{
	(void)state;
	struct password_file *file FILE_AUTO = load();
	write_raw(NEW_LINE("A", "corp:1", "") "\n{\"v\":2,\"op\":\"expire\",\"id\":\"A\",\"expires\":1800000000}\n");
	assert_int_equal(read_on(file), STATUS_OK);
	assert_int_equal(table_at(file_table(file), 0)->expires_s, 1800000000);
}

/* As a crash leaves it, or a copy that is under way. */
static void test_half_a_last_line_stays_and_harms_nothing(void **state)
{
	(void)state;
	write_raw(NEW_LINE("A", "corp:1", "") "\n{\"op\":\"create\",\"id\":\"BB");
	off_t whole = file_size();
	struct password_file *file FILE_AUTO = load();
	assert_int_equal(file_size(), whole);
	assert_int_equal(skipped(file), 0);
	assert_true(has(file, "A"));
	assert_int_equal(append(file, NEW_LINE("C", "corp:1", "")), STATUS_OK);
	assert_int_equal(read_on(file), STATUS_OK);
	assert_true(has(file, "C"));
	assert_int_equal(skipped(file), 1);
}

/* As editors leave it. */
static void test_a_last_line_without_an_end_counts(void **state)
{
	(void)state;
	write_raw(NEW_LINE("A", "corp:1", "") "\n" REVOKE_LINE("A"));
	struct password_file *file FILE_AUTO = load();
	assert_false(has(file, "A"));
	assert_int_equal(append(file, NEW_LINE("C", "corp:1", "")), STATUS_OK);
	assert_int_equal(read_on(file), STATUS_OK);
	assert_true(has(file, "C"));
}

static void test_half_a_line_is_waited_for(void **state)
{
	(void)state;
	struct password_file *file FILE_AUTO = load();
	write_raw(NEW_LINE("A", "corp:1", "") "\n");
	for (const char *c = REVOKE_LINE("A") "\n"; *c; c++) {
		char byte[2] = { *c, '\0' };
		write_raw(byte);
		assert_int_equal(read_on(file), STATUS_OK);
		assert_int_equal(has(file, "A"), c[1] != '\0');
	}
}

static void test_a_damaged_line_is_skipped_and_told(void **state)
{
	(void)state;
	write_raw(NEW_LINE("A", "corp:1", "") "\n");
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		write_raw(damaged[i]);
		write_raw("\n");
	}
	write_raw(NEW_LINE("A", "corp:2", "") "\n"); /* there is one of this id */
	write_raw(NEW_LINE("B", "corp:1", "") "\n");
	struct password_file *file FILE_AUTO = load();
	uint64_t line;
	assert_int_equal(file_skipped(file, &line), sizeof(damaged) / sizeof(damaged[0]) + 1);
	assert_int_equal(line, sizeof(damaged) / sizeof(damaged[0]) + 2);
	assert_int_equal(count_of(file, "corp:1"), 2);
	assert_int_equal(count_of(file, "corp:2"), 0);
}

static void test_a_line_of_any_length_is_skipped(void **state)
{
	(void)state;
	struct password_file *file FILE_AUTO = load();
	char *line = malloc(150001);
	assert_non_null(line);
	memset(line, 'x', 150000);
	line[150000] = '\0';
	write_raw(line);
	assert_int_equal(read_on(file), STATUS_OK);
	write_raw("\n" NEW_LINE("A", "corp:1", "") "\n");
	free(line);
	assert_int_equal(read_on(file), STATUS_OK);
	assert_true(has(file, "A"));
	assert_int_equal(skipped(file), 1);
}

static void test_an_edited_file_is_told(void **state)
{
	(void)state;
	struct password_file *file FILE_AUTO = load();
	write_raw(NEW_LINE("A", "corp:1", "") "\n");
	assert_int_equal(read_on(file), STATUS_OK);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(read_on(file), STATUS_INVALID); /* shorter */
	write_raw(NEW_LINE("B", "corp:1", "") "\n" NEW_LINE("C", "corp:1", "") "\n");
	assert_int_equal(read_on(file), STATUS_INVALID); /* longer, and another end where we were */
	assert_true(has(file, "A"));
	struct password_file *again FILE_AUTO = load();
	assert_false(has(again, "A"));
	assert_true(has(again, "C"));
}

static void test_a_file_edited_in_the_middle_is_told(void **state)
{
	(void)state;
	struct password_file *file FILE_AUTO = load();
	write_raw(NEW_LINE("A", "corp:1", "") "\n" NEW_LINE("B", "corp:1", "") "\n");
	assert_int_equal(read_on(file), STATUS_OK);
	const struct timespec later[2] = { { .tv_sec = 2000000000 }, { .tv_sec = 2000000000 } };
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "{\"v\":9", 6, 0), 6);
	assert_int_equal(futimens(fd, later), 0);
	close(fd);
	assert_int_equal(read_on(file), STATUS_INVALID);
}

static void test_nothing_is_appended_to_a_file_that_was_replaced(void **state)
{
	(void)state;
	struct password_file *file FILE_AUTO = load();
	assert_int_equal(unlink(path), 0);
	assert_int_equal(append(file, REVOKE_LINE("A")), STATUS_NOT_FOUND);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(append(file, REVOKE_LINE("A")), STATUS_NOT_FOUND);
	assert_int_equal(file_size(), 0);
}

static void test_many_are_found_and_stand_in_their_order(void **state)
{
	(void)state;
	int fd = open_path();
	for (unsigned i = 0; i < 3000; i++) {
		char line[CHANGE_LINE_MAXIMUM];
		int size = snprintf(line, sizeof(line),
				    "{\"v\":2,\"op\":\"create\",\"id\":\"A%u\",\"owner\":\"corp:%u\",\"user\":\"u\","
				    "\"label\":\"\",\"salt\":\"" SALT "\",\"hash\":\"" KEY "\",\"iterations\":4096,"
				    "\"stored\":\"" KEY "\",\"server\":\"" KEY "\",\"created\":%u}\n",
				    i, i % 1000, i);
		assert_int_equal(write(fd, line, (size_t)size), size);
	}
	close(fd);
	struct password_file *file FILE_AUTO = load();
	assert_int_equal(table_count(file_table(file)), 3000);
	for (unsigned i = 0; i < 3000; i++)
		assert_int_equal(table_at(file_table(file), i)->created_s, i);
	assert_int_equal(count_of(file, "corp:7"), 3);
	assert_int_equal(table_find(file_table(file), SPAN("A2999"))->number, 2999);
}

#define ON_FILE(test) cmocka_unit_test_setup_teardown(test, make_file, remove_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_FILE(test_a_new_file_is_empty),
		ON_FILE(test_what_was_appended_is_there_after_a_restart),
		ON_FILE(test_what_another_process_appends_is_seen),
		ON_FILE(test_changes_are_told_as_they_are_read),
		ON_FILE(test_a_revoked_one_stays_revoked),
		ON_FILE(test_one_that_is_assigned_changes_its_owner),
		ON_FILE(test_one_that_is_made_to_expire_does),
		ON_FILE(test_half_a_last_line_stays_and_harms_nothing),
		ON_FILE(test_a_last_line_without_an_end_counts),
		ON_FILE(test_half_a_line_is_waited_for),
		ON_FILE(test_a_damaged_line_is_skipped_and_told),
		ON_FILE(test_a_line_of_any_length_is_skipped),
		ON_FILE(test_an_edited_file_is_told),
		ON_FILE(test_a_file_edited_in_the_middle_is_told),
		ON_FILE(test_nothing_is_appended_to_a_file_that_was_replaced),
		ON_FILE(test_many_are_found_and_stand_in_their_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

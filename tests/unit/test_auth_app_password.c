/* The form of app passwords, and the file they are kept in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/app_password/password.h"
#include "auth/app_password/store.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static bool has_form(const char *text, size_t size)
{
	struct secret normal SECRET_AUTO = { 0 };
	return app_password_normalize((struct span){ text, size }, &normal) == STATUS_OK;
}

/* ---- the form */

static void test_a_new_one_is_five_groups_of_five(void **state)
{
	(void)state;
	struct secret normal SECRET_AUTO = { 0 }, shown SECRET_AUTO = { 0 };
	assert_int_equal(app_password_generate(&normal), STATUS_OK);
	assert_int_equal(app_password_show(&normal, &shown), STATUS_OK);
	assert_int_equal(shown.size, 29);
	for (size_t i = 0; i < shown.size; i++) {
		if (i % 6 == 5)
			assert_int_equal(shown.bytes[i], '-');
		else
			assert_non_null(strchr(alphabet, shown.bytes[i]));
	}
}

static void test_two_are_never_the_same(void **state)
{
	(void)state;
	struct secret one SECRET_AUTO = { 0 }, other SECRET_AUTO = { 0 };
	assert_int_equal(app_password_generate(&one), STATUS_OK);
	assert_int_equal(app_password_generate(&other), STATUS_OK);
	assert_false(span_equal(secret_reveal(&one), secret_reveal(&other)));
}

static void test_spaces_dashes_and_case_are_ignored(void **state)
{
	(void)state;
	struct secret normal SECRET_AUTO = { 0 };
	char typed[80];
	size_t size = 0;
	assert_int_equal(app_password_generate(&normal), STATUS_OK);
	for (size_t i = 0; i < normal.size; i++) {
		char c = normal.bytes[i];
		typed[size++] = c >= 'A' && c <= 'Z' && i % 2 ? (char)(c - 'A' + 'a') : c;
		typed[size++] = i % 3 ? ' ' : '-';
	}
	struct secret read SECRET_AUTO = { 0 };
	assert_int_equal(app_password_normalize((struct span){ typed, size }, &read), STATUS_OK);
	assert_true(span_equal(secret_reveal(&read), secret_reveal(&normal)));
}

/* As mail, word processors and phones make of the ASCII ones when somebody copies a password. */
static void test_blanks_and_dashes_of_unicode_are_ignored(void **state)
{
	static const char *const fillers[] = { "\u00A0", "\u00AD", "\u1680", "\u2002", "\u2003", "\u2007", "\u2009",
					       "\u200A", "\u200B", "\u2010", "\u2011", "\u2012", "\u2013", "\u2014",
					       "\u2015", "\u202F", "\u205F", "\u2060", "\u2212", "\u3000", "\uFE58",
					       "\uFE63", "\uFEFF", "\uFF0D", "\r\n" };
	(void)state;
	struct secret normal SECRET_AUTO = { 0 };
	assert_int_equal(app_password_generate(&normal), STATUS_OK);
	for (size_t i = 0; i < sizeof(fillers) / sizeof(*fillers); i++) {
		char typed[80];
		int size = snprintf(typed, sizeof(typed), "%s%.5s%s%.5s%s%.15s%s", fillers[i], normal.bytes, fillers[i],
				    normal.bytes + 5, fillers[i], normal.bytes + 10, fillers[i]);
		if (!has_form(typed, (size_t)size))
			fail_msg("filler %zu", i);
	}
}

/* Other characters, and parts of one. */
static void test_nothing_else_is_ignored(void **state)
{
	static const char *const others[] = { "\u2016", "\u00E9", "_", ".", "\xC2", "\xE2\x80", "\xA0", "\x00" };
	(void)state;
	struct secret normal SECRET_AUTO = { 0 };
	assert_int_equal(app_password_generate(&normal), STATUS_OK);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		char typed[80];
		int size = snprintf(typed, sizeof(typed), "%.25s%s", normal.bytes, others[i]);
		if (has_form(typed, (size_t)size + (others[i][0] == '\0')))
			fail_msg("other %zu", i);
	}
}

static void test_every_single_wrong_character_shows(void **state)
{
	(void)state;
	struct secret normal SECRET_AUTO = { 0 };
	assert_int_equal(app_password_generate(&normal), STATUS_OK);
	for (size_t i = 0; i < APP_PASSWORD_SIZE; i++) {
		char typed[APP_PASSWORD_SIZE];
		for (size_t digit = 0; digit < 32; digit++) {
			memcpy(typed, normal.bytes, sizeof(typed));
			typed[i] = alphabet[digit];
			assert_int_equal(has_form(typed, sizeof(typed)), alphabet[digit] == normal.bytes[i]);
		}
	}
}

static void test_every_swap_of_neighbours_shows(void **state)
{
	(void)state;
	struct secret normal SECRET_AUTO = { 0 };
	assert_int_equal(app_password_generate(&normal), STATUS_OK);
	for (size_t i = 0; i + 1 < APP_PASSWORD_RANDOM; i++) {
		char typed[APP_PASSWORD_SIZE];
		memcpy(typed, normal.bytes, sizeof(typed));
		typed[i] = normal.bytes[i + 1];
		typed[i + 1] = normal.bytes[i];
		assert_int_equal(has_form(typed, sizeof(typed)), typed[i] == typed[i + 1]);
	}
}

static void test_other_passwords_are_none(void **state)
{
	(void)state;
	static const char *const others[] = {
		"",
		"secret",
		"AAAAA-AAAAA-AAAAA-AAAAA-AAAAA",
		"22222-22222-22222-22222-22222",
		"ABCDE-FGHIJ-KLMNO-PQRST-UVWX1",
		"ABCDE-FGHIJ-KLMNO-PQRST-UVW",
		"ABCDE-FGHIJ-KLMNO-PQRST-UVWXY-ZABCD",
		"correct horse battery staple!",
	};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (has_form(others[i], strlen(others[i])))
			fail_msg("%s", others[i]);
}

static void test_a_hash_knows_its_password_and_no_other(void **state)
{
	(void)state;
	struct secret one SECRET_AUTO = { 0 }, other SECRET_AUTO = { 0 };
	struct app_password_hash hash, again;
	assert_int_equal(app_password_generate(&one), STATUS_OK);
	assert_int_equal(app_password_generate(&other), STATUS_OK);
	assert_int_equal(app_password_make_hash(&one, &hash), STATUS_OK);
	assert_int_equal(app_password_make_hash(&one, &again), STATUS_OK);
	assert_int_equal(STATUS_OK, app_password_verify(&hash, &one));
	assert_int_equal(STATUS_OK, app_password_verify(&again, &one));
	assert_int_equal(STATUS_NOT_FOUND, app_password_verify(&hash, &other));
	assert_memory_not_equal(hash.digest, again.digest, sizeof(hash.digest)); /* salted */
}

/* ---- the file */

static char path[] = "/tmp/subgate-test-store-XXXXXX";

static int open_file(void)
{
	int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

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

static void write_raw(const char *text)
{
	int fd = open_file();
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static off_t file_size(void)
{
	struct stat file;
	assert_int_equal(stat(path, &file), 0);
	return file.st_size;
}

static void free_store(struct app_password_store **store)
{
	store_close(store);
}

#define STORE_AUTO __attribute__((cleanup(free_store)))

static struct app_password_store *load(uint64_t *out_cut)
{
	struct app_password_store *store = NULL;
	assert_int_equal(store_create(open_file(), &store), STATUS_OK);
	assert_int_equal(store_load(store, out_cut), STATUS_OK);
	return store;
}

static enum status try_load(uint64_t *out_line)
{
	struct app_password_store *store STORE_AUTO = NULL;
	uint64_t cut = 0;
	assert_int_equal(store_create(open_file(), &store), STATUS_OK);
	enum status status = store_load(store, &cut);
	*out_line = store_line(store);
	return status;
}

static void append_new(struct app_password_store *store, const char *id, const char *user, struct secret *out_normal)
{
	struct app_password_record record = { .created_s = 1700000000, .expires_s = 1900000000 };
	struct buf line BUF_AUTO;
	buf_init(&line, STORE_LINE_MAXIMUM);
	snprintf(record.id, sizeof(record.id), "%s", id);
	snprintf(record.user, sizeof(record.user), "%s", user);
	snprintf(record.label, sizeof(record.label), "Printer \"2\"\\");
	snprintf(record.from_text, sizeof(record.from_text), "192.0.2.0/24");
	assert_int_equal(app_password_generate(out_normal), STATUS_OK);
	assert_int_equal(app_password_make_hash(out_normal, &record.hash), STATUS_OK);
	assert_int_equal(store_format_create(&record, &line), STATUS_OK);
	assert_int_equal(store_append(store, buf_span(&line)), STATUS_OK);
}

static void append_revocation(struct app_password_store *store, const char *id)
{
	struct buf line BUF_AUTO;
	buf_init(&line, STORE_LINE_MAXIMUM);
	assert_int_equal(store_format_revoke(id, &line), STATUS_OK);
	assert_int_equal(store_append(store, buf_span(&line)), STATUS_OK);
}

static void test_a_new_file_is_empty(void **state)
{
	(void)state;
	uint64_t cut = 9;
	struct app_password_store *store STORE_AUTO = load(&cut);
	assert_int_equal(cut, 0);
	assert_null(store_find(store, "AAAAAAAA"));
}

/* The record, or NULL. */
static const struct app_password_record *match(struct app_password_store *store, const char *user,
					       const struct secret *normal)
{
	struct app_password_record *record = NULL;
	enum status status = store_match(store, user, normal, &record);
	assert_int_equal(status, record ? STATUS_OK : STATUS_NOT_FOUND);
	return record;
}

static void test_one_is_there_after_a_restart(void **state)
{
	(void)state;
	uint64_t cut;
	struct secret normal SECRET_AUTO = { 0 };
	struct app_password_store *before = load(&cut);
	append_new(before, "AAAAAAAA", "anna@example.com", &normal);
	store_close(&before);
	struct app_password_store *store STORE_AUTO = load(&cut);
	const struct app_password_record *record = match(store, "anna@example.com", &normal);
	assert_non_null(record);
	assert_string_equal(record->id, "AAAAAAAA");
	assert_string_equal(record->label, "Printer \"2\"\\");
	assert_int_equal(record->created_s, 1700000000);
	assert_int_equal(record->expires_s, 1900000000);
	assert_true(network_contains(&record->from, SPAN("192.0.2.77")));
	assert_null(match(store, "bert@example.com", &normal));
}

static void test_the_password_is_not_in_the_file(void **state)
{
	(void)state;
	uint64_t cut;
	char text[4096] = { 0 };
	struct secret normal SECRET_AUTO = { 0 }, shown SECRET_AUTO = { 0 };
	struct app_password_store *store STORE_AUTO = load(&cut);
	append_new(store, "AAAAAAAA", "anna", &normal);
	assert_int_equal(app_password_show(&normal, &shown), STATUS_OK);
	int fd = open_file();
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_null(strstr(text, normal.bytes));
	assert_null(strstr(text, shown.bytes));
}

static void test_what_another_process_appends_is_seen(void **state)
{
	(void)state;
	uint64_t cut;
	struct secret normal SECRET_AUTO = { 0 };
	struct app_password_store *old_role STORE_AUTO = load(&cut);
	struct app_password_store *new_role STORE_AUTO = load(&cut);
	append_new(new_role, "AAAAAAAA", "anna", &normal);
	assert_null(match(old_role, "anna", &normal));
	assert_int_equal(store_refresh(old_role), STATUS_OK);
	assert_non_null(match(old_role, "anna", &normal));
	append_revocation(old_role, "AAAAAAAA");
	assert_int_equal(store_refresh(new_role), STATUS_OK);
	assert_null(match(new_role, "anna", &normal));
}

static void test_a_revoked_one_stays_revoked(void **state)
{
	(void)state;
	uint64_t cut;
	struct secret kept SECRET_AUTO = { 0 }, gone SECRET_AUTO = { 0 };
	struct app_password_store *before = load(&cut);
	append_new(before, "AAAAAAAA", "anna", &kept);
	append_new(before, "BBBBBBBB", "anna", &gone);
	append_revocation(before, "BBBBBBBB");
	append_revocation(before, "BBBBBBBB"); /* twice, by two administrators */
	store_close(&before);
	struct app_password_store *store STORE_AUTO = load(&cut);
	assert_non_null(match(store, "anna", &kept));
	assert_null(match(store, "anna", &gone));
	assert_null(store_find(store, "BBBBBBBB"));
}

static void test_a_torn_last_line_is_cut_off(void **state)
{
	(void)state;
	uint64_t cut;
	struct secret normal SECRET_AUTO = { 0 }, next SECRET_AUTO = { 0 };
	struct app_password_store *before = load(&cut);
	append_new(before, "AAAAAAAA", "anna", &normal);
	store_close(&before);
	off_t whole = file_size();
	write_raw("{\"op\":\"create\",\"id\":\"BB");
	struct app_password_store *store STORE_AUTO = load(&cut);
	assert_int_equal(cut, 23);
	assert_int_equal(file_size(), whole);
	assert_non_null(match(store, "anna", &normal));
	append_new(store, "CCCCCCCC", "anna", &next);
	assert_int_equal(store_refresh(store), STATUS_OK);
	assert_non_null(match(store, "anna", &next));
}

static void test_half_a_line_is_waited_for(void **state)
{
	(void)state;
	uint64_t cut;
	struct app_password_store *store STORE_AUTO = load(&cut);
	const char *line = "{\"op\":\"revoke\",\"id\":\"AAAAAAAA\"}\n";
	for (const char *c = line; *c; c++) {
		char byte[2] = { *c, '\0' };
		write_raw(byte);
		assert_int_equal(store_refresh(store), STATUS_OK);
		assert_int_equal(store_line(store), c[1] == '\0');
	}
}

static void test_a_line_that_cannot_be_read_stops_the_store(void **state)
{
	(void)state;
	static const char *const damaged[] = {
		"\n",
		"garbage\n",
		"{\"op\":\"revoke\"}\n",
		"{\"op\":\"revoke\",\"id\":\"\"}\n",
		"{\"op\":\"revoke\",\"id\":\"AAAAAAAAA\"}\n",
		"{\"op\":\"change\",\"id\":\"AAAAAAAA\"}\n",
		"{\"op\":\"create\",\"id\":\"AAAAAAAA\",\"user\":\"anna\",\"label\":\"\",\"created\":1}\n",
		"{\"op\":\"create\",\"id\":\"AAAAAAAA\",\"user\":\"anna\",\"label\":\"\",\"salt\":\"00\",\"hash\":"
		"\"00\","
		"\"created\":1}\n",
	};
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		uint64_t line = 9;
		assert_int_equal(truncate(path, 0), 0);
		write_raw("{\"op\":\"revoke\",\"id\":\"BBBBBBBB\"}\n");
		write_raw(damaged[i]);
		if (try_load(&line) != STATUS_INVALID || line > 1)
			fail_msg("%s", damaged[i]);
	}
}

static void test_a_running_store_stops_at_damage_and_stays_so(void **state)
{
	(void)state;
	uint64_t cut;
	struct app_password_store *store STORE_AUTO = load(&cut);
	write_raw("garbage\n");
	assert_int_equal(store_refresh(store), STATUS_INVALID);
	assert_int_equal(store_refresh(store), STATUS_INVALID);
}

static void test_a_file_that_shrinks_is_damage(void **state)
{
	(void)state;
	uint64_t cut;
	struct secret normal SECRET_AUTO = { 0 };
	struct app_password_store *store STORE_AUTO = load(&cut);
	append_new(store, "AAAAAAAA", "anna", &normal);
	assert_int_equal(store_refresh(store), STATUS_OK);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(store_refresh(store), STATUS_INVALID);
}

static void test_many_lines_are_read_whatever_the_pieces(void **state)
{
	(void)state;
	uint64_t cut;
	struct secret last SECRET_AUTO = { 0 };
	struct app_password_store *before = load(&cut);
	for (unsigned i = 0; i < 600; i++) { /* more than two pieces of 64 KiB */
		struct secret normal SECRET_AUTO = { 0 };
		char id[APP_PASSWORD_ID_SIZE];
		snprintf(id, sizeof(id), "A%07u", i);
		append_new(before, id, "anna", &normal);
	}
	append_new(before, "ZZZZZZZZ", "anna", &last);
	store_close(&before);
	assert_true(file_size() > 2 * 65536);
	struct app_password_store *store STORE_AUTO = load(&cut);
	assert_int_equal(store_line(store), 601);
	assert_non_null(match(store, "anna", &last));
}

static void count_record(void *context, const struct app_password_record *record)
{
	(void)record;
	++*(unsigned *)context;
}

static void test_a_list_is_of_one_user_or_of_all(void **state)
{
	(void)state;
	uint64_t cut;
	unsigned of_anna = 0, of_all = 0;
	struct secret a SECRET_AUTO = { 0 }, b SECRET_AUTO = { 0 }, c SECRET_AUTO = { 0 };
	struct app_password_store *store STORE_AUTO = load(&cut);
	append_new(store, "AAAAAAAA", "anna", &a);
	append_new(store, "BBBBBBBB", "anna", &b);
	append_new(store, "CCCCCCCC", "bert", &c);
	assert_int_equal(store_refresh(store), STATUS_OK);
	store_list(store, "anna", count_record, &of_anna);
	store_list(store, NULL, count_record, &of_all);
	assert_int_equal(of_anna, 2);
	assert_int_equal(of_all, 3);
}

#define ON_FILE(test) cmocka_unit_test_setup_teardown(test, make_file, remove_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_one_is_five_groups_of_five),
		cmocka_unit_test(test_two_are_never_the_same),
		cmocka_unit_test(test_spaces_dashes_and_case_are_ignored),
		cmocka_unit_test(test_blanks_and_dashes_of_unicode_are_ignored),
		cmocka_unit_test(test_nothing_else_is_ignored),
		cmocka_unit_test(test_every_single_wrong_character_shows),
		cmocka_unit_test(test_every_swap_of_neighbours_shows),
		cmocka_unit_test(test_other_passwords_are_none),
		cmocka_unit_test(test_a_hash_knows_its_password_and_no_other),
		ON_FILE(test_a_new_file_is_empty),
		ON_FILE(test_one_is_there_after_a_restart),
		ON_FILE(test_the_password_is_not_in_the_file),
		ON_FILE(test_what_another_process_appends_is_seen),
		ON_FILE(test_a_revoked_one_stays_revoked),
		ON_FILE(test_a_torn_last_line_is_cut_off),
		ON_FILE(test_half_a_line_is_waited_for),
		ON_FILE(test_a_line_that_cannot_be_read_stops_the_store),
		ON_FILE(test_a_running_store_stops_at_damage_and_stays_so),
		ON_FILE(test_a_file_that_shrinks_is_damage),
		ON_FILE(test_many_lines_are_read_whatever_the_pieces),
		ON_FILE(test_a_list_is_of_one_user_or_of_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Staged files: they appear together, with their modes, or nothing has changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "setup/stage.h"

static char folder[] = "/tmp/stage-XXXXXX", top[PATH_MAX];
static char faults[4096];
static FILE *errors;

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
	(void)info;
	(void)kind;
	(void)walk;
	return remove(path);
}

static int make_folder(void **state)
{
	(void)state;
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(top, sizeof(top), "%s", folder);
	memset(faults, 0, sizeof(faults));
	errors = fmemopen(faults, sizeof(faults) - 1, "w");
	return errors ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	fclose(errors);
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *in(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned turn;
	char *path = paths[turn++ % 4];
	snprintf(path, PATH_MAX, "%.1000s/%.1000s", top, name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *out = fopen(in(name), "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static bool holds(const char *name, const char *text)
{
	char found[256] = "";
	FILE *file = fopen(in(name), "r");
	if (file == NULL)
		return false;
	size_t size = fread(found, 1, sizeof(found) - 1, file);
	fclose(file);
	return size == strlen(text) && memcmp(found, text, size) == 0;
}

static unsigned count_entries(const char *name)
{
	unsigned count = 0;
	DIR *entries = opendir(in(name));
	assert_non_null(entries);
	for (const struct dirent *entry; (entry = readdir(entries));)
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(entries);
	return count;
}

static unsigned mode_of(const char *name)
{
	struct stat info;
	assert_int_equal(lstat(in(name), &info), 0);
	return (unsigned)info.st_mode & 07777U;
}

static void files_appear_together_with_their_modes(void **state)
{
	struct stage stage = { .errors = errors };
	(void)state;
	put("config", "old");
	mode_t mask = umask(0);
	assert_int_equal(stage_folder(&stage, in("a/secrets"), 0700), STATUS_OK);
	assert_int_equal(stage_file(&stage, in("a/secrets/key"), SPAN("k"), 0600), STATUS_OK);
	umask(0077);
	assert_int_equal(stage_file(&stage, in("config"), SPAN("first"), 0640), STATUS_OK);
	assert_int_equal(stage_file(&stage, in("config"), SPAN("new"), 0640), STATUS_OK);
	umask(mask);
	assert_true(holds("config", "old"));
	assert_true(holds(".config.setup", "new"));
	assert_int_equal(mode_of("a/secrets/.key.setup"), 0600);
	assert_int_equal(stage_place(&stage), STATUS_OK);
	stage_keep(&stage);
	stage_undo(&stage); /* nothing is left to undo */
	assert_true(holds("config", "new"));
	assert_true(holds("a/secrets/key", "k"));
	assert_int_equal(mode_of("config"), 0640);
	assert_int_equal(mode_of("a/secrets/key"), 0600);
	assert_int_equal(mode_of("a/secrets"), 0700);
	assert_int_equal(mode_of("a"), 0755);
	assert_int_equal(count_entries(""), 2);
	assert_int_equal(count_entries("a/secrets"), 1);
}

static void what_is_undone_before_or_after_leaves_nothing(void **state)
{
	(void)state;
	put("config", "old");
	for (unsigned steps = 0; steps < 5; steps++) {
		struct stage stage = { .errors = errors };
		if (steps > 0)
			assert_int_equal(stage_folder(&stage, in("a/b/secrets"), 0700), STATUS_OK);
		if (steps > 1)
			assert_int_equal(stage_file(&stage, in("a/b/secrets/key"), SPAN("k"), 0600), STATUS_OK);
		if (steps > 2)
			assert_int_equal(stage_file(&stage, in("config"), SPAN("new"), 0640), STATUS_OK);
		if (steps > 3)
			assert_int_equal(stage_place(&stage), STATUS_OK);
		stage_undo(&stage);
		assert_true(holds("config", "old"));
		assert_int_equal(count_entries(""), 1);
	}
}

static void a_file_that_cannot_take_its_place_keeps_the_others_from_theirs(void **state)
{
	struct stage stage = { .errors = errors };
	(void)state;
	put("first", "old");
	assert_int_equal(stage_file(&stage, in("first"), SPAN("new"), 0640), STATUS_OK);
	assert_int_equal(stage_file(&stage, in("second"), SPAN("new"), 0640), STATUS_OK);
	assert_int_equal(mkdir(in("second"), 0755), 0); /* somebody was faster */
	assert_int_equal(stage_place(&stage), STATUS_SYSTEM);
	stage_undo(&stage);
	assert_true(holds("first", "old"));
	assert_int_equal(count_entries(""), 2);
	assert_int_equal(count_entries("second"), 0);
}

static void no_link_is_followed(void **state)
{
	struct stage stage = { .errors = errors };
	(void)state;
	put("victim", "old");
	assert_int_equal(symlink(in("victim"), in(".config.setup")), 0);
	assert_int_equal(stage_file(&stage, in("config"), SPAN("new"), 0640), STATUS_OK);
	assert_int_equal(symlink(in("victim"), in("other")), 0);
	assert_int_equal(stage_file(&stage, in("other"), SPAN("new"), 0640), STATUS_REFUSED);
	assert_int_equal(stage_place(&stage), STATUS_SYSTEM); /* of the other nothing was written */
	stage_undo(&stage);
	assert_true(holds("victim", "old"));
	fflush(errors);
	assert_non_null(strstr(faults, "not a regular file"));
}

static void a_folder_that_others_can_write_in_is_refused(void **state)
{
	struct stage stage = { .errors = errors };
	(void)state;
	assert_int_equal(mkdir(in("open"), 0755), 0);
	assert_int_equal(chmod(in("open"), 0777), 0);
	assert_int_equal(stage_folder(&stage, in("open"), 0755), STATUS_REFUSED);
	assert_int_equal(mode_of("open"), 0777);
	stage_undo(&stage);
	assert_int_equal(count_entries(""), 1);
}

static void what_a_killed_run_left_is_in_nobodys_way(void **state)
{
	struct stage stage = { .errors = errors };
	(void)state;
	put("config", "old");
	put(".config.setup", "left");
	put(".config.before.setup", "left");
	assert_int_equal(stage_file(&stage, in("config"), SPAN("new"), 0640), STATUS_OK);
	assert_int_equal(stage_place(&stage), STATUS_OK);
	stage_keep(&stage);
	assert_true(holds("config", "new"));
	assert_int_equal(count_entries(""), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_appear_together_with_their_modes),
		TEST(what_is_undone_before_or_after_leaves_nothing),
		TEST(a_file_that_cannot_take_its_place_keeps_the_others_from_theirs),
		TEST(no_link_is_followed),
		TEST(a_folder_that_others_can_write_in_is_refused),
		TEST(what_a_killed_run_left_is_in_nobodys_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

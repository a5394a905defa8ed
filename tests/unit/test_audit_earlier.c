/* Which earlier files of the audit a relay gets: those of the last day, and those in which something may be open. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/audit_private.h"
#include "export/cursor.h"
#include "supervise/audit_earlier.h"

#define NOW 1795984200ULL /* 2026-11-29T20:30:00Z */
#define HOUR 3600ULL

static struct {
	char folder[64];
	int state_fd, export_fd;
} world;

static void make_file(const char *name, uint64_t modified_s)
{
	char path[200];
	const struct timespec times[2] = { { .tv_sec = (time_t)modified_s }, { .tv_sec = (time_t)modified_s } };
	snprintf(path, sizeof(path), "%s/%s", world.folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && write(fd, name, strlen(name)) == (ssize_t)strlen(name));
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static int begin_folder(void **state)
{
	char path[100];
	(void)state;
	snprintf(world.folder, sizeof(world.folder), "/tmp/subgate-earlier-XXXXXX");
	assert_non_null(mkdtemp(world.folder));
	snprintf(path, sizeof(path), "%s/state", world.folder);
	world.state_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	snprintf(path, sizeof(path), "%s/export", world.folder);
	world.export_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	make_file("a", NOW);
	make_file("a-20261129-000000", NOW - HOUR);
	make_file("a-20261128-000000.gz", NOW - 20 * HOUR);
	make_file("a.1", NOW - 50 * HOUR);
	make_file("a-20261126-000000.zst", NOW - 80 * HOUR);
	make_file("b-20261129-000000", NOW - HOUR);
	make_file("a-20261125-000000.gz.partial", NOW);
	return 0;
}

static int end_folder(void **state)
{
	char command[200];
	(void)state;
	close(world.state_fd);
	close(world.export_fd);
	snprintf(command, sizeof(command), "rm -r %s", world.folder);
	return system(command);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* What the files hold that the relay gets, which are their names. */
static void assert_gets(const char *expected)
{
	const struct audit_earlier_wish wish = { world.state_fd, { -1, world.export_fd }, NOW, -1 };
	struct handover list = { 0 };
	char path[100], names[8][64] = { "" }, text[600] = "";
	snprintf(path, sizeof(path), "%s/a", world.folder);
	assert_int_equal(audit_earlier_open(path, &wish, &list), STATUS_OK);
	assert_true(list.count < 8);
	for (size_t i = 0; i < list.count; i++) {
		char name[64];
		snprintf(name, sizeof(name), "audit-earlier:%zu", i);
		assert_string_equal(list.items[i].name, name);
		assert_int_equal(list.items[i].roles, TO(ROLE_RELAY));
		assert_true(pread(list.items[i].fd, names[i], sizeof(names[i]) - 1, 0) > 0);
		assert_int_equal(write(list.items[i].fd, "x", 1), -1);
	}
	qsort(names, list.count, sizeof(names[0]), compare_texts);
	for (size_t i = 0; i < list.count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%.63s", i ? " " : "", names[i]);
	assert_string_equal(text, expected);
	handover_close(&list);
}

static void put_place(const struct audit_place *place)
{
	assert_int_equal(pwrite(world.state_fd, place, sizeof(*place), 0), sizeof(*place));
}

static void those_of_the_last_day_always(void **state)
{
	const struct audit_place recent = { .chain_id = "0123456789abcdef", .version = 1, .since_s = NOW - HOUR };
	(void)state;
	assert_gets("a-20261128-000000.gz a-20261129-000000");
	put_place(&recent);
	assert_gets("a-20261128-000000.gz a-20261129-000000");
}

static void those_since_the_oldest_message_that_may_be_open(void **state)
{
	const struct audit_place old = { .chain_id = "0123456789abcdef", .version = 1, .since_s = NOW - 50 * HOUR };
	(void)state;
	put_place(&old);
	assert_gets("a-20261128-000000.gz a-20261129-000000 a.1");
}

static void put_export(uint64_t since_s)
{
	struct cursor_file file = { .fd = world.export_fd };
	struct cursor cursor = { 0 };
	if (since_s)
		clock_format_us(since_s * 1000000, cursor.position.ts);
	assert_int_equal(cursor_file_write(&file, &cursor), STATUS_OK);
}

static void those_that_an_export_has_not_got_to(void **state)
{
	(void)state;
	put_export(0); /* it has not begun, and begins with what is written now */
	assert_gets("a-20261128-000000.gz a-20261129-000000");
	put_export(NOW - 51 * HOUR);
	assert_gets("a-20261128-000000.gz a-20261129-000000 a.1");
	put_export(NOW - 1 * HOUR);
	assert_gets("a-20261128-000000.gz a-20261129-000000");
}

static void all_where_a_former_version_did_not_say_since_when(void **state)
{
	const struct audit_place former = { .chain_id = "0123456789abcdef" };
	(void)state;
	put_place(&former);
	assert_gets("a-20261126-000000.zst a-20261128-000000.gz a-20261129-000000 a.1");
}

static void of_very_many_the_newest(void **state)
{
	const struct audit_earlier_wish wish = { world.state_fd, { -1, -1 }, NOW, -1 };
	struct handover list = { 0 };
	char path[100], text[64] = "";
	(void)state;
	for (unsigned i = 0; i < AUDIT_EARLIER_MAXIMUM; i++) {
		snprintf(path, sizeof(path), "a-20261129-10%02u%02u", i / 60, i % 60);
		make_file(path, NOW - i);
	}
	snprintf(path, sizeof(path), "%s/a", world.folder);
	assert_int_equal(audit_earlier_open(path, &wish, &list), STATUS_OK);
	assert_int_equal(list.count, AUDIT_EARLIER_MAXIMUM);
	assert_true(pread(list.items[0].fd, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, "a-20261129-100000");
	handover_close(&list);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin_folder, end_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(those_of_the_last_day_always),
		CASE(those_since_the_oldest_message_that_may_be_open),
		CASE(those_that_an_export_has_not_got_to),
		CASE(all_where_a_former_version_did_not_say_since_when),
		CASE(of_very_many_the_newest),
	};
	return cmocka_run_group_tests_name("audit earlier", tests, NULL, NULL);
}

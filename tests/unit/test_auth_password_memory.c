/* App passwords out of memory: each allocation fails once. What fails says so, leaves nothing, and works next time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auth/app_password/file.h"
#include "auth/scope.h"
#include "auth/seal.h"
#include "tests/unit/failing_memory.h"

#ifdef SUBGATE_SANITIZED
int main(void)
{
	return 0;
}
#else

static char path[] = "/tmp/subgate-test-memory-XXXXXX";

static struct app_password_change change_of(const char *id)
{
	struct app_password_change change = {
		.operation = CHANGE_CREATE,
		.owner = SPAN("corp:1"),
		.texts = { [APP_PASSWORD_USER] = SPAN("anna"),
			   [APP_PASSWORD_FROM] = SPAN("192.0.2.0/24\n2001:db8::/32"),
			   [APP_PASSWORD_SENDERS] = SPAN("a@example.com\n@b.example"),
			   [APP_PASSWORD_RESPONSIBLE] = SPAN("bert") },
		.hash = { .iterations = 4096 },
		.created_s = 1,
	};
	snprintf(change.id, sizeof(change.id), "%s", id);
	return change;
}

static enum status write_line(void)
{
	const struct app_password_change change = change_of("A");
	struct buf line BUF_AUTO;
	buf_init(&line, CHANGE_LINE_MAXIMUM);
	TRY(change_format(&change, &line));
	int fd = open(path, O_WRONLY | O_TRUNC | O_APPEND | O_CLOEXEC);
	enum status status = file_append(fd, buf_span(&line));
	close(fd);
	return status;
}

static enum status read_file(void)
{
	struct password_file *file __attribute__((cleanup(file_close))) = NULL;
	TRY(file_open(open(path, O_RDWR | O_APPEND | O_CLOEXEC), &file));
	TRY(file_load(file));
	const struct app_password *password = table_find(file_table(file), SPAN("A"));
	uint64_t line;
	if (file_skipped(file, &line) > 0)
		return STATUS_INVALID;
	return password ? STATUS_OK : STATUS_NOT_FOUND;
}

static enum status narrow(void)
{
	struct app_password *password = NULL;
	struct password_table *table __attribute__((cleanup(table_free))) = NULL;
	struct identity identity IDENTITY_AUTO;
	struct scope scope __attribute__((cleanup(scope_free)));
	const struct app_password_change change = change_of("A");
	identity_init(&identity);
	scope_init(&scope);
	TRY(table_create(&table));
	TRY(table_apply(table, &change, &password));
	TRY(identity_add(&identity.senders, SPAN("a@example.com")));
	TRY(identity_add(&identity.senders, SPAN("c@b.example")));
	TRY(identity_add(&identity.senders, SPAN("c@example.com")));
	TRY(scope_take(&scope, password));
	TRY(scope_narrow(&scope, SPAN("+"), &identity));
	/* "a@example.com" by both, and "c@b.example" */
	assert_true(codec_list_count(codec_list_of(&identity.senders)) == 3);
	return STATUS_OK;
}

static enum status seal_line(void)
{
	static const char key_bytes[] = "the key";
	const struct secret key = { .bytes = (char *)key_bytes, .size = sizeof(key_bytes) };
	unsigned char mac[HASH_SHA256_SIZE] = { 0 }, none[HASH_SHA256_SIZE] = { 0 };
	enum status status = seal_make(&key, SPAN("app password"), SPAN("list"), SPAN("line"), mac);
	OPENSSL_thread_stop(); /* what it keeps of errors */
	/* A seal that is not whole is none, and no line is taken for forged (STATUS_INVALID) that nobody looked at. */
	assert_true((status == STATUS_OK) == (memcmp(mac, none, sizeof(mac)) != 0));
	assert_int_not_equal(status, STATUS_INVALID);
	return status;
}

/* How many allocations it takes; each of them fails once. */
static unsigned fail_each(enum status (*run)(void))
{
	unsigned failures = 0;
	assert_int_equal(run(), STATUS_OK); /* what libraries keep is there now */
	for (unsigned long n = 1; n < 200; n++) {
		long living = memory_living;
		memory_counts = true;
		memory_left = n;
		enum status status = run();
		bool was_reached = memory_left == 0;
		memory_counts = false;
		memory_left = 0;
		assert_int_equal(memory_living, living);
		if (!was_reached) {
			assert_int_equal(status, STATUS_OK);
			return failures;
		}
		failures += status != STATUS_OK;
		assert_int_not_equal(status, STATUS_NOT_FOUND); /* it would be a revocation that nobody made */
	}
	fail_msg("it takes no end of allocations");
	return 0;
}

static void a_line_is_written_whole_or_not(void **state)
{
	(void)state;
	assert_true(fail_each(write_line) > 0);
}

static void a_file_is_read_whole_or_not(void **state)
{
	(void)state;
	assert_int_equal(write_line(), STATUS_OK);
	assert_true(fail_each(read_file) > 0);
}

static void senders_are_narrowed_or_nobody_gets_in(void **state)
{
	(void)state;
	assert_true(fail_each(narrow) > 0);
}

static void a_seal_is_made_whole_or_not(void **state)
{
	(void)state;
	assert_true(fail_each(seal_line) > 0);
}

static int make_file(void **state)
{
	(void)state;
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_written_whole_or_not),
		cmocka_unit_test(a_file_is_read_whole_or_not),
		cmocka_unit_test(a_seal_is_made_whole_or_not),
		cmocka_unit_test(senders_are_narrowed_or_nobody_gets_in),
	};
	return cmocka_run_group_tests(tests, make_file, remove_file);
}

#endif

/* Heads of the chain for a syslog daemon: one that is there, away, restarted, or full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "export/anchor.h"

struct daemon {
	char folder[40], path[60];
	int fd;
	struct anchor *anchor;
};

static void open_daemon(struct daemon *daemon)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", daemon->path);
	unlink(daemon->path);
	daemon->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(daemon->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static int begin_daemon(void **state)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	snprintf(daemon->folder, sizeof(daemon->folder), "/tmp/subgate-anchor-XXXXXX");
	assert_non_null(mkdtemp(daemon->folder));
	snprintf(daemon->path, sizeof(daemon->path), "%s/log", daemon->folder);
	open_daemon(daemon);
	assert_int_equal(anchor_create(daemon->path, "mail.example.com", &daemon->anchor), STATUS_OK);
	*state = daemon;
	return 0;
}

static int end_daemon(void **state)
{
	struct daemon *daemon = *state;
	anchor_free(&daemon->anchor);
	anchor_free(&daemon->anchor);
	close(daemon->fd);
	unlink(daemon->path);
	rmdir(daemon->folder);
	free(daemon);
	return 0;
}

static enum status post(struct daemon *daemon, uint64_t number)
{
	struct audit_statement statement = { .number = number, .chain = "0123456789abcdef", .count = 7 };
	memset(statement.head, 'a', HASH_SHA256_HEX_SIZE - 1);
	memset(statement.key, 'b', AUDIT_KEY_HEX_SIZE - 1);
	memset(statement.next, 'c', AUDIT_KEY_HEX_SIZE - 1);
	memset(statement.signature, 'd', AUDIT_SIGNATURE_HEX_SIZE - 1);
	return anchor_post(daemon->anchor, &statement);
}

/* Each message is a statement that reads as what was posted. */
static void expect_number(struct daemon *daemon, uint64_t number)
{
	char message[4096];
	struct audit_statement statement;
	ssize_t size = recv(daemon->fd, message, sizeof(message) - 1, 0);
	assert_true(size > 0);
	message[size] = '\0';
	assert_int_equal(strncmp(message, "<86>subgate[", 12), 0);
	const char *at = strstr(message, "]: audit head of mail.example.com: {");
	assert_non_null(at);
	json_t *object = json_loads(strchr(at, '{'), 0, NULL);
	assert_int_equal(audit_statement_from_json(object, &statement), STATUS_OK);
	assert_int_equal(statement.number, number);
	assert_int_equal(statement.count, 7);
	json_decref(object);
}

static void a_head_is_one_message(void **state)
{
	struct daemon *daemon = *state;
	assert_int_equal(post(daemon, 1), STATUS_OK);
	assert_int_equal(post(daemon, 2), STATUS_OK);
	expect_number(daemon, 1);
	expect_number(daemon, 2);
}

static void a_daemon_that_was_restarted_is_found_again(void **state)
{
	struct daemon *daemon = *state;
	assert_int_equal(post(daemon, 1), STATUS_OK);
	close(daemon->fd);
	assert_int_equal(post(daemon, 2), STATUS_UNAVAILABLE);
	unlink(daemon->path);
	assert_int_equal(post(daemon, 3), STATUS_UNAVAILABLE);
	open_daemon(daemon);
	assert_int_equal(post(daemon, 4), STATUS_OK);
	expect_number(daemon, 4);
}

static void a_daemon_that_reads_nothing_is_not_waited_for(void **state)
{
	struct daemon *daemon = *state;
	uint64_t number = 0;
	while (post(daemon, number + 1) == STATUS_OK)
		number++;
	assert_true(number > 0);
	for (uint64_t i = 1; i <= number; i++)
		expect_number(daemon, i);
	assert_int_equal(post(daemon, 99), STATUS_OK);
	expect_number(daemon, 99);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, begin_daemon, end_daemon)
	const struct CMUnitTest tests[] = {
		CASE(a_head_is_one_message),
		CASE(a_daemon_that_was_restarted_is_found_again),
		CASE(a_daemon_that_reads_nothing_is_not_waited_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

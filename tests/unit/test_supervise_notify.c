/* How long a dead process stays away, and what systemd is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervise/backoff.h"
#include "supervise/notify.h"

/* ---- back-off */

static void the_delay_doubles_to_its_longest(void **state)
{
	(void)state;
	static const uint64_t expected[] = { 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000 };
	uint64_t delay = 0;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		delay = backoff_next(delay, 5);
		assert_int_equal(delay, expected[i]);
	}
}

static void a_long_life_starts_the_delay_anew(void **state)
{
	(void)state;
	assert_int_equal(backoff_next(12800, 59999), 25600);
	assert_int_equal(backoff_next(12800, 60000), 100);
}

/* ---- systemd */

static void systemd_hears_of_each_state(void **state)
{
	(void)state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char text[128];
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/subgate-notify-%d", (int)getpid());
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	notify_ready();
	assert_int_equal(recv(fd, text, sizeof(text), 0), 7);
	assert_memory_equal(text, "READY=1", 7);
	notify_reloading();
	assert_true(recv(fd, text, sizeof(text), 0) > 30);
	assert_memory_equal(text, "RELOADING=1\nMONOTONIC_USEC=", 27);
	notify_stopping();
	assert_int_equal(recv(fd, text, sizeof(text), 0), 10);
	assert_memory_equal(text, "STOPPING=1", 10);
	unsetenv("NOTIFY_SOCKET");
	notify_ready(); /* nobody to tell, and no harm */
	assert_int_equal(recv(fd, text, sizeof(text), 0), -1);
	close(fd);
	unlink(address.sun_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_delay_doubles_to_its_longest),
		cmocka_unit_test(a_long_life_starts_the_delay_anew),
		cmocka_unit_test(systemd_hears_of_each_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * TCP ports of loopback for the servers that a test starts. They are below those that the kernel gives to clients, as
 * one of these may be some client's again before the server has it.
 */
#ifndef TESTS_WITH_PORTS_H
#define TESTS_WITH_PORTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PORTS_FIRST 10000U
#define PORTS_COUNT 22000U

/*
 * True when nobody listens there, at any address, and no other test has it; tests/harness/process.py claims ports in
 * the same way.
 */
static inline bool port_claim(unsigned port)
{
	const struct sockaddr_in here = { .sin_family = AF_INET,
					  .sin_port = htons((uint16_t)port),
					  .sin_addr.s_addr = htonl(INADDR_ANY) };
	struct sockaddr_un name = { .sun_family = AF_UNIX }; /* its path begins with NUL: it is no file */
	int size = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "subgate-test-port-%u", port);
	socklen_t name_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size);
	int claim = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(claim >= 0 && probe >= 0);
	bool is_ours = bind(claim, (const struct sockaddr *)&name, name_size) == 0 &&
		       bind(probe, (const struct sockaddr *)&here, sizeof(here)) == 0;
	close(probe);
	if (!is_ours)
		close(claim);
	return is_ours; /* and stays so until the program ends */
}

/* A port that is free at all addresses, and that no other test gets while this program runs. */
static inline uint16_t test_free_port(void)
{
	uint32_t start;
	assert_int_equal(getrandom(&start, sizeof(start), 0), sizeof(start));
	for (unsigned i = 0; i < PORTS_COUNT; i++) {
		unsigned port = PORTS_FIRST + (start % PORTS_COUNT + i) % PORTS_COUNT;
		if (port_claim(port))
			return (uint16_t)port;
	}
	fail_msg("no port is free");
	return 0;
}

#endif

/*
 * sd_notify's protocol by hand: a datagram for each state to the socket that NOTIFY_SOCKET names. Owns nothing for
 * longer than a call. If nobody listens, it is lost.
 */
#include "supervise/notify.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/span.h"

static void send_state(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = '\0'; /* an abstract name */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address, size);
	close(fd);
}

void notify_ready(void)
{
	send_state("READY=1");
}

void notify_reloading(void)
{
	struct timespec now;
	char state[64];
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
	send_state(state);
}

void notify_stopping(void)
{
	send_state("STOPPING=1");
}

void notify_watchdog(void)
{
	send_state("WATCHDOG=1");
}

/* A number from the environment; 0 where there is none. */
static uint64_t read_number(const char *name)
{
	const char *text = getenv(name);
	uint64_t number = 0;
	if (text == NULL || span_to_u64(span_of(text), &number) != STATUS_OK)
		return 0;
	return number;
}

uint64_t notify_watchdog_limit_ms(void)
{
	bool for_another = getenv("WATCHDOG_PID") && read_number("WATCHDOG_PID") != (uint64_t)getpid();
	return for_another ? 0 : read_number("WATCHDOG_USEC") / 1000;
}

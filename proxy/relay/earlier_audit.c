/* Owns the descriptors until they are closed. */
#include "relay/earlier_audit.h"

#include <stdio.h>
#include <unistd.h>

void earlier_audit_take(const struct role_context *context, struct earlier_audit *out_earlier)
{
	char name[sizeof("audit-earlier:") + 20];
	out_earlier->count = 0;
	while (out_earlier->count < EARLIER_AUDIT_MAXIMUM) {
		snprintf(name, sizeof(name), "audit-earlier:%zu", out_earlier->count);
		int fd = role_take_fd(context, name);
		if (fd < 0)
			return;
		out_earlier->fds[out_earlier->count++] = fd;
	}
}

void earlier_audit_close(struct earlier_audit *earlier)
{
	while (earlier->count)
		close(earlier->fds[--earlier->count]);
}

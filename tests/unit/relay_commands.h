/* relay_doors.h, and an administrator who commands. */
#ifndef TESTS_RELAY_COMMANDS_H
#define TESTS_RELAY_COMMANDS_H

#include "relay_doors.h"

static inline void send_command(const char *json)
{
	const struct door_control_request message = { .request = 5, .json = span_of(json) };
	forget_heard();
	assert_int_equal(door_send_control_request(admin_peer, &message), STATUS_OK);
}

#endif

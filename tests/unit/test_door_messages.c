/* The messages generated from the .def files, over a real door. */
#include "with_loop.h"

#include <string.h>
#include <sys/socket.h>

#include "door/messages.h"

/* What arrived, by type; grants are read into `grant`. */
struct receiver {
	unsigned frames;
	uint16_t type;
	enum status read;
	uint64_t session;
	size_t groups;
	char user[64];
	char helo[64];
};

static enum status on_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	struct receiver *receiver = context;
	struct door_grant grant;
	struct door_granted other;
	(void)door;
	receiver->frames++;
	receiver->type = type;
	receiver->read = door_read_grant(payload, &grant);
	if (receiver->read != STATUS_OK)
		return STATUS_OK;
	receiver->session = grant.session;
	receiver->groups = codec_list_count(grant.groups);
	memcpy(receiver->user, grant.user.data, grant.user.size);
	memcpy(receiver->helo, grant.client.helo.data, grant.client.helo.size);
	/* One message is not another. */
	return door_read_granted(payload, &other) == STATUS_INVALID ? STATUS_OK : STATUS_INVALID;
}

static void on_closed(void *context, struct door *door)
{
	(void)context;
	(void)door;
	fail_msg("the door broke");
}

static bool has_frame(void *context)
{
	return ((struct receiver *)context)->frames > 0;
}

static void a_message_comes_back_field_by_field(void **state)
{
	static const struct door_handler handler = { .on_frame = on_frame, .on_closed = on_closed };
	struct receiver receiver = { .read = STATUS_INVALID };
	struct loop *loop;
	struct door *ours, *theirs;
	struct buf groups BUF_AUTO;
	int fds[2];
	(void)state;
	buf_init(&groups, 1024);
	assert_int_equal(codec_list_add(&groups, SPAN("cn=a")), STATUS_OK);
	assert_int_equal(codec_list_add(&groups, SPAN("cn=b")), STATUS_OK);
	assert_int_equal(loop_create(&loop), STATUS_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(door_create(loop, fds[0], &handler, &receiver, &ours), STATUS_OK);
	assert_int_equal(door_create(loop, fds[1], &handler, &receiver, &theirs), STATUS_OK);
	const struct door_grant grant = {
		.request = 1,
		.gate = 2,
		.session = 0x123456789abcdef0,
		.user = SPAN("alice@example.com"),
		.groups = codec_list_of(&groups),
		.client.helo = SPAN("[127.0.0.1]"),
	};
	assert_int_equal(door_send_grant(ours, &grant), STATUS_OK);
	run_until(loop, has_frame, &receiver);
	assert_int_equal(receiver.read, STATUS_OK);
	assert_int_equal(receiver.type, DOOR_GRANT);
	assert_true(receiver.session == grant.session);
	assert_int_equal(receiver.groups, 2);
	assert_string_equal(receiver.user, "alice@example.com");
	assert_string_equal(receiver.helo, "[127.0.0.1]");
	door_free(&ours);
	door_free(&theirs);
	loop_free(loop);
}

static void types_have_names(void **state)
{
	(void)state;
	assert_string_equal(door_type_text(DOOR_MECHANISMS), "mechanisms");
	assert_string_equal(door_type_text(DOOR_CONTROL_REPLY), "control_reply");
	assert_string_equal(door_type_text(DOOR_TYPE_COUNT), "unknown");
	assert_string_equal(door_type_text(UINT16_MAX), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_comes_back_field_by_field),
		cmocka_unit_test(types_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Which roles may talk to each other, and the doors between them: socket pairs, whose ends reach their processes over
 * the supervisor's doors. A start, a restart and a reload work alike: a new process gets new doors to all its
 * neighbours, and they get theirs.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door/messages.h"
#include "supervise/supervisor.h"

static const struct {
	enum role_kind one, other;
} pairs[] = {
	{ ROLE_GATE, ROLE_AUTH },  { ROLE_GATE, ROLE_RELAY },  { ROLE_AUTH, ROLE_RELAY },
	{ ROLE_ADMIN, ROLE_AUTH }, { ROLE_ADMIN, ROLE_RELAY }, { ROLE_ADMIN, ROLE_CONSOLE },
};

static bool are_neighbours(enum role_kind a, enum role_kind b)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if ((pairs[i].one == a && pairs[i].other == b) || (pairs[i].one == b && pairs[i].other == a))
			return true;
	return false;
}

/* Gives one end away. A process that can't take it is ending, which is noticed elsewhere. */
static enum status send_end(struct post *to, enum role_kind peer, uint32_t instance, int fd)
{
	const struct door_attach attach = { .role = (uint8_t)peer, .instance = instance };
	if (to->door == NULL) {
		close(fd);
		return STATUS_OK;
	}
	door_attach_fd(to->door, fd);
	return door_send_attach(to->door, &attach);
}

static enum status make_pair(int out_ends[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, out_ends) < 0 ? STATUS_SYSTEM
												: STATUS_OK;
}

static enum status attach_pair(struct post *one, struct post *other)
{
	int ends[2];
	TRY(make_pair(ends));
	enum status first = send_end(one, other->kind, other->instance, ends[0]);
	enum status second = send_end(other, one->kind, one->instance, ends[1]);
	return first != STATUS_OK ? first : second;
}

/* The door for administrators' commands to the supervisor itself. */
static enum status attach_control(struct post *admin)
{
	int ends[2];
	TRY(make_pair(ends));
	const struct supervisor *supervisor = admin->generation->supervisor;
	enum status status =
		door_create(supervisor->loop, ends[0], supervisor->command_handler, admin, &admin->control);
	if (status != STATUS_OK) {
		close(ends[1]); /* the door closed the other */
		return status;
	}
	return send_end(admin, ROLE_SUPERVISOR, 0, ends[1]);
}

void doors_renew(struct post *post)
{
	struct generation *generation = post->generation;
	for (size_t i = 0; i < generation->post_count; i++) {
		struct post *other = &generation->posts[i];
		if (!post_has_process(other) || !are_neighbours(post->kind, other->kind) ||
		    post->lost[other->kind] != other->instance)
			continue;
		if (attach_pair(post, other) != STATUS_OK)
			log_error("no new door between %s and %s", role_kind_text(post->kind),
				  role_kind_text(other->kind));
	}
	memset(post->lost, 0, sizeof(post->lost));
}

enum status doors_attach(struct post *post)
{
	struct generation *generation = post->generation;
	for (size_t i = 0; i < generation->post_count; i++) {
		struct post *other = &generation->posts[i];
		if (other != post && post_has_process(other) && are_neighbours(post->kind, other->kind))
			TRY(attach_pair(post, other));
	}
	return post->kind == ROLE_ADMIN ? attach_control(post) : STATUS_OK;
}

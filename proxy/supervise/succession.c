/*
 * What passes from a gate to its successor: its listening sockets, if it ended as it was told to. Otherwise they are
 * replaced, and living gates are told. Gates have no sockets before their whole generation serves, so that a generation
 * that is given up takes no client with it. Owns nothing.
 */
#include <fcntl.h>

#include "base/log.h"
#include "door/messages.h"
#include "role/role.h"
#include "supervise/gate_sockets.h"
#include "supervise/supervisor.h"

static struct gate_place place_of(const struct post *post)
{
	const struct config *config = post->generation->config;
	return (struct gate_place){ config, post->index, role_gate_count(config) };
}

/* ---- to gates that live */

static enum status send_socket(void *context, const char *name, int fd)
{
	struct post *post = context;
	const struct door_listen message = { .name = span_of(name) };
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return STATUS_SYSTEM;
	door_attach_fd(post->door, copy);
	return door_send_listen(post->door, &message);
}

/* A gate that can't be told would leave clients waiting, or go on with a socket that may be spoiled. */
static void tell_post(struct post *post)
{
	struct sockets *sockets = &post->generation->supervisor->sockets;
	const struct gate_place place = place_of(post);
	char name[POST_NAME_SIZE];
	if (post->kind != ROLE_GATE || post->state != POST_READY || post->door == NULL)
		return;
	if (gate_sockets_visit_newer(sockets, &place, post->newest_socket, send_socket, post) != STATUS_OK) {
		post_name(post, name);
		log_error("%s can't be told where to listen: it is killed", name);
		post_kill(post);
	}
	post->newest_socket = sockets->last_number;
}

void succession_tell(struct generation *generation)
{
	for (size_t i = 0; generation->stage == GENERATION_SERVING && i < generation->post_count; i++)
		tell_post(&generation->posts[i]);
}

/* ---- an end */

void succession_take_end(const struct post *post, bool well)
{
	struct supervisor *supervisor = post->generation->supervisor;
	const struct gate_place place = place_of(post);
	char name[POST_NAME_SIZE];
	if (post->kind != ROLE_GATE || post->newest_socket == 0 ||
	    !gate_sockets_judge(&supervisor->sockets, &place, well))
		return;
	post_name(post, name);
	log_info("%s did not end well: what it listened on is opened anew", name);
	succession_tell(supervisor->current);
}

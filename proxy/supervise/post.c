/* What all that deal with a post need of it: its name, its state, and the hard end of its process. Owns nothing. */
#include <signal.h>

#include "supervise/supervisor.h"

const char *post_state_text(enum post_state state)
{
	static const char *const texts[] = {
		[POST_EMPTY] = "empty",       [POST_STARTING] = "starting", [POST_READY] = "ready",
		[POST_DRAINING] = "draining", [POST_WAITING] = "waiting",   [POST_GONE] = "gone",
	};
	return state < POST_STATES ? texts[state] : "unknown";
}

void post_name(const struct post *post, char out_name[POST_NAME_SIZE])
{
	if (post->index)
		snprintf(out_name, POST_NAME_SIZE, "%s %u", role_kind_text(post->kind), post->index);
	else
		snprintf(out_name, POST_NAME_SIZE, "%s", role_kind_text(post->kind));
}

bool post_has_process(const struct post *post)
{
	return post->process != NULL;
}

bool post_faces_clients(const struct post *post)
{
	return post->kind == ROLE_GATE || post->kind == ROLE_CONSOLE;
}

void post_kill(struct post *post)
{
	if (post->process)
		process_signal(post->process, SIGKILL);
}

void post_tell_generation(const struct post *post)
{
	struct generation *generation = post->generation;
	loop_at_turn_end(generation->supervisor->loop, &generation->look);
}

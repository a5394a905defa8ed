/* The end of a stream, whichever half comes to it. */
#include <stdlib.h>

#include "net/stream_state.h"

/* Once: a stream freed inside its owner's callback is dropped again after it. */
static void tell_gone(struct stream *s)
{
	void (*on_gone)(void *context) = s->options.on_gone;
	s->options.on_gone = NULL;
	if (on_gone)
		on_gone(s->options.gone_context);
}

void stream_drop(struct stream *s)
{
	loop_guest_leave(&s->guest);
	loop_forget_turn_end(s->loop, &s->end);
	timer_free(&s->deadline);
	watch_free(&s->watch);
	channel_close(&s->channel);
	tell_gone(s);
	buf_free(&s->input);
	buf_free(&s->output);
	if (s->calling)
		s->freed = true;
	else
		free(s);
}

/* Whom an event means. */
#include "redis/events.h"

bool event_means_user(struct span user_id, struct span id, struct span name)
{
	struct span rest = user_id, kind;
	if (span_equal(user_id, id))
		return true;
	return span_contains_byte(user_id, ':') && span_cut(&rest, ':', &kind) && span_equal(kind, SPAN("name")) &&
	       span_equal(rest, name);
}

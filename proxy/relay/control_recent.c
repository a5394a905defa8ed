/* messages, audit recent: searches of the audit, one after the other, so that they take no more than one thread. */
#include <stdlib.h>

#include "relay/control.h"
#include "relay/rebuilding.h"
#include "relay/recent.h"

#define WAITING_MAXIMUM 128
#define SEARCH_MS 60 /* whoever searches further goes on from there */

/* One that waits, or is under way: the first of control->inquiries. */
struct inquiry {
	struct inquiry *next;
	uint64_t request, generation;
	json_t *asked;
	bool only_outcomes;
	struct recent *recent; /* NULL: it waits */
};

static void drop_first(struct control *control)
{
	struct inquiry *first = control->inquiries;
	control->inquiries = first->next;
	recent_free(&first->recent);
	json_decref(first->asked);
	free(first);
}

static void on_done(void *context, enum status status);

/* The first, if it is not under way; whatever can't be is answered. */
static void begin_next(struct control *control)
{
	while (control->inquiries && control->inquiries->recent == NULL) {
		struct inquiry *first = control->inquiries;
		const char *fault = "the audit can't be read now";
		if (control->outline == NULL && outline_create(&control->outline) != STATUS_OK)
			control->outline = NULL; /* more is read */
		const struct recent_options options = {
			.fds = control->rebuilding->fds,
			.count = control->rebuilding->fd_count,
			.request = first->asked,
			.only_outcomes = first->only_outcomes,
			.limit_ms = SEARCH_MS,
			.outline = control->outline,
			.on_done = on_done,
			.context = control,
		};
		bool is_asked = first->generation == control->generation;
		if (is_asked && recent_start(control->services->loop, &options, &first->recent, &fault) == STATUS_OK)
			return;
		if (is_asked)
			control_refuse(control, first->request, fault);
		drop_first(control);
	}
}

static void on_done(void *context, enum status status)
{
	struct control *control = context;
	const struct inquiry *first = control->inquiries;
	bool is_asked = first->generation == control->generation;
	if (is_asked && status == STATUS_OK)
		control_reply_text(control, first->request, recent_answer(first->recent));
	else if (is_asked)
		control_refuse(control, first->request, "the audit can't be read now");
	drop_first(control);
	begin_next(control);
}

static void add_inquiry(struct control *control, uint64_t request, const json_t *object, bool only_outcomes)
{
	struct inquiry **at = &control->inquiries;
	size_t count = 0;
	for (; *at; at = &(*at)->next)
		count++;
	struct inquiry *inquiry = count < WAITING_MAXIMUM ? calloc(1, sizeof(*inquiry)) : NULL;
	if (inquiry == NULL) {
		control_refuse(control, request, "too many searches are under way; try again in a moment");
		return;
	}
	*inquiry = (struct inquiry){ .request = request,
				     .generation = control->generation,
				     .asked = json_deep_copy(object),
				     .only_outcomes = only_outcomes };
	*at = inquiry;
	begin_next(control);
}

void control_list_messages(struct control *control, uint64_t request, const json_t *object)
{
	add_inquiry(control, request, object, true);
}

void control_list_recent(struct control *control, uint64_t request, const json_t *object)
{
	add_inquiry(control, request, object, false);
}

void control_inquiries_free(struct control *control)
{
	while (control->inquiries)
		drop_first(control);
	outline_free(&control->outline);
}

/* Counts of sessions without a login. Owns a timer. */
#include "gate/anonymous.h"

#include <string.h>

#include "base/log.h"
#include "door/messages.h"
#include "gate/gate.h"

static bool tell_network(struct anonymous *anonymous, const char *network, uint64_t count)
{
	struct relay_door *relay = &anonymous->gate->relay;
	const struct door_sessions_anonymous message = { .network = span_of(network), .count = count };
	return !relay_door_is_full(relay) && relay_door_sessions_anonymous(relay, &message) == STATUS_OK;
}

/* True when nothing is left. */
static bool tell_all(struct anonymous *anonymous)
{
	while (anonymous->row_count) {
		const struct anonymous_row *last = &anonymous->rows[anonymous->row_count - 1];
		if (!tell_network(anonymous, last->network, last->count))
			return false;
		anonymous->row_count--;
	}
	if (anonymous->others && !tell_network(anonymous, "", anonymous->others))
		return false;
	anonymous->others = 0;
	return true;
}

static void run_timer(struct anonymous *anonymous)
{
	if (!anonymous->runs)
		timer_set(anonymous->timer, ANONYMOUS_MINUTE);
	anonymous->runs = true;
}

static void on_minute_over(void *context)
{
	struct anonymous *anonymous = context;
	anonymous->runs = false;
	if (!tell_all(anonymous))
		run_timer(anonymous);
}

enum status anonymous_begin(struct anonymous *anonymous, struct gate *gate)
{
	anonymous->gate = gate;
	return timer_make(gate->loop, on_minute_over, anonymous, &anonymous->timer);
}

/* NULL: there is no row for it, and no room for one. */
static struct anonymous_row *find_row(struct anonymous *anonymous, const char *network)
{
	for (unsigned i = 0; i < anonymous->row_count; i++)
		if (strcmp(anonymous->rows[i].network, network) == 0)
			return &anonymous->rows[i];
	if (anonymous->row_count == ANONYMOUS_NETWORKS)
		return NULL;
	struct anonymous_row *row = &anonymous->rows[anonymous->row_count++];
	snprintf(row->network, sizeof(row->network), "%s", network);
	row->count = 0;
	return row;
}

void anonymous_note(struct anonymous *anonymous, struct span address)
{
	char network[NETWORK_TEXT_SIZE];
	network_of_client(address, network);
	struct anonymous_row *row = find_row(anonymous, network);
	if (row)
		row->count++;
	else
		anonymous->others++;
	run_timer(anonymous);
}

void anonymous_tell(struct anonymous *anonymous)
{
	if (!tell_all(anonymous))
		run_timer(anonymous);
}

void anonymous_end(struct anonymous *anonymous)
{
	if (anonymous->timer && !tell_all(anonymous))
		log_warning("clients went without a login, and the audit was not told how many");
	timer_free(&anonymous->timer);
}

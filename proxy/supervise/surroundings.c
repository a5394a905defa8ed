/* Owns nothing: the roles' gauges have it all. */
#include "supervise/surroundings.h"

/* Labels of COUNTER_SESSIONS. */
enum { SESSIONS_OPEN, SESSIONS_AUTHENTICATED };

/* The process that serves, of the current generation; NULL: there is none. */
static const struct post *find_serving(const struct supervisor *supervisor, enum role_kind kind)
{
	const struct generation *generation = supervisor->current;
	for (size_t i = 0; i < generation->post_count; i++)
		if (generation->posts[i].kind == kind && generation->posts[i].state == POST_READY)
			return &generation->posts[i];
	return NULL;
}

static uint64_t gauge_of(const struct post *post, enum stats_counter gauge, unsigned label)
{
	return seats_labelled_gauge(post->generation->supervisor->seats, post->seat, gauge, label);
}

static void add_service(json_t *list, const char *service, const char *name, const char *state)
{
	json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "service", service, "name", name, "state", state));
}

static void add_directories(json_t *list, const struct supervisor *supervisor)
{
	const struct config *config = supervisor->current->config;
	const struct post *auth = find_serving(supervisor, ROLE_AUTH);
	for (unsigned i = 0; i < config->ldap.count; i++) {
		const char *state = "unknown";
		if (auth && gauge_of(auth, COUNTER_LDAP_REFUSED, i))
			state = "refused";
		else if (auth)
			state = gauge_of(auth, COUNTER_LDAP_UP, i) ? "up" : "down";
		add_service(list, "directory", config->ldap.items[i].name, state);
	}
}

static void add_disk(json_t *list, const struct post *relay)
{
	uint64_t free_bytes = relay ? gauge_of(relay, COUNTER_AUDIT_FREE, 0) : 0;
	const char *state = "unknown";
	if (relay && gauge_of(relay, COUNTER_AUDIT_STUCK, 0))
		state = "stuck";
	else if (relay && gauge_of(relay, COUNTER_AUDIT_LOW_SPACE, 0))
		state = "low";
	else if (free_bytes)
		state = "up";
	json_t *row = json_pack("{s:s, s:s, s:s}", "service", "audit_disk", "name", "", "state", state);
	if (row && free_bytes)
		json_object_set_new(row, "free_bytes", json_integer((json_int_t)free_bytes));
	json_array_append_new(list, row);
}

json_t *surroundings_describe(const struct supervisor *supervisor)
{
	json_t *list = json_array();
	const struct post *relay = find_serving(supervisor, ROLE_RELAY);
	const char *redis = relay == NULL ? "unknown" : gauge_of(relay, COUNTER_REDIS_UP, 0) ? "up" : "down";
	add_service(list, "redis", "", redis);
	add_directories(list, supervisor);
	add_disk(list, relay);
	return list;
}

/* No more than there may be, whatever a gate says. */
static uint64_t count_sessions(const struct supervisor *supervisor, unsigned label)
{
	uint64_t sessions = seats_sum(supervisor->seats, COUNTER_SESSIONS, label, SEATS_ALL);
	uint64_t maximum = supervisor->current->config->limits.connections;
	for (const struct generation *old = supervisor->outgoing; old; old = old->next)
		maximum += old->config->limits.connections;
	return sessions < maximum ? sessions : maximum;
}

json_t *surroundings_describe_traffic(const struct supervisor *supervisor)
{
	struct traffic_part part;
	traffic_show(supervisor->traffic, &part);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "seconds", (json_int_t)(part.ms / 1000), "ok",
			 (json_int_t)part.counts[TRAFFIC_OK], "refused", (json_int_t)part.counts[TRAFFIC_REFUSED],
			 "failed", (json_int_t)part.counts[TRAFFIC_FAILED], "unknown",
			 (json_int_t)part.counts[TRAFFIC_UNKNOWN], "turned_away",
			 (json_int_t)part.counts[TRAFFIC_TURNED_AWAY], "sessions_open",
			 (json_int_t)count_sessions(supervisor, SESSIONS_OPEN), "sessions_authenticated",
			 (json_int_t)count_sessions(supervisor, SESSIONS_AUTHENTICATED));
}

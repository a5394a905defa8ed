/* The health of servers: one word each, changed by whichever thread learns something; changes are logged once. */
#include "auth/ldap/server.h"

#include "base/clock.h"
#include "base/log.h"

#define PATIENCE_SHIFT 2    /* a quarter of a time-out, then half of one, then all of it */
#define COMPLAINT_MS 600000 /* between two lines of one server */

const char *ldap_server_uri(struct ldap_server *server)
{
	return atomic_load(&server->uri);
}

static const char *shown_uri(struct ldap_server *server)
{
	const char *uri = ldap_server_uri(server);
	return uri ? uri : "srv:";
}

bool ldap_server_set_uri(struct ldap_server *server, const char *uri)
{
	if (atomic_exchange(&server->uri, uri) == uri)
		return false;
	atomic_store(&server->health, LDAP_HEALTH_UP);
	atomic_fetch_add(&server->epoch, 1);
	return true;
}

enum ldap_health ldap_server_health(struct ldap_server *server)
{
	return atomic_load(&server->health);
}

void ldap_server_note_answer(struct ldap_server *server)
{
	if (atomic_exchange(&server->health, LDAP_HEALTH_UP) != LDAP_HEALTH_UP)
		log_info("ldap %s: %s answers again", server->directory, shown_uri(server));
}

static void log_failure(struct ldap_server *server, const char *fault)
{
	log_warning("ldap %s: %s is away: %s", server->directory, shown_uri(server), fault);
}

void ldap_server_doubt(struct ldap_server *server, const char *fault)
{
	enum ldap_health up = LDAP_HEALTH_UP;
	if (atomic_compare_exchange_strong(&server->health, &up, LDAP_HEALTH_DOUBTED))
		log_failure(server, fault);
}

uint64_t ldap_server_patience_ms(struct ldap_server *server, uint64_t timeout_ms)
{
	unsigned slowness = atomic_load(&server->slowness);
	return timeout_ms >> (slowness < PATIENCE_SHIFT ? PATIENCE_SHIFT - slowness : 0);
}

void ldap_server_suspect(struct ldap_server *server)
{
	atomic_store(&server->suspected, true);
}

void ldap_server_note_answered_probe(struct ldap_server *server)
{
	if (atomic_exchange(&server->suspected, false))
		atomic_fetch_add(&server->slowness, 1);
	ldap_server_note_answer(server);
}

void ldap_server_note_failed_probe(struct ldap_server *server, enum ldap_health health, const char *fault)
{
	atomic_store(&server->suspected, false);
	atomic_store(&server->slowness, 0);
	if (atomic_exchange(&server->health, health) == LDAP_HEALTH_UP)
		log_failure(server, fault);
}

void ldap_server_complain(struct ldap_server *server, const char *fault)
{
	uint64_t now_ms = clock_monotonic_ms();
	uint64_t last_ms = atomic_load(&server->complained_ms);
	if ((last_ms == 0 || now_ms - last_ms >= COMPLAINT_MS) &&
	    atomic_compare_exchange_strong(&server->complained_ms, &last_ms, now_ms))
		log_warning("ldap %s: %s can't be used: %s", server->directory, shown_uri(server), fault);
}

unsigned ldap_server_epoch(struct ldap_server *server)
{
	return atomic_load(&server->epoch);
}

void ldap_server_end_epoch(struct ldap_server *server, unsigned epoch)
{
	atomic_compare_exchange_strong(&server->epoch, &epoch, epoch + 1);
}

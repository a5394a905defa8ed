/* What is known of the searching account, under a lock that nobody holds while they wait for a server. */
#include "auth/ldap/service.h"

#include <time.h>

#include "base/clock.h"
#include "base/log.h"

void ldap_service_init(struct ldap_service *service, const char *directory)
{
	*service = (struct ldap_service){ .directory = directory };
	pthread_mutex_init(&service->lock, NULL);
	pthread_cond_init(&service->changed, NULL);
}

void ldap_service_destroy(struct ldap_service *service)
{
	pthread_cond_destroy(&service->changed);
	pthread_mutex_destroy(&service->lock);
}

bool ldap_service_pauses(struct ldap_service *service)
{
	pthread_mutex_lock(&service->lock);
	bool pauses = clock_monotonic_ms() < service->pause_until_ms;
	pthread_mutex_unlock(&service->lock);
	return pauses;
}

/* `lock` is held. A thread whose server is silent holds up the others no longer than this. */
static void await_turn(struct ldap_service *service)
{
	uint64_t ends_ms = clock_monotonic_ms() + LDAP_SERVICE_TURN_MS;
	struct timespec end = { .tv_sec = (time_t)(ends_ms / 1000), .tv_nsec = (long)(ends_ms % 1000) * 1000000 };
	while (service->trying && clock_monotonic_ms() < ends_ms)
		pthread_cond_clockwait(&service->changed, &service->lock, CLOCK_MONOTONIC, &end);
}

bool ldap_service_begin(struct ldap_service *service)
{
	pthread_mutex_lock(&service->lock);
	if (clock_monotonic_ms() >= service->good_until_ms)
		await_turn(service);
	bool may = clock_monotonic_ms() >= service->pause_until_ms;
	if (may)
		service->trying = true;
	pthread_mutex_unlock(&service->lock);
	return may;
}

/* `lock` is held. */
static void note_refusal(struct ldap_service *service, const char *uri, const char *fault)
{
	uint64_t now_ms = clock_monotonic_ms();
	if (now_ms < service->pause_until_ms)
		return; /* a thread that was about to bind when another one was refused */
	service->pause_ms = service->pause_ms ? 2 * service->pause_ms : LDAP_SERVICE_PAUSE_MS;
	if (service->pause_ms > LDAP_SERVICE_PAUSE_MOST_MS)
		service->pause_ms = LDAP_SERVICE_PAUSE_MOST_MS;
	service->pause_until_ms = now_ms + service->pause_ms;
	service->good_until_ms = 0;
	log_error("ldap %s: %s refuses bind_dn or its password: %s; nobody can log in; tried again in %llu minutes, "
		  "or after a reload",
		  service->directory, uri, fault, (unsigned long long)(service->pause_ms / 60000));
}

/* `lock` is held. */
static void note_success(struct ldap_service *service)
{
	if (service->pause_ms)
		log_info("ldap %s: bind_dn is accepted again", service->directory);
	service->pause_ms = 0;
	service->pause_until_ms = 0;
	service->good_until_ms = clock_monotonic_ms() + LDAP_SERVICE_GOOD_MS;
}

void ldap_service_end(struct ldap_service *service, enum ldap_service_result result, const char *uri, const char *fault)
{
	pthread_mutex_lock(&service->lock);
	service->trying = false;
	switch (result) {
	case LDAP_SERVICE_ACCEPTED:
		note_success(service);
		break;
	case LDAP_SERVICE_REFUSED:
		note_refusal(service, uri, fault);
		break;
	case LDAP_SERVICE_UNDECIDED:
	default:
		break;
	}
	pthread_cond_broadcast(&service->changed);
	pthread_mutex_unlock(&service->lock);
}

bool ldap_service_is_refused(struct ldap_service *service)
{
	pthread_mutex_lock(&service->lock);
	bool refused = service->pause_ms != 0;
	pthread_mutex_unlock(&service->lock);
	return refused;
}

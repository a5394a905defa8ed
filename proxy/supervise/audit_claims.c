/* A list of what is worked at, under a mutex that is held for as long as the list is walked. Owns no claim. */
#include "supervise/audit_claims.h"

#include <pthread.h>
#include <string.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct audit_claim *claims;

static bool is_taken(const struct audit_claim *wanted)
{
	for (const struct audit_claim *claim = claims; claim; claim = claim->next)
		if (claim->job == wanted->job && strcmp(claim->path, wanted->path) == 0)
			return true;
	return false;
}

bool audit_claim_take(struct audit_claim *claim)
{
	pthread_mutex_lock(&mutex);
	bool is_free = !is_taken(claim);
	if (is_free) {
		claim->next = claims;
		claims = claim;
	}
	pthread_mutex_unlock(&mutex);
	return is_free;
}

void audit_claim_drop(struct audit_claim *claim)
{
	pthread_mutex_lock(&mutex);
	for (struct audit_claim **at = &claims; *at; at = &(*at)->next)
		if (*at == claim) {
			*at = claim->next;
			break;
		}
	pthread_mutex_unlock(&mutex);
}

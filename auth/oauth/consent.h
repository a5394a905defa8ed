/*
 * An administrator's consent under way: "subgatectl relay authorize". One at a
 * time; what it knows is forgotten with it.
 */
#ifndef AUTH_OAUTH_CONSENT_H
#define AUTH_OAUTH_CONSENT_H

#include "auth/oauth/fetch.h"

#define CONSENT_ID_ENTROPY 16 /* bytes */
#define CONSENT_URL_MAXIMUM 4096

struct consent {
	const struct oauth_client *client; /* NULL: none is under way */
	struct secret id;                  /* what its administrator shows to go on */
	struct secret device_code;         /* device flow; else the others */
	struct secret verifier, state;
	char redirect_uri[64];
	uint64_t ends_ms;
	bool is_busy; /* a request of it is */
};

void consent_end(struct consent *consent);
/* The flow by the consent page: verifier, state, and appends the page's address to `out_url`. */
MUST_USE enum status consent_begin_page(struct consent *consent, unsigned port, struct buf *out_url);
/*
 * The code in what an administrator gives: the address that their browser was
 * sent to, its query, or the code alone. STATUS_INVALID: none, or of another
 * consent; STATUS_REFUSED: the page said no.
 */
MUST_USE enum status consent_read_answer(const struct consent *consent, struct span answer, struct buf *out_code);

#endif

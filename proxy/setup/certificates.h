/* Which certificate: what certbot, acme.sh and lego keep here, files that are named, or one made here to begin with. */
#ifndef SETUP_CERTIFICATES_H
#define SETUP_CERTIFICATES_H

#include "setup/plan.h"

/* Asks for it; the host name is known. `home` is where acme.sh and lego keep theirs. */
MUST_USE enum status certificates_ask(struct ask *ask, struct plan *plan, const char *home);

#endif

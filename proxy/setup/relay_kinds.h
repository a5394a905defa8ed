/* The kinds of relays: how each is reached, and where in its web pages is found what it wants. Constant data. */
#ifndef SETUP_RELAY_KINDS_H
#define SETUP_RELAY_KINDS_H

#include "config/config.h"
#include "setup/ask.h"

#define RELAY_SES_HOST "email-smtp." /* and a region */
#define RELAY_SES_DOMAIN ".amazonaws.com"
#define RELAY_OPTIONS 8

enum relay_kind_index {
	RELAY_KIND_GMAIL,
	RELAY_KIND_GOOGLE_RELAY,
	RELAY_KIND_MICROSOFT,
	RELAY_KIND_SES,
	RELAY_KIND_OWN,
	RELAY_KIND_OTHER,
	RELAY_KINDS,
};

struct relay_option {
	const char *name;
	const char *value; /* as it stands in a configuration */
};

struct relay_kind {
	struct ask_choice choice; /* its name is the section's, too */
	const char *host;         /* "" where it is asked for */
	const char *port;
	const char *tls;
	const char *auth;
	const char *guide;
	struct relay_option options[RELAY_OPTIONS]; /* besides; ended by one without a name */
};

extern const struct relay_kind relay_kinds[RELAY_KINDS];

/* Of a relay that is configured. */
const struct relay_kind *relay_kind_of(const struct config_relay *relay);

#endif

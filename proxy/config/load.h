/* A configuration being loaded: what reading, defaults and rules share. Private to this room. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "config/config.h"
#include "config/faults.h"
#include "config/parse.h"
#include "config/scan.h"

struct load {
	struct scan scan;
	struct parsed *parsed;
	struct faults faults;
	struct config *config;
};

/*
 * A fault of an option (NULL: of the section). It is at the option's line; if that was not given, at its section's; or
 * else at the file's first.
 */
void load_fault(struct load *load, const char *section, const char *title, const char *option, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Index of the section's place; PLACE_TOP for the top level, PLACE_NONE for what is not there. */
size_t load_find_block(const struct load *load, const char *section, const char *title);
/* Of the option (NULL: of the section) at that place, or where it was not given of its section. */
unsigned load_find_line(const struct load *load, size_t block, const char *option);

/*
 * Brings lists of users (options `users`), groups (whose names end in `groups`) and domains (`sender_domains`) to
 * their canonical form. What has none is a fault.
 */
MUST_USE enum status names_canonicalize(struct load *load);

/* Sorts what config_find_relay and config_find_oauth find. STATUS_NO_MEMORY. */
MUST_USE enum status lookup_sort(struct config *config);

/* Whether the parts of a configuration make sense together. Adds to load->faults. */
void rules_apply(struct load *load);
/* The part of it that is about ways to log in: rules_ways.c. */
void rules_check_client_certificate(struct load *load, const struct config_listener *listener);
void rules_check_ways(struct load *load);
/* The part of it that is about users: rules_people.c. */
void rules_check_people(struct load *load);
/* The part of it that is about notices: rules_notify.c. */
void rules_check_notify(struct load *load);
/* The part of it that is about the console: rules_console.c. */
void rules_check_console(struct load *load);
/* The part of it that is about logins there by OpenID Connect: rules_oidc.c. */
void rules_check_oidc(struct load *load);
/* A section that names nobody matches nobody; `default` alone is for all others. */
void rules_check_members(struct load *load, const char *section, const char *title, bool has_default,
			 const struct config_list *users, const struct config_list *groups);
/* An option that is one mail address, or empty. */
void rules_check_address(struct load *load, const char *section, const char *title, const char *option,
			 const char *text);
/* The part of it that is about Redis: rules_redis.c. */
void rules_check_redis(struct load *load);
/* The part of it that is about tokens: rules_oauth.c. */
void rules_check_audit(struct load *load);
void rules_check_oauths(struct load *load);
void rules_check_token_login(struct load *load, const struct config_relay *relay);
void rules_check_per_sender(struct load *load, const struct config_relay *relay);

#endif

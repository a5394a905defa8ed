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

/* Whether the parts of a configuration make sense together. Adds to load->faults. */
void rules_apply(struct load *load);
/* The part of it that is about tokens: rules_oauth.c. */
void rules_check_oauths(struct load *load);
void rules_check_token_login(struct load *load, const struct config_relay *relay);
void rules_check_per_sender(struct load *load, const struct config_relay *relay);

#endif

/* What the `profile` of an ldap section sets by default: options that suit that kind of directory. Given ones win. */
#ifndef CONFIG_PROFILES_H
#define CONFIG_PROFILES_H

#include "config/config.h"

/* As it would stand in the file, of a list with commas between the items; NULL: the default of options.def. */
const char *profiles_default(enum config_profile profile, const char *option);

/* Its name, as in the file. */
const char *profiles_text(enum config_profile profile);

#endif

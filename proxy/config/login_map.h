/*
 * auth.login_map: which user is meant by a name that somebody logs in with. A line is "PATTERN -> NAME"; one * in the
 * pattern stands for one or more characters, but no @ and no backslash, and one * in the name for the same.
 */
#ifndef CONFIG_LOGIN_MAP_H
#define CONFIG_LOGIN_MAP_H

#include "base/name.h"
#include "config/config.h"

bool login_map_is_line(struct span line);
/*
 * By the first line that matches `name` (canonical), in any case of ASCII letters; by none, it stays as it is.
 * STATUS_INVALID: what comes out is no name. STATUS_NO_MEMORY.
 */
MUST_USE enum status login_map_apply(const struct config_list *map, struct span name, char out_name[NAME_SIZE]);

#endif

/* One field of a config struct: filled from its text, and freed. Private to this room. */
#ifndef CONFIG_FILL_H
#define CONFIG_FILL_H

#include "config/table.h"
#include "config/values.h"

#define FILL_EXPECTED_SIZE 256 /* bytes, the NUL included */

/* STATUS_INVALID: `text` is no value of this option, the field is untouched. Not for lists. */
MUST_USE enum status fill_value(const struct config *config, const struct config_option *option, struct span text,
				void *out_field);
/* The default; lists too. */
MUST_USE enum status fill_default(const struct config *config, const struct config_option *option, void *out_field);
MUST_USE enum status fill_list_add(struct config_list *list, struct span item);

/* What was wrong and what is expected, after "is not": `a size; expected a number with K, M or G, such as "35M"`. */
void fill_describe_expected(const struct config_option *option, char out_text[FILL_EXPECTED_SIZE]);

/* The absolute folder that `file` is in; on the heap. STATUS_SYSTEM: no working folder. */
MUST_USE enum status fill_folder_of(const char *file, char **out_folder);

#endif

/* Which users a section with users and groups is for. Pure. */
#include "config/config.h"

static bool has_name(const struct config_list *list, struct span item)
{
	for (size_t i = 0; i < list->count; i++) {
		if (span_equal_nocase(span_of(list->items[i]), item))
			return true;
	}
	return false;
}

bool config_names_user(const struct config_list *users, const struct config_list *groups, struct span user,
		       const struct span *user_groups, size_t group_count)
{
	if (has_name(users, user))
		return true;
	for (size_t i = 0; i < group_count; i++) {
		if (has_name(groups, user_groups[i]))
			return true;
	}
	return false;
}

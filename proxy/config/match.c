/* Which users a section with users, groups and domains is for: canonical names, equal byte by byte. Pure. */
#include "config/config.h"

static bool has_name(const struct config_list *list, struct span item)
{
	for (size_t i = 0; i < list->count; i++) {
		if (span_equal(span_of(list->items[i]), item))
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

bool config_names_domain(const struct config_list *domains, struct span user)
{
	size_t at = user.size;
	while (at > 0 && user.data[at - 1] != '@')
		at--;
	struct span domain = span_slice(user, at, user.size);
	for (size_t i = 0; at > 0 && i < domains->count; i++) {
		struct span item = span_of(domains->items[i]);
		bool is_above = span_starts_with(item, SPAN("."));
		if (is_above ? domain.size > item.size && span_ends_with_nocase(domain, item)
			     : span_equal(domain, item))
			return true;
	}
	return false;
}

/* The users' table. Owns its entries; bounded, so that a stream of names can't fill the memory. */
#include "relay/users.h"

#include <stdlib.h>

struct users {
	struct map map;
	struct user *oldest, *newest;
};

enum status users_create(struct users **out_users)
{
	struct users *users = calloc(1, sizeof(*users));
	if (users == NULL)
		return STATUS_NO_MEMORY;
	enum status status = map_init(&users->map);
	if (status != STATUS_OK) {
		free(users);
		return status;
	}
	*out_users = users;
	return STATUS_OK;
}

static void unlink_user(struct users *users, struct user *user)
{
	*(user->older ? &user->older->newer : &users->oldest) = user->newer;
	*(user->newer ? &user->newer->older : &users->newest) = user->older;
	user->older = user->newer = NULL;
}

static void append_user(struct users *users, struct user *user)
{
	user->older = users->newest;
	*(users->newest ? &users->newest->newer : &users->oldest) = user;
	users->newest = user;
}

static void forget_user(struct users *users, struct user *user)
{
	map_remove(&users->map, &user->link);
	unlink_user(users, user);
	free(user);
}

void users_free(struct users **users)
{
	if (*users == NULL)
		return;
	while ((*users)->oldest)
		forget_user(*users, (*users)->oldest);
	map_free(&(*users)->map);
	free(*users);
	*users = NULL;
}

struct user *users_find(const struct users *users, struct span name)
{
	uint64_t hash = map_hash_text_nocase(&users->map, name);
	for (struct map_link *link = map_first(&users->map, hash); link; link = map_next(link)) {
		struct user *user = MAP_OWNER(link, struct user, link);
		if (span_equal_nocase((struct span){ user->name, user->name_size }, name))
			return user;
	}
	return NULL;
}

static void make_room(struct users *users)
{
	struct user *newer;
	for (struct user *user = users->oldest; user && users->map.count >= USERS_MAXIMUM; user = newer) {
		newer = user->newer;
		if (user->transactions == 0 && spool_share_is_free(&user->spool) && !user->ration.owes)
			forget_user(users, user);
	}
}

static struct user *add_user(struct users *users, struct span name)
{
	make_room(users);
	struct user *user = calloc(1, sizeof(*user) + name.size);
	if (user == NULL)
		return NULL;
	memcpy(user->name, name.data, name.size);
	user->name_size = name.size;
	user->ration.user = (struct span){ user->name, name.size };
	if (map_add(&users->map, &user->link, map_hash_text_nocase(&users->map, name)) != STATUS_OK) {
		free(user);
		return NULL;
	}
	append_user(users, user);
	return user;
}

struct user *users_enter(struct users *users, struct span name, const struct quota_limits *limits)
{
	struct user *user = users_find(users, name);
	if (user == NULL)
		user = add_user(users, name);
	if (user)
		user->limits = *limits;
	return user;
}

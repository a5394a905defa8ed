/* Callers. Owns nothing; in doubt a caller is nobody. */
#include "admin/caller.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUPS_USUAL 64   /* more of them take a second call */
#define LINE_MAXIMUM 4096 /* bytes of a line in /etc/passwd; none after a longer one is seen */

/* The groups beside the primary one: how many, and *out_list from the heap; 0 where there are none, or no telling. */
static size_t list_groups(int fd, gid_t **out_list)
{
	socklen_t size = GROUPS_USUAL * sizeof(gid_t);
	gid_t *list = malloc(size);
	int failed = list ? getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list, &size) : -1;
	if (failed && list && errno == ERANGE) { /* then `size` is what they take */
		free(list);
		list = malloc(size);
		failed = list ? getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list, &size) : -1;
	}
	*out_list = list;
	return failed ? 0 : size / sizeof(gid_t);
}

static bool is_member(gid_t group, gid_t primary, const gid_t *others, size_t count)
{
	bool is_found = group == primary;
	for (size_t i = 0; i < count && !is_found; i++)
		is_found = others[i] == group;
	return is_found && group != (gid_t)-1;
}

static enum caller_right right_of_groups(int fd, gid_t primary, const struct caller_groups *groups)
{
	gid_t *others;
	size_t count = list_groups(fd, &others);
	enum caller_right right = CALLER_NOBODY;
	if (is_member(groups->admins, primary, others, count))
		right = CALLER_ADMIN;
	else if (is_member(groups->operators, primary, others, count))
		right = CALLER_OPERATOR;
	free(others);
	return right;
}

struct caller caller_identify(int fd, const struct caller_groups *groups)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return (struct caller){ .uid = UINT64_MAX };
	struct caller caller = { .uid = peer.uid, .right = CALLER_ADMIN };
	if (peer.uid != 0 && peer.uid != geteuid())
		caller.right = right_of_groups(fd, peer.gid, groups);
	return caller;
}

void caller_find_name(uint64_t uid, char out_name[CALLER_NAME_SIZE])
{
	struct passwd entry, *found;
	char line[LINE_MAXIMUM];
	FILE *file = fopen("/etc/passwd", "re");
	out_name[0] = '\0';
	while (file && fgetpwent_r(file, &entry, line, sizeof(line), &found) == 0) {
		if (entry.pw_uid != uid)
			continue;
		snprintf(out_name, CALLER_NAME_SIZE, "%s", entry.pw_name);
		break;
	}
	if (file)
		fclose(file);
}

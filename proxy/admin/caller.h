/* Who is at the other end of the control socket, as the kernel knows them, and what they may do. */
#ifndef ADMIN_CALLER_H
#define ADMIN_CALLER_H

#include <stdint.h>
#include <sys/types.h>

#define CALLER_NAME_SIZE 256 /* bytes, the NUL included: a user's name fits */

enum caller_right {
	CALLER_NOBODY = 0,
	CALLER_OPERATOR, /* what changes nothing */
	CALLER_ADMIN,    /* everything */
};

/* Whose members may use the socket; (gid_t)-1: no such group. */
struct caller_groups {
	gid_t admins, operators;
};

struct caller {
	uint64_t uid; /* one number, however many processes they run */
	enum caller_right right;
	const char *name;  /* of a person of the console, who has no uid; NULL: as /etc/passwd says */
	const char *token; /* the id of a token of the API, whose label is the name; NULL: none */
};

/* In the place of a uid, for whoever has none. */
#define CALLER_NO_UID UINT64_MAX

/*
 * The peer of a connected UNIX socket, by its user and groups when it connected. Root and the user that we run as are
 * administrators. Where the kernel can't tell, it is nobody.
 */
struct caller caller_identify(int fd, const struct caller_groups *groups);
/* The user's name by /etc/passwd, which asks nobody and so waits for nobody; "" where it isn't there. */
void caller_find_name(uint64_t uid, char out_name[CALLER_NAME_SIZE]);

#endif

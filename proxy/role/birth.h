/*
 * What a role's process is told at its birth: its arguments say which role it is, its environment says the rest.
 * Nothing in it is secret; secrets come as descriptors.
 */
#ifndef ROLE_BIRTH_H
#define ROLE_BIRTH_H

#include <stdint.h>
#include <sys/types.h>

#include "role/handover.h"
#include "role/privileges.h"

/* Variables of a role's environment, at most. */
#define BIRTH_VARIABLES 16

struct birth {
	uint32_t instance;
	unsigned index;
	unsigned seat;
	unsigned seats;
	pid_t parent;
	struct identity identity;
	const char *config_file;           /* as given to -c */
	const char *redis_server;          /* role_context.redis_server */
	gid_t admin_group, operator_group; /* likewise */
};

/* An environment: NULL at its end, each text from the heap. */
struct birth_environment {
	char *variables[BIRTH_VARIABLES + 1];
	size_t count;
};

/* Makes the role's environment: the birth, the descriptors, and what a C library and a sanitizer look at. */
MUST_USE enum status birth_write(const struct birth *birth, const struct handover *list,
				 struct birth_environment *out_environment);
void birth_environment_free(struct birth_environment *environment);

/* Reads this process's own environment; texts in *out_birth point into it. STATUS_INVALID: no supervisor started it. */
MUST_USE enum status birth_read(struct birth *out_birth, struct handover *out_list);

#endif

/*
 * Descriptors by name, on their way from the supervisor to its roles. The supervisor keeps a list of what each kind of
 * role may have. A role finds its own as text in an environment variable, one line each: "NUMBER NAME".
 */
#ifndef ROLE_HANDOVER_H
#define ROLE_HANDOVER_H

#include "base/buf.h"
#include "base/span.h"
#include "role/role.h"

/* Descriptors in one list: 256 gates with a handful of addresses stay far below. */
#define HANDOVER_MAXIMUM 4096
/* Bytes: the kernel takes 128 KiB in one environment variable. */
#define HANDOVER_TEXT_MAXIMUM 100000
#define HANDOVER_VARIABLE "SUBGATE_DESCRIPTORS"

/* A set of kinds of role, for `roles` below. */
#define TO(kind) (1U << (kind))

struct handover_item {
	char *name;
	int fd;         /* -1: taken */
	unsigned roles; /* who may have it */
};

struct handover {
	struct handover_item *items;
	size_t count;
};

/*
 * Adds a descriptor, which stays the caller's. STATUS_INVALID: the name is empty or has a line end in it;
 * STATUS_TOO_LARGE; STATUS_NO_MEMORY.
 */
MUST_USE enum status handover_add(struct handover *list, unsigned roles, int fd, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* As handover_add, but the list owns the descriptor from now on. It is closed on failure too. */
MUST_USE enum status handover_give(struct handover *list, unsigned roles, int fd, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Copies what this kind of role may have from another list. */
MUST_USE enum status handover_add_all(struct handover *list, const struct handover *from, enum role_kind kind);

/* Puts another descriptor in the place of that of this name, which is closed. False: there is none, `fd` stays. */
bool handover_replace(struct handover *list, const char *name, int fd);

/* The list as text, for the environment. */
MUST_USE enum status handover_write(const struct handover *list, struct buf *out);
/* The list from its text. STATUS_INVALID for anything else; a number below 3, or given twice, is invalid too. */
MUST_USE enum status handover_read(struct span text, struct handover *out_list);

/* The descriptor of that name, which stays the list's, or -1. */
int handover_find(const struct handover *list, const char *name);
/* The same, but the caller owns it from now on. */
int handover_take(struct handover *list, const char *name);

void handover_forget(struct handover *list); /* frees the list; the descriptors stay open */
void handover_close(struct handover *list);  /* frees the list, closes what was not taken */

#endif

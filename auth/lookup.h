/* What the directories say of a name, without a password: for administrators' commands. */
#ifndef AUTH_LOOKUP_H
#define AUTH_LOOKUP_H

#include "auth/chain.h"

enum lookup_result {
	LOOKUP_ENTRY,    /* they are in a directory, though perhaps disabled there */
	LOOKUP_NO_ENTRY, /* in none, or there is none: the identity is that of the name */
	LOOKUP_AWAY,     /* one that can't be asked now might have them; the identity is that of the name */
};

typedef void lookup_callback(void *context, enum lookup_result result, const struct identity *identity);

/* Embedded in its owner. */
struct lookup {
	const struct chain_parts *parts;
	char name[NAME_SIZE];
	size_t directory;
	struct directory_ask *waiting;
	const char *refusal; /* static: why the directory would not let them in; "": it would, or said nothing */
	lookup_callback *on_done;
	void *context;
};

/*
 * Asks about a canonical name. `on_done` is called once, maybe before this returns, unless it was ended before; the
 * identity is valid during the call.
 */
void lookup_begin(const struct chain_parts *parts, const char *name, lookup_callback *on_done, void *context,
		  struct lookup *lookup);
void lookup_end(struct lookup *lookup); /* safe on a zeroed one, and twice */

#endif

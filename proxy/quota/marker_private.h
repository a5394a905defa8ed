/*
 * The inside of the marker: marker.c looks and judges, marker_state.c keeps what outlives a process, marker_others.c
 * knows which other processes of the node live.
 */
#ifndef QUOTA_MARKER_PRIVATE_H
#define QUOTA_MARKER_PRIVATE_H

#include "base/buf.h"
#include "quota/marker.h"

#define MARKER_NODES 64      /* remembered */
#define MARKER_NODE_SIZE 254 /* bytes of a name, the NUL included */
#define MARKER_NODES_TEXT (MARKER_NODES * (MARKER_NODE_SIZE + SCRIPT_NUMBER_SIZE))

#define MARKER_SHORT 12 /* digits of a process's name, as it is shortened */
#define MARKER_OTHERS_TEXT (MARKER_NODES * (MARKER_SHORT + 1))

/* A node that was here, and when, in seconds of Redis's clock. */
struct marker_node {
	char name[MARKER_NODE_SIZE];
	uint64_t seen_s;
};

/* What the state file holds: the id of the memory that has this node's counts ("": none), and who else was here. */
struct marker_state {
	int fd; /* or -1 */
	char id[MARKER_ID_SIZE];
	struct marker_node nodes[MARKER_NODES];
	size_t node_count;
};

bool marker_is_id(struct span text);
/* Reads the file; what can't be read is not there. Of an older version: the id alone. */
void marker_state_read(struct marker_state *state);
/* When it fails the next process may tell of a loss that is known. */
void marker_state_write(const struct marker_state *state);
/* Takes "NAME TIME NAME TIME …"; true: the file should be written, as somebody is new or was long not noted. */
bool marker_state_take_nodes(struct marker_state *state, struct span text);
/* The names of those seen within a day before `now_s`, with blanks between. */
void marker_state_list_nodes(const struct marker_state *state, uint64_t now_s, struct buf *out);
void marker_state_forget_node(struct marker_state *state, struct span name);

/* ---- marker_history.c */

#define MARKER_HISTORY 64 /* numbers, a second apart at least */

struct marker_acknowledged {
	uint64_t number, at_ms;
};

struct marker_history {
	struct marker_acknowledged ring[MARKER_HISTORY];
	size_t next;
};

void marker_history_note(struct marker_history *history, uint64_t number, uint64_t now_ms);
uint64_t marker_history_last(const struct marker_history *history); /* 0: none */
/* The newest number that is older than what a new connection repeats. */
uint64_t marker_history_oldest_repeated(const struct marker_history *history);
void marker_history_forget(struct marker_history *history);

/* ---- marker_others.c */

/* This process lives, as its name says; STATUS_SYSTEM. The file must not be closed as long as that is to hold. */
MUST_USE enum status marker_others_join(const struct marker_state *state, const char *process);
/* The shortened names of the node's other processes that live, with blanks between. */
void marker_others_list(const struct marker_state *state, struct buf *out);

#endif

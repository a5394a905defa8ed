/*
 * The spool: messages on their way, from the gate's pieces to the upstream.
 * Small ones stay in memory; what passes SPOOL_MEMORY goes on in an unlinked
 * file, written and read by one file thread, so that the loop never waits for
 * a disk. All messages together are bounded by limits.spool, and so many of them
 * have a file that connections to upstreams always find a descriptor.
 */
#ifndef RELAY_SPOOL_H
#define RELAY_SPOOL_H

#include "base/span.h"
#include "net/loop.h"

#define SPOOL_MEMORY (128U << 10) /* bytes a message before it goes to a file */
#define SPOOL_PIECE (64U << 10)   /* bytes given to a reader at once, at most */

/* Bytes for spool_use_memory: a disk costs as much CPU as the rest of a large message's way. */
#define SPOOL_IN_MEMORY (32U << 20)

struct spool;
struct spool_message;

/*
 * What messages of one owner hold, embedded in it; zeroed before its first use, and kept until it is free. One message
 * may take all the room there is; several of one owner take no more than they leave to others.
 */
struct spool_share {
	uint64_t used; /* bytes */
	uint64_t files;
	size_t messages, copies;
};

/* `folder`: where unlinked files are made (O_TMPFILE); owned. `files`: how many at once; `maximum`: bytes in all. */
MUST_USE enum status spool_create(struct loop *loop, int folder, uint64_t maximum, uint64_t files,
				  struct spool **out_spool);
void spool_free(struct spool **spool); /* all messages are gone */
/* So many bytes of messages beyond their first SPOOL_MEMORY may stay in memory, too; at first none. */
void spool_use_memory(struct spool *spool, uint64_t bytes);

/* `share`: its owner's; NULL: none, as of a message of our own. */
MUST_USE enum status spool_begin(struct spool *spool, struct spool_share *share, struct spool_message **out_message);
/* A copy of that one's is to be made: of the same owner, and no further message. */
MUST_USE enum status spool_begin_copy(const struct spool_message *original, struct spool_message **out_copy);
bool spool_share_is_free(const struct spool_share *share);
/*
 * Copies. STATUS_TOO_LARGE: the spool is full, or has no more files; STATUS_REFUSED: its owner's share is full;
 * STATUS_SYSTEM: the disk failed (a later call may be the one that tells). After that the message can only be freed.
 */
MUST_USE enum status spool_append(struct spool_message *message, struct span bytes);
uint64_t spool_size(const struct spool_message *message);
/* Cancels a read under way. NULL-safe; sets to NULL. */
void spool_message_free(struct spool_message **message);

/*
 * Reads from `offset`; `on_read` is called exactly once, at once where the bytes are in memory, else in a later turn:
 * STATUS_OK with 1 to SPOOL_PIECE bytes valid during the call; STATUS_END at the end; STATUS_SYSTEM. One read a message
 * at a time; a message can be read any number of times (failover).
 */
void spool_read(struct spool_message *message, uint64_t offset,
		void (*on_read)(void *context, enum status status, struct span bytes), void *context);
/* The reader leaves: a read under way ends without a callback, and the message can be read again. */
void spool_cancel_read(struct spool_message *message);

#endif

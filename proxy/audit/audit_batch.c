/* Records of one turn, on their way through the writer. */
#include <stdlib.h>

#include "audit/audit_private.h"

#define KEPT_BYTES (64U << 10) /* of a batch that is used again */
#define KEPT_ITEMS 256U        /* of those that wait for it, and of its notes */

void audit_batch_free(struct audit_batch **batch)
{
	if (*batch == NULL)
		return;
	buf_free(&(*batch)->records);
	free((*batch)->waiters);
	free((*batch)->notes);
	free(*batch);
	*batch = NULL;
}

bool audit_batch_empty(struct audit_batch *batch)
{
	size_t memory = batch->records.capacity;
	if (memory == 0 || memory > KEPT_BYTES || batch->waiter_room > KEPT_ITEMS || batch->note_room > KEPT_ITEMS)
		return false;
	buf_truncate(&batch->records, 0);
	batch->waiter_count = batch->note_count = 0;
	batch->is_urgent = false;
	batch->next = NULL;
	return true;
}

struct audit_batch *audit_batch_take_waiters(struct audit_batch *batch)
{
	struct audit_batch *news = batch->waiter_count ? calloc(1, sizeof(*news)) : NULL;
	if (news == NULL)
		return NULL;
	news->waiters = batch->waiters;
	news->waiter_count = batch->waiter_count;
	for (size_t i = 0; i < news->waiter_count; i++)
		news->waiters[i].written = STATUS_SYSTEM;
	batch->waiters = NULL;
	batch->waiter_count = batch->waiter_room = 0;
	return news;
}

bool audit_batch_has_leaving(const struct audit_batch *batch)
{
	for (size_t i = 0; i < batch->note_count; i++)
		if (batch->notes[i].leaving)
			return true;
	return false;
}

static enum status link_records(const struct audit_batch *batch, struct audit_chain *chain, struct buf *out)
{
	struct span rest = buf_span(&batch->records), record;
	while (rest.size && span_cut(&rest, '\n', &record))
		TRY(audit_chain_link(chain, record, out));
	return STATUS_OK;
}

enum status audit_batch_link(struct audit_batch *batch, struct audit_chain *chain, struct buf *out)
{
	const struct audit_chain_end before = chain->end;
	enum status status = link_records(batch, chain, out);
	if (status != STATUS_OK)
		chain->end = before;
	batch->last_seq = chain->end.next - 1;
	return status;
}

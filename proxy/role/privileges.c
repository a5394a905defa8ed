/* The user of a process: told to it at its birth, and assumed for good. Owns nothing. */
#include "role/privileges.h"

#include <grp.h>
#include <stdio.h>
#include <unistd.h>

void identity_write(const struct identity *identity, char out_text[IDENTITY_TEXT_SIZE])
{
	out_text[0] = '\0';
	if (identity->changes)
		snprintf(out_text, IDENTITY_TEXT_SIZE, "%u:%u", identity->uid, identity->gid);
}

enum status identity_read(struct span text, struct identity *out_identity)
{
	struct identity identity = { 0 };
	struct span part;
	uint64_t uid = 0, gid = 0;
	if (!span_is_empty(text)) {
		if (!span_contains_byte(text, ':') || !span_cut(&text, ':', &part))
			return STATUS_INVALID;
		TRY(span_to_u64(part, &uid));
		TRY(span_to_u64(text, &gid));
		if (uid == 0 || uid >= UINT32_MAX || gid >= UINT32_MAX)
			return STATUS_INVALID;
		identity = (struct identity){ .changes = true, .uid = (uid_t)uid, .gid = (gid_t)gid };
	}
	*out_identity = identity;
	return STATUS_OK;
}

enum status identity_assume(const struct identity *identity)
{
	if (!identity->changes)
		return STATUS_OK;
	if (setgroups(0, NULL) < 0 || setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
	    setresuid(identity->uid, identity->uid, identity->uid) < 0)
		return STATUS_SYSTEM;
	/* There must be no way back. */
	return setresuid((uid_t)-1, 0, (uid_t)-1) == 0 ? STATUS_REFUSED : STATUS_OK;
}

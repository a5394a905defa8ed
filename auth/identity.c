/* Identities. Each owns its two lists. */
#include "auth/identity.h"

#include <string.h>

void identity_init(struct identity *identity)
{
	*identity = (struct identity){ 0 };
	buf_init(&identity->groups, IDENTITY_LIST_MAXIMUM);
	buf_init(&identity->senders, IDENTITY_LIST_MAXIMUM);
}

void identity_free(struct identity *identity)
{
	buf_free(&identity->groups);
	buf_free(&identity->senders);
	identity_init(identity);
}

enum status identity_copy(const struct identity *from, struct identity *out_copy)
{
	buf_clear(&out_copy->groups);
	buf_clear(&out_copy->senders);
	TRY(buf_append(&out_copy->groups, buf_span(&from->groups)));
	TRY(buf_append(&out_copy->senders, buf_span(&from->senders)));
	memcpy(out_copy->user, from->user, sizeof(out_copy->user));
	out_copy->disabled = from->disabled;
	return STATUS_OK;
}

enum status identity_add(struct buf *list, struct span item)
{
	if (buf_room(list) < item.size + sizeof(uint32_t))
		return STATUS_TOO_LARGE;
	return codec_list_add(list, item);
}

enum status identity_of_name(const char *name, struct identity *out_identity)
{
	TRY(name_canonical(span_of(name), out_identity->user));
	if (span_contains_byte(span_of(out_identity->user), '@'))
		TRY(identity_add(&out_identity->senders, span_of(out_identity->user)));
	return STATUS_OK;
}

/* ---- senders that the configuration adds */

#define GROUPS_LOOKED_AT 1024 /* of one user; IDENTITY_LIST_MAXIMUM allows for hardly more */

static enum status lend_section(const struct config_senders *section, struct identity *identity)
{
	for (size_t i = 0; i < section->addresses.count; i++)
		TRY(identity_add(&identity->senders, span_of(section->addresses.items[i])));
	return STATUS_OK;
}

enum status identity_lend_senders(const struct config *config, struct identity *identity)
{
	struct codec_list rest = codec_list_of(&identity->groups);
	struct span groups[GROUPS_LOOKED_AT];
	size_t count = 0;
	while (count < GROUPS_LOOKED_AT && codec_list_next(&rest, &groups[count]))
		count++;
	for (size_t i = 0; i < config->senders.count; i++) {
		const struct config_senders *section = &config->senders.items[i];
		if (config_names_user(&section->users, &section->groups, span_of(identity->user), groups, count))
			TRY(lend_section(section, identity));
	}
	return STATUS_OK;
}

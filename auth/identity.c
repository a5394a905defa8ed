/* Identities. Each owns its two lists. */
#include "auth/identity.h"

#include <stdlib.h>
#include <string.h>

#include "base/dn.h"
#include "base/fnv.h"
#include "base/hash.h"
#include "smtp/address.h"

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

const char *identity_refusal(enum standing standing)
{
	switch (standing) {
	case STANDING_GOOD:
		return "";
	case STANDING_LOCKED:
		return "account locked";
	case STANDING_EXPIRED:
		return "account expired";
	case STANDING_MUST_CHANGE:
		return "password must be changed";
	case STANDING_INVALID:
		return "not valid by valid_filter";
	case STANDING_NAMELESS:
		return "not one name in the directory";
	case STANDING_DISABLED:
	default:
		return "account disabled";
	}
}

enum status identity_copy(const struct identity *from, struct identity *out_copy)
{
	buf_clear(&out_copy->groups);
	buf_clear(&out_copy->senders);
	TRY(buf_append(&out_copy->groups, buf_span(&from->groups)));
	TRY(buf_append(&out_copy->senders, buf_span(&from->senders)));
	memcpy(out_copy->id, from->id, sizeof(out_copy->id));
	memcpy(out_copy->user, from->user, sizeof(out_copy->user));
	memcpy(out_copy->languages, from->languages, sizeof(out_copy->languages));
	out_copy->standing = from->standing;
	return STATUS_OK;
}

enum status identity_add(struct buf *list, struct span item)
{
	if (buf_room(list) < item.size + sizeof(uint32_t))
		return STATUS_TOO_LARGE;
	return codec_list_add(list, item);
}

#define ID_INPUT_MAXIMUM 4096                                            /* bytes of an id before it is made short */
#define KIND_KEPT (IDENTITY_ID_MAXIMUM - (HASH_SHA256_HEX_SIZE - 1) - 1) /* bytes of a kind, before "#" and a digest */

enum status identity_set_id(struct identity *identity, const char *kind, struct span value)
{
	char whole[ID_INPUT_MAXIMUM + 1];
	unsigned char digest[HASH_SHA256_SIZE];
	char hex[HASH_SHA256_HEX_SIZE];
	if (value.size > ID_INPUT_MAXIMUM)
		return STATUS_TOO_LARGE;
	if (span_contains_byte(value, '\0'))
		return STATUS_INVALID;
	int size = snprintf(whole, sizeof(whole), "%s:%.*s", kind, SPAN_ARGS(value));
	if (size < 0 || (size_t)size > ID_INPUT_MAXIMUM)
		return STATUS_TOO_LARGE;
	if (size <= IDENTITY_ID_MAXIMUM) {
		memcpy(identity->id, whole, (size_t)size + 1);
		return STATUS_OK;
	}
	TRY(hash_sha256((struct span){ whole, (size_t)size }, digest));
	hash_to_hex(digest, sizeof(digest), hex);
	snprintf(identity->id, sizeof(identity->id), "%.*s#%s", KIND_KEPT, kind, hex);
	return STATUS_OK;
}

enum status identity_add_group(struct identity *identity, struct span group)
{
	struct buf name BUF_AUTO;
	buf_init(&name, DN_MAXIMUM);
	TRY(dn_canonical(group, &name));
	return identity_add(&identity->groups, buf_span(&name));
}

enum status identity_list_groups(const struct identity *identity, struct span **out_groups, size_t *out_count)
{
	struct codec_list rest = codec_list_of(&identity->groups);
	size_t count = codec_list_count(rest), i = 0;
	struct span *groups = calloc(count + 1, sizeof(*groups));
	if (groups == NULL)
		return STATUS_NO_MEMORY;
	while (i < count && codec_list_next(&rest, &groups[i]))
		i++;
	*out_groups = groups;
	*out_count = i;
	return STATUS_OK;
}

uint64_t identity_rights(const struct config *config, const struct identity *identity)
{
	struct codec_list groups = codec_list_of(&identity->groups), senders = codec_list_of(&identity->senders);
	struct span item;
	uint64_t sum = fnv_hash(span_of(identity->user));
	while (codec_list_next(&groups, &item))
		sum += config_names_group(config, item) ? 3 * fnv_hash(item) : 0;
	while (codec_list_next(&senders, &item))
		sum += 5 * fnv_hash(item);
	return sum;
}

enum status identity_of_name(const char *name, struct identity *out_identity)
{
	TRY(name_canonical(span_of(name), out_identity->user));
	TRY(identity_set_id(out_identity, "name", span_of(out_identity->user)));
	if (span_contains_byte(span_of(out_identity->user), '@'))
		TRY(identity_add(&out_identity->senders, span_of(out_identity->user)));
	return STATUS_OK;
}

bool identity_answers_to(const struct identity *identity, struct span name)
{
	struct codec_list rest = codec_list_of(&identity->senders);
	struct span sender;
	if (span_equal(span_of(identity->user), name))
		return true;
	while (codec_list_next(&rest, &sender)) {
		if (address_is_valid(sender, true) && address_equal(sender, name)) /* no patterns */
			return true;
	}
	return false;
}

/* ---- senders that the configuration adds */

static enum status lend_section(const struct config_senders *section, struct identity *identity)
{
	for (size_t i = 0; i < section->addresses.count; i++)
		TRY(identity_add(&identity->senders, span_of(section->addresses.items[i])));
	return STATUS_OK;
}

static enum status lend_sections(const struct config *config, const struct span *groups, size_t count,
				 struct identity *identity)
{
	for (size_t i = 0; i < config->senders.count; i++) {
		const struct config_senders *section = &config->senders.items[i];
		if (config_names_user(&section->users, &section->groups, span_of(identity->user), groups, count))
			TRY(lend_section(section, identity));
	}
	return STATUS_OK;
}

enum status identity_lend_senders(const struct config *config, struct identity *identity)
{
	struct span *groups = NULL;
	size_t count = 0;
	TRY(identity_list_groups(identity, &groups, &count));
	enum status status = lend_sections(config, groups, count, identity);
	free(groups);
	return status;
}

enum status identity_keep_groups_of(const struct config *config, struct identity *identity)
{
	struct codec_list rest = codec_list_of(&identity->groups);
	struct span group;
	struct buf kept BUF_AUTO;
	buf_init(&kept, IDENTITY_LIST_MAXIMUM);
	while (codec_list_next(&rest, &group)) {
		if (config_names_group(config, group))
			TRY(identity_add(&kept, group));
	}
	buf_clear(&identity->groups);
	return buf_append(&identity->groups, buf_span(&kept));
}

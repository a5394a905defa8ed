/* Lines of changes. Strict: what is not exactly a change is a fault. Owns nothing. */
#include "auth/app_password/change.h"

#include <string.h>

#include "auth/app_password/flat.h"
#include "auth/identity.h"
#include "base/network.h"

#define VERSION 2
#define KEY_TEXT ((size_t)2 * HASH_SHA256_SIZE) /* characters */
#define ITERATIONS_MAXIMUM 1000000

/* ---- reading: every member that there may be, once */

enum field {
	FIELD_V,
	FIELD_OP,
	FIELD_ID,
	FIELD_OWNER,
	FIELD_SALT,
	FIELD_HASH,
	FIELD_ITERATIONS,
	FIELD_STORED,
	FIELD_SERVER,
	FIELD_CREATED,
	FIELD_EXPIRES,
	FIELD_MESSAGES_PER_DAY,
	FIELD_CONSOLE,
	FIELD_TEXT, /* the first of APP_PASSWORD_TEXTS */
	FIELDS = FIELD_TEXT + APP_PASSWORD_TEXTS
};

struct row {
	struct span name;
	enum flat_kind kind;
	size_t maximum; /* bytes of a text or list */
};

static const struct row rows[FIELDS] = {
	[FIELD_V] = { SPAN("v"), FLAT_NUMBER, 0 },
	[FIELD_OP] = { SPAN("op"), FLAT_TEXT, 16 },
	[FIELD_ID] = { SPAN("id"), FLAT_TEXT, APP_PASSWORD_ID_SIZE - 1 },
	[FIELD_OWNER] = { SPAN("owner"), FLAT_TEXT, IDENTITY_ID_MAXIMUM },
	[FIELD_SALT] = { SPAN("salt"), FLAT_TEXT, (size_t)2 * APP_PASSWORD_SALT_SIZE },
	[FIELD_HASH] = { SPAN("hash"), FLAT_TEXT, KEY_TEXT },
	[FIELD_ITERATIONS] = { SPAN("iterations"), FLAT_NUMBER, 0 },
	[FIELD_STORED] = { SPAN("stored"), FLAT_TEXT, KEY_TEXT },
	[FIELD_SERVER] = { SPAN("server"), FLAT_TEXT, KEY_TEXT },
	[FIELD_CREATED] = { SPAN("created"), FLAT_NUMBER, 0 },
	[FIELD_EXPIRES] = { SPAN("expires"), FLAT_NUMBER, 0 },
	[FIELD_MESSAGES_PER_DAY] = { SPAN("messages_per_day"), FLAT_NUMBER, 0 },
	[FIELD_CONSOLE] = { SPAN("console"), FLAT_NUMBER, 0 },
	[FIELD_TEXT + APP_PASSWORD_USER] = { SPAN("user"), FLAT_TEXT, NAME_MAXIMUM },
	[FIELD_TEXT + APP_PASSWORD_LABEL] = { SPAN("label"), FLAT_TEXT, CHANGE_LABEL_MAXIMUM },
	[FIELD_TEXT + APP_PASSWORD_FROM] = { SPAN("from"), FLAT_LIST, CHANGE_LIST_MAXIMUM },
	[FIELD_TEXT + APP_PASSWORD_SENDERS] = { SPAN("senders"), FLAT_LIST, CHANGE_LIST_MAXIMUM },
	[FIELD_TEXT + APP_PASSWORD_RECIPIENTS] = { SPAN("recipients"), FLAT_LIST, CHANGE_LIST_MAXIMUM },
	[FIELD_TEXT + APP_PASSWORD_RESPONSIBLE] = { SPAN("responsible"), FLAT_TEXT, NAME_MAXIMUM },
};

#define HAS(field) (1U << (field))
#define VERSION_1 (~(HAS(FIELD_V) | HAS(FIELD_OWNER)))
#define CREATE_1                                                                                        \
	(HAS(FIELD_SALT) | HAS(FIELD_HASH) | HAS(FIELD_CREATED) | HAS(FIELD_TEXT + APP_PASSWORD_USER) | \
	 HAS(FIELD_TEXT + APP_PASSWORD_LABEL))
#define CREATE_2 (CREATE_1 | HAS(FIELD_OWNER) | HAS(FIELD_ITERATIONS) | HAS(FIELD_STORED) | HAS(FIELD_SERVER))
#define COMMON (HAS(FIELD_V) | HAS(FIELD_OP) | HAS(FIELD_ID))

struct members {
	struct span texts[FIELDS];
	uint64_t numbers[FIELDS];
	unsigned present; /* bits: HAS */
};

static bool keep_member(struct members *members, const struct flat_member *member)
{
	for (unsigned field = 0; field < FIELDS; field++) {
		const struct span name = rows[field].name;
		if (name.size != member->name.size || memcmp(name.data, member->name.data, name.size) != 0)
			continue;
		/* Version 1 had one network, as a text. */
		bool fits = rows[field].kind == member->kind ||
			    (field == FIELD_TEXT + APP_PASSWORD_FROM && member->kind == FLAT_TEXT);
		if (!fits || (members->present & HAS(field)) ||
		    (member->kind != FLAT_NUMBER && member->text.size > rows[field].maximum))
			return false;
		members->present |= HAS(field);
		members->texts[field] = member->text;
		members->numbers[field] = member->number;
		return true;
	}
	return false;
}

static bool read_members(struct span line, char *scratch, struct members *members)
{
	struct flat flat = flat_of(line, scratch);
	struct flat_member member;
	enum status status;
	while ((status = flat_next(&flat, &member)) == STATUS_OK)
		if (!keep_member(members, &member))
			return false;
	return status == STATUS_END;
}

/* ---- values */

/* Lower-case digits alone. Without branches, as no processor can guess which digit comes. */
static bool read_hex(struct span text, unsigned char *out_bytes, size_t size)
{
	bool is_hex = text.size == 2 * size;
	for (size_t i = 0; is_hex && i < size; i++) {
		unsigned high = (unsigned char)text.data[2 * i], low = (unsigned char)text.data[2 * i + 1];
		is_hex = ((high - '0' < 10) | (high - 'a' < 6)) & ((low - '0' < 10) | (low - 'a' < 6));
		out_bytes[i] = (unsigned char)(((high & 15) + (high >> 6) * 9) << 4 | ((low & 15) + (low >> 6) * 9));
	}
	return is_hex;
}

static bool are_networks(struct span list)
{
	struct span item;
	struct network network;
	while (list.size > 0 && span_cut(&list, '\n', &item))
		if (network_parse(item, &network) != STATUS_OK)
			return false;
	return true;
}

/* The texts, and the numbers that both versions have. */
static bool take_common(const struct members *members, struct app_password_change *change)
{
	for (unsigned i = 0; i < APP_PASSWORD_TEXTS; i++)
		change->texts[i] = members->texts[FIELD_TEXT + i];
	change->created_s = members->numbers[FIELD_CREATED];
	change->messages_per_day = members->numbers[FIELD_MESSAGES_PER_DAY];
	return change->texts[APP_PASSWORD_USER].size > 0 && are_networks(change->texts[APP_PASSWORD_FROM]);
}

static bool take_digest(const struct members *members, struct app_password_hash *hash)
{
	return read_hex(members->texts[FIELD_SALT], hash->salt, sizeof(hash->salt)) &&
	       read_hex(members->texts[FIELD_HASH], hash->digest, sizeof(hash->digest));
}

static bool take_keys(const struct members *members, struct app_password_hash *hash)
{
	uint64_t iterations = members->numbers[FIELD_ITERATIONS];
	hash->iterations = (uint32_t)iterations;
	return iterations >= APP_PASSWORD_ITERATIONS && iterations <= ITERATIONS_MAXIMUM &&
	       read_hex(members->texts[FIELD_STORED], hash->stored_key, sizeof(hash->stored_key)) &&
	       read_hex(members->texts[FIELD_SERVER], hash->server_key, sizeof(hash->server_key));
}

/* The id of whom no directory describes, in the scratch. */
static bool own_by_name(struct span user, char *scratch, struct span *out_owner)
{
	char name[NAME_SIZE];
	struct identity identity;
	if (name_canonical(user, name) != STATUS_OK || identity_set_id(&identity, "name", span_of(name)) != STATUS_OK)
		return false;
	memcpy(scratch, identity.id, sizeof(identity.id));
	*out_owner = span_of(scratch);
	return true;
}

/* ---- lines of each version */

static bool has_exactly(const struct members *members, unsigned needed, unsigned allowed)
{
	return (members->present & needed) == needed && (members->present & ~(needed | allowed)) == 0;
}

static bool take_create(const struct members *members, struct app_password_change *change)
{
	unsigned texts = ((1U << APP_PASSWORD_TEXTS) - 1) << FIELD_TEXT;
	change->owner = members->texts[FIELD_OWNER];
	change->expires_s = members->numbers[FIELD_EXPIRES];
	change->is_console = members->numbers[FIELD_CONSOLE] == 1;
	return has_exactly(members, COMMON | CREATE_2,
			   HAS(FIELD_EXPIRES) | HAS(FIELD_MESSAGES_PER_DAY) | HAS(FIELD_CONSOLE) | texts) &&
	       change->is_console == !!(members->present & HAS(FIELD_CONSOLE)) && change->owner.size > 0 &&
	       take_common(members, change) && take_digest(members, &change->hash) && take_keys(members, &change->hash);
}

static bool take_operation(const struct members *members, struct app_password_change *change)
{
	struct span operation = members->texts[FIELD_OP];
	if (span_equal(operation, SPAN("create"))) {
		change->operation = CHANGE_CREATE;
		return take_create(members, change);
	}
	if (span_equal(operation, SPAN("revoke"))) {
		change->operation = CHANGE_REVOKE;
		return has_exactly(members, COMMON, 0);
	}
	if (span_equal(operation, SPAN("expire"))) {
		change->operation = CHANGE_EXPIRE;
		change->expires_s = members->numbers[FIELD_EXPIRES];
		return has_exactly(members, COMMON | HAS(FIELD_EXPIRES), 0) && change->expires_s > 0;
	}
	change->operation = CHANGE_ASSIGN;
	change->owner = members->texts[FIELD_OWNER];
	return span_equal(operation, SPAN("assign")) && has_exactly(members, COMMON | HAS(FIELD_OWNER), 0) &&
	       change->owner.size > 0;
}

static bool take_version_1(const struct members *members, struct app_password_change *change, char *scratch)
{
	struct span operation = members->texts[FIELD_OP];
	unsigned common = COMMON & VERSION_1;
	if (span_equal(operation, SPAN("revoke"))) {
		change->operation = CHANGE_REVOKE;
		return has_exactly(members, common, 0);
	}
	change->operation = CHANGE_CREATE;
	change->expires_s = members->numbers[FIELD_EXPIRES];
	return span_equal(operation, SPAN("create")) &&
	       has_exactly(members, common | CREATE_1, HAS(FIELD_EXPIRES) | HAS(FIELD_TEXT + APP_PASSWORD_FROM)) &&
	       take_common(members, change) && take_digest(members, &change->hash) &&
	       own_by_name(change->texts[APP_PASSWORD_USER], scratch, &change->owner);
}

enum status change_parse(struct span line, char *scratch, struct app_password_change *out_change)
{
	struct members members = { 0 };
	struct app_password_change change = { 0 };
	if (line.size >= CHANGE_LINE_MAXIMUM || !read_members(line, scratch, &members))
		return STATUS_INVALID;
	struct span id = members.texts[FIELD_ID];
	if (id.size == 0)
		return STATUS_INVALID;
	memcpy(change.id, id.data, id.size);
	bool taken = members.present & HAS(FIELD_V)
			     ? members.numbers[FIELD_V] == VERSION && take_operation(&members, &change)
			     : take_version_1(&members, &change, scratch + CHANGE_LINE_MAXIMUM);
	if (!taken)
		return STATUS_INVALID;
	*out_change = change;
	return STATUS_OK;
}

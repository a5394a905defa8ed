/* Owns nothing. */
#include "admin/people_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/json_text.h"

#define FIRST_LINE "subgate console-sessions 1"
#define LINE_MAXIMUM 16384U
#define DIGEST_TEXT_SIZE 64 /* bytes of a digest in base64 fit */

/* ---- reading */

static bool copy_member(const json_t *line, const char *name, size_t size, char *out_text)
{
	const json_t *value = json_object_get(line, name);
	const char *text = json_string_value(value);
	if (text == NULL || json_string_length(value) >= size || strlen(text) != json_string_length(value))
		return false;
	memcpy(out_text, text, strlen(text) + 1);
	return true;
}

static bool copy_digest(const json_t *line, unsigned char out_digest[HASH_SHA256_SIZE])
{
	struct buf bytes BUF_AUTO;
	const json_t *value = json_object_get(line, "digest");
	struct span text = { json_string_value(value), json_string_length(value) };
	buf_init(&bytes, DIGEST_TEXT_SIZE);
	if (!json_is_string(value) || base64_decode(text, &bytes) != STATUS_OK || buf_size(&bytes) != HASH_SHA256_SIZE)
		return false;
	memcpy(out_digest, buf_span(&bytes).data, HASH_SHA256_SIZE);
	return true;
}

/* The texts of a list as a codec list. */
static bool copy_groups(const json_t *line, struct person *person)
{
	struct buf list BUF_AUTO;
	const json_t *texts = json_object_get(line, "groups"), *text;
	size_t i;
	buf_init(&list, sizeof(person->groups));
	json_array_foreach(texts, i, text)
	{
		struct span item = { json_string_value(text), json_string_length(text) };
		if (!json_is_string(text) || codec_list_add(&list, item) != STATUS_OK)
			return false;
	}
	person->groups_size = buf_size(&list);
	if (person->groups_size)
		memcpy(person->groups, buf_span(&list).data, person->groups_size);
	return json_is_array(texts);
}

static bool read_number(const json_t *line, const char *name, uint64_t *out_number)
{
	const json_t *value = json_object_get(line, name);
	struct span text = { json_string_value(value), json_string_length(value) };
	return json_is_string(value) && span_to_u64(text, out_number) == STATUS_OK;
}

/* [wall, monotonic] of then. False: it is none, or yet to come. */
static bool read_age(const json_t *line, const char *name, const struct people_clock *now, uint64_t *out_age_ms)
{
	const json_t *pair = json_object_get(line, name);
	json_int_t wall = json_integer_value(json_array_get(pair, 0)),
		   own = json_integer_value(json_array_get(pair, 1));
	if (json_array_size(pair) != 2 || wall < 0 || own < 0 || (uint64_t)wall > now->wall_ms)
		return false;
	uint64_t by_wall = now->wall_ms - (uint64_t)wall;
	uint64_t by_own = (uint64_t)own <= now->monotonic_ms ? now->monotonic_ms - (uint64_t)own : 0; /* a boot since */
	*out_age_ms = by_wall > by_own ? by_wall : by_own;
	return true;
}

static bool read_times(const json_t *line, const struct people_clock *now, struct person *person)
{
	uint64_t begun_ms = 0, used_ms = 0;
	if (!read_age(line, "begun", now, &begun_ms) || !read_age(line, "used", now, &used_ms))
		return false;
	/* Before the boot is before zero: what counts is the difference. */
	person->begun_ms = now->monotonic_ms - begun_ms;
	person->used_ms = now->monotonic_ms - used_ms;
	return true;
}

static enum status read_line(struct span text, const struct people_clock *now, struct person *out_person)
{
	struct person person = { .is_kept = true };
	json_t *line = NULL;
	TRY(json_parse(text, &line));
	bool whole = copy_digest(line, person.digest) && copy_member(line, "user", sizeof(person.user), person.user) &&
		     person.user[0] && copy_member(line, "user_id", sizeof(person.user_id), person.user_id) &&
		     person.user_id[0] && copy_member(line, "login", sizeof(person.login), person.login) &&
		     copy_member(line, "app_password_id", sizeof(person.app_password_id), person.app_password_id) &&
		     read_number(line, "rights", &person.rights) && copy_groups(line, &person) &&
		     read_times(line, now, &person);
	json_decref(line);
	if (!whole)
		return STATUS_INVALID;
	*out_person = person;
	return STATUS_OK;
}

enum status people_read(struct span text, const struct people_clock *now, struct people *people, size_t *out_strange)
{
	struct span line;
	struct person person;
	enum status status = STATUS_OK;
	size_t strange = 0;
	if (!span_is_empty(text) && (!span_cut(&text, '\n', &line) || !span_equal(line, SPAN(FIRST_LINE))))
		return STATUS_INVALID;
	while (status == STATUS_OK && text.size > 0 && span_cut(&text, '\n', &line)) {
		enum status read = line.size > LINE_MAXIMUM ? STATUS_INVALID : read_line(line, now, &person);
		if (read == STATUS_OK)
			status = people_put(people, &person, now->monotonic_ms);
		else if (read == STATUS_INVALID)
			strange += !span_is_empty(line);
		else
			status = read;
	}
	if (status == STATUS_OK)
		*out_strange = strange;
	return status;
}

/* ---- writing */

static json_t *digest_of(const struct person *person)
{
	struct buf text BUF_AUTO;
	buf_init(&text, DIGEST_TEXT_SIZE);
	if (base64_encode((struct span){ (const char *)person->digest, sizeof(person->digest) }, &text) != STATUS_OK)
		return NULL;
	return json_stringn(buf_span(&text).data, buf_size(&text));
}

/* NULL: one is no UTF-8, or memory ran out. */
static json_t *groups_of(const struct person *person)
{
	struct codec_list rest = { { person->groups, person->groups_size } };
	struct span group;
	json_t *texts = json_array();
	while (codec_list_next(&rest, &group)) {
		if (json_array_append_new(texts, json_stringn(group.size ? group.data : "", group.size)) == 0)
			continue;
		json_decref(texts);
		return NULL;
	}
	return texts;
}

static json_t *time_of(uint64_t then_ms, const struct people_clock *now)
{
	uint64_t age_ms = now->monotonic_ms - then_ms;
	json_int_t wall = age_ms < now->wall_ms ? (json_int_t)(now->wall_ms - age_ms) : 0;
	json_int_t own = age_ms < now->monotonic_ms ? (json_int_t)then_ms : 0;
	return json_pack("[I, I]", wall, own);
}

static json_t *describe_person(const struct person *person, const struct people_clock *now)
{
	char rights[24];
	snprintf(rights, sizeof(rights), "%" PRIu64, person->rights);
	return json_pack("{s:o, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "digest", digest_of(person), "user",
			 person->user, "user_id", person->user_id, "login", person->login, "app_password_id",
			 person->app_password_id, "rights", rights, "groups", groups_of(person), "begun",
			 time_of(person->begun_ms, now), "used", time_of(person->used_ms, now));
}

/* The oldest first, as they were begun: reading puts each in front of those before. */
static enum status write_person(const struct person *person, const struct people_clock *now, struct buf *out_text)
{
	json_t *line = describe_person(person, now);
	char *text = line ? json_write(line) : NULL;
	json_decref(line);
	enum status status = text ? buf_append_text(out_text, text) : STATUS_NO_MEMORY;
	free(text);
	return status == STATUS_OK ? buf_append_byte(out_text, '\n') : status;
}

enum status people_write(const struct people *people, const struct people_clock *now, struct buf *out_text)
{
	const struct person **list = calloc(people->count + 1, sizeof(const struct person *));
	size_t count = 0;
	if (list == NULL)
		return STATUS_NO_MEMORY;
	for (const struct person *person = people->first; person; person = person->next)
		list[count++] = person;
	enum status status = buf_append(out_text, SPAN(FIRST_LINE "\n"));
	while (status == STATUS_OK && count > 0)
		if (!list[--count]->is_fleeting)
			status = write_person(list[count], now, out_text);
	free(list);
	return status;
}

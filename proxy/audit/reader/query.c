/* Criteria, as bytes that must occur in a line, and as what must hold of its record. */
#include "audit/reader/query.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "audit/reader/record.h"
#include "base/name.h"

#define NEEDLE_MAXIMUM 8192 /* bytes: longer ones are cut, and the record decides */
#define US_PER_SECOND 1000000

/* ---- what must hold of a record */

static bool is_text(const json_t *record, const char *name, const char *wanted)
{
	return strcasecmp(record_text(record, name), wanted) == 0;
}

/* An address, or "@DOMAIN" for all of a domain. */
static bool fits_address(const char *address, const char *wanted)
{
	const char *at = wanted[0] == '@' ? strrchr(address, '@') : address;
	return at && strcasecmp(at, wanted) == 0;
}

static bool matches_user(const struct query *query, const char *wanted, const json_t *record)
{
	(void)query;
	return is_text(record, "user", wanted) || is_text(record, "user_id", wanted);
}

static bool matches_to(const struct query *query, const char *wanted, const json_t *record)
{
	size_t i;
	json_t *recipient;
	(void)query;
	json_array_foreach(json_object_get(record, "rcpt_to"), i, recipient)
	{
		if (fits_address(record_text(recipient, "address"), wanted))
			return true;
	}
	return fits_address(record_text(record, "redirected_to"), wanted);
}

static bool matches_from(const struct query *query, const char *wanted, const json_t *record)
{
	(void)query;
	return fits_address(record_text(record, "mail_from"), wanted) ||
	       fits_address(record_text(record, "header_from"), wanted) ||
	       fits_address(record_text(record, "sent_as"), wanted);
}

/* "sent", or the type as a whole: "auth.failure". */
static bool matches_result(const struct query *query, const char *wanted, const json_t *record)
{
	static const char prefix[] = "message.";
	const char *type = record_text(record, "type");
	(void)query;
	return strcmp(type, wanted) == 0 ||
	       (strncmp(type, prefix, sizeof(prefix) - 1) == 0 && strcmp(type + sizeof(prefix) - 1, wanted) == 0);
}

static bool matches_id(const struct query *query, const char *wanted, const json_t *record)
{
	(void)query;
	return is_text(record, "message", wanted) || is_text(record, "session", wanted);
}

/* With its angle brackets or without. */
static bool matches_message_id(const struct query *query, const char *wanted, const json_t *record)
{
	struct span id = span_of(record_text(record, "message_id")), given = span_of(wanted);
	(void)query;
	if (given.size && given.data[0] != '<' && id.size > 2)
		id = span_slice(id, id.data[0] == '<', id.size - (id.data[id.size - 1] == '>'));
	return span_equal(id, given);
}

static bool matches_relay(const struct query *query, const char *wanted, const json_t *record)
{
	(void)query;
	return is_text(record, "relay", wanted);
}

/* Relays tell it somewhere in their replies. */
static bool matches_upstream_id(const struct query *query, const char *wanted, const json_t *record)
{
	(void)query;
	return strstr(record_text(json_object_get(record, "response"), "text"), wanted) != NULL;
}

static bool matches_client(const struct query *query, const char *wanted, const json_t *record)
{
	(void)wanted;
	return network_contains(&query->client, span_of(record_text(record, "client_address")));
}

/* Its bytes were found in the line already. */
static bool matches_text(const struct query *query, const char *wanted, const json_t *record)
{
	(void)query;
	(void)wanted;
	(void)record;
	return true;
}

static const struct {
	const char *field;
	bool (*matches)(const struct query *query, const char *wanted, const json_t *record);
} criteria[QUERY_BY_COUNT] = {
	[QUERY_BY_USER] = { "user", matches_user },
	[QUERY_BY_TO] = { "to", matches_to },
	[QUERY_BY_FROM] = { "from", matches_from },
	[QUERY_BY_RESULT] = { "result", matches_result },
	[QUERY_BY_ID] = { "id", matches_id },
	[QUERY_BY_MESSAGE_ID] = { "message-id", matches_message_id },
	[QUERY_BY_RELAY] = { "relay", matches_relay },
	[QUERY_BY_UPSTREAM_ID] = { "upstream-id", matches_upstream_id },
	[QUERY_BY_CLIENT] = { "client", matches_client },
	[QUERY_BY_TEXT] = { "text", matches_text },
};

bool query_matches(const struct query *query, const json_t *record)
{
	for (size_t i = 0; i < QUERY_BY_COUNT; i++) {
		if (query->by[i].text && !criteria[i].matches(query, query->by[i].text, record))
			return false;
	}
	return true;
}

/* ---- what must be in a line */

static bool is_in_time(const struct query *query, struct span ts)
{
	return (query->since[0] == '\0' || strncmp(ts.data, query->since, ts.size) >= 0) &&
	       (query->until[0] == '\0' || strncmp(ts.data, query->until, ts.size) < 0);
}

static bool wants_outcomes(const struct query *query, struct span ts, struct span type)
{
	(void)ts;
	/* Leavings have an outcome, and the chain's own records are for verifiers. */
	bool is_aside = span_equal(type, SPAN("message.leaving")) || span_starts_with(type, SPAN("audit."));
	return query->by[QUERY_BY_RESULT].text || !is_aside;
}

bool query_may_match(const struct query *query, struct span line)
{
	struct span ts;
	if (record_read_time(line, &ts) != STATUS_OK || !is_in_time(query, ts) ||
	    !query->wants(query, ts, record_read_type(line)))
		return false;
	for (size_t i = 0; i < QUERY_BY_COUNT; i++) {
		if (query->by[i].text && !record_has(line, buf_span(&query->by[i].needle)))
			return false;
	}
	return true;
}

/* ---- from a request */

/* As JSON quotes it, without the quotes. */
static enum status make_needle(struct criterion *criterion)
{
	json_t *value = json_string(criterion->text);
	char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
	json_decref(value);
	if (quoted == NULL)
		return STATUS_NO_MEMORY;
	struct span text = span_slice(span_of(quoted), 1, strlen(quoted) - 1);
	enum status status = buf_append(&criterion->needle, span_slice(text, 0, NEEDLE_MAXIMUM));
	free(quoted);
	return status;
}

/* A name as it is recorded, whatever it was typed like. What can't be a name may still be an id. */
static enum status rewrite_user(struct criterion *criterion)
{
	char name[NAME_SIZE];
	if (name_canonical(span_of(criterion->text), name) != STATUS_OK)
		return STATUS_OK;
	criterion->owned = strdup(name);
	criterion->text = criterion->owned;
	return criterion->owned ? STATUS_OK : STATUS_NO_MEMORY;
}

/* A whole network can't be told by bytes, and an address of IPv6 may be written in several ways. */
static enum status read_client(struct query *query, const char **out_fault)
{
	const struct criterion *criterion = &query->by[QUERY_BY_CLIENT];
	if (criterion->text && network_parse(span_of(criterion->text), &query->client) != STATUS_OK) {
		*out_fault = "--client is neither an address nor a network";
		return STATUS_INVALID;
	}
	return STATUS_OK;
}

static bool has_needle(size_t by, const char *text)
{
	return by != QUERY_BY_CLIENT || (strchr(text, '/') == NULL && strchr(text, ':') == NULL);
}

static void read_time(const json_t *request, const char *field, char out_text[CLOCK_TEXT_SIZE])
{
	const json_t *value = json_object_get(request, field);
	out_text[0] = '\0';
	if (json_is_integer(value))
		clock_format_us((uint64_t)json_integer_value(value) * US_PER_SECOND, out_text);
}

enum status query_read(const json_t *request, struct query *out_query, const char **out_fault)
{
	*out_query = (struct query){ .wants = wants_outcomes };
	for (size_t i = 0; i < QUERY_BY_COUNT; i++)
		buf_init(&out_query->by[i].needle, NEEDLE_MAXIMUM);
	*out_fault = "out of memory";
	read_time(request, "since", out_query->since);
	read_time(request, "until", out_query->until);
	for (size_t i = 0; i < QUERY_BY_COUNT; i++) {
		struct criterion *criterion = &out_query->by[i];
		criterion->text = json_string_value(json_object_get(request, criteria[i].field));
		if (criterion->text && i == QUERY_BY_USER)
			TRY(rewrite_user(criterion));
		if (criterion->text && has_needle(i, criterion->text))
			TRY(make_needle(criterion));
	}
	return read_client(out_query, out_fault);
}

void query_free(struct query *query)
{
	for (size_t i = 0; i < QUERY_BY_COUNT; i++) {
		buf_free(&query->by[i].needle);
		free(query->by[i].owned);
	}
}

/*
 * An event as JSON, in the order in which people read it. jansson does the quoting; bytes that are not UTF-8, and
 * controls that it would not quote, become U+FFFD first, so that a record is valid and harmless whatever a client sent.
 * Pure but for the clock.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit_private.h"
#include "base/clock.h"
#include "smtp/utf8.h"

#define TEXT_MAXIMUM (256U << 10) /* bytes of one value: the largest reply (smtp/reply.h), each byte replaced */

const char *audit_type_text(enum audit_type type)
{
	static const char *const names[] = {
#define EVENT(NUMBER, name, help) name,
#include "audit/events.def"
#undef EVENT
	};
	return type < AUDIT_TYPE_COUNT ? names[type] : "unknown";
}

/* U+0080 to U+009F, of which JSON says nothing: to a terminal that shows the file they are commands. */
static bool is_c1(struct span s)
{
	return s.size > 1 && s.data[0] == '\xc2' && (unsigned char)s.data[1] < 0xa0;
}

static bool has_c1(struct span s)
{
	while (s.size) {
		s = span_slice(s, span_find_byte(s, '\xc2'), s.size);
		if (is_c1(s))
			return true;
		s = span_slice(s, 1, s.size);
	}
	return false;
}

static enum status mend_utf8(struct span s, struct buf *out)
{
	while (s.size) {
		size_t size = utf8_length(s);
		TRY(buf_append(out, size && !is_c1(s) ? span_slice(s, 0, size) : SPAN("\xef\xbf\xbd")));
		s = span_slice(s, size ? size : 1, s.size);
	}
	return STATUS_OK;
}

/* A JSON string of any bytes; NULL out of memory. */
static json_t *text_of(struct span s)
{
	json_t *value = has_c1(s) ? NULL : json_stringn(s.data ? s.data : "", s.size);
	if (value)
		return value;
	struct buf mended BUF_AUTO;
	buf_init(&mended, TEXT_MAXIMUM);
	if (mend_utf8(s, &mended) != STATUS_OK)
		return NULL;
	return json_stringn(buf_span(&mended).data, buf_size(&mended));
}

/* An object that is being filled; one fault makes it useless. */
struct filling {
	json_t *object;
	bool failed;
};

static void put_member(struct filling *filling, const char *name, json_t *value)
{
	if (value == NULL || json_object_set_new(filling->object, name, value) != 0)
		filling->failed = true;
}

static void put_text(struct filling *filling, const char *name, struct span value)
{
	if (value.size)
		put_member(filling, name, text_of(value));
}

static void put_number(struct filling *filling, const char *name, uint64_t value)
{
	if (value)
		put_member(filling, name, json_integer((json_int_t)value));
}

static void put_reply(struct filling *filling, const struct audit_reply *reply)
{
	put_number(filling, "code", reply->code);
	put_text(filling, "enhanced_code", reply->enhanced_code);
	put_text(filling, "text", reply->text);
}

static json_t *recipient_of(const struct audit_recipient *recipient)
{
	struct filling filling = { .object = json_object() };
	put_member(&filling, "address", text_of(recipient->address));
	put_reply(&filling, &recipient->reply);
	if (filling.failed) {
		json_decref(filling.object);
		return NULL;
	}
	return filling.object;
}

static void put_recipients(struct filling *filling, const struct audit_event *event)
{
	json_t *list = json_array();
	for (size_t i = 0; i < event->recipient_count; i++) {
		if (json_array_append_new(list, recipient_of(&event->recipients[i])) != 0)
			filling->failed = true;
	}
	put_member(filling, "rcpt_to", list);
}

static void put_response(struct filling *filling, const struct audit_reply *reply)
{
	struct filling inner = { .object = json_object() };
	put_reply(&inner, reply);
	put_member(filling, "response", inner.object);
	filling->failed |= inner.failed;
}

static void put_quota(struct filling *filling, const struct audit_quota *quota)
{
	char resets_at[CLOCK_TEXT_SIZE];
	clock_format_seconds(quota->resets_at, resets_at);
	put_member(filling, "quota",
		   json_pack("{s:I, s:I, s:s}", "used", (json_int_t)quota->used, "limit", (json_int_t)quota->limit,
			     "resets_at", resets_at));
}

static void put_client(struct filling *filling, const struct audit_event *event)
{
	put_text(filling, "user", event->user);
	put_text(filling, "auth_method", event->auth_method);
	put_text(filling, "sasl_mechanism", event->sasl_mechanism);
	put_text(filling, "app_password_id", event->app_password_id);
	put_text(filling, "client_address", event->client.address);
	put_number(filling, "client_port", event->client.port);
	put_text(filling, "listener", event->client.listener);
	put_text(filling, "tls_version", event->client.tls_version);
	put_text(filling, "tls_cipher", event->client.tls_cipher);
	put_text(filling, "tls_client_subject", event->client.tls_client_subject);
	put_text(filling, "helo", event->client.helo);
}

static void put_message(struct filling *filling, const struct audit_event *event)
{
	put_number(filling, "attempt", event->attempt);
	if (event->has_mail_from)
		put_member(filling, "mail_from", text_of(event->mail_from));
	put_text(filling, "header_from", event->header_from);
	if (event->recipient_count)
		put_recipients(filling, event);
	put_number(filling, "size", event->size);
	put_text(filling, "message_id", event->message_id);
	put_text(filling, "relay", event->relay);
	put_text(filling, "relay_host", event->relay_host);
	put_text(filling, "sent_as", event->sent_as);
	if (event->response.code)
		put_response(filling, &event->response);
	if (event->quota.resets_at)
		put_quota(filling, &event->quota);
}

static void fill_record(struct filling *filling, const struct audit_event *event, const char *node)
{
	char now[CLOCK_TEXT_SIZE];
	clock_format_us(clock_wall_us(), now);
	put_text(filling, "ts", span_of(now));
	put_text(filling, "type", span_of(audit_type_text(event->type)));
	put_text(filling, "node", span_of(node));
	put_text(filling, "session", event->session);
	put_text(filling, "message", event->message);
	put_client(filling, event);
	put_message(filling, event);
	put_text(filling, "reason", event->reason);
	put_number(filling, "count", event->count);
	put_text(filling, "detail", event->detail);
	if (event->has_duration)
		put_member(filling, "duration_ms", json_integer((json_int_t)event->duration_ms));
}

/* A message may leave only if its outcome will fit, too, which repeats the first record and adds the reply. */
static size_t maximum_of(enum audit_type type)
{
	return type == AUDIT_MESSAGE_LEAVING ? AUDIT_RECORD_MAXIMUM - AUDIT_OUTCOME_ROOM : AUDIT_RECORD_MAXIMUM;
}

enum status audit_record_write(struct buf *b, const struct audit_event *event, const char *node)
{
	struct filling filling = { .object = json_object() };
	fill_record(&filling, event, node);
	char *text = filling.failed ? NULL : json_dumps(filling.object, JSON_COMPACT);
	json_decref(filling.object);
	if (text == NULL)
		return STATUS_NO_MEMORY;
	size_t size = strlen(text);
	enum status status =
		size > maximum_of(event->type) ? STATUS_TOO_LARGE : buf_append(b, (struct span){ text, size - 1 });
	free(text);
	return status;
}

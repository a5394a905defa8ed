/*
 * Audit records of whatever clients and upstreams said: always one line, always one JSON object, no byte of it steers a
 * terminal, and each text in it is the one that was given, where it was UTF-8 without C1 controls.
 *
 * LF separates the texts; the first byte of the input is the type.
 */
#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "audit/audit_private.h"
#include "tests/fuzz/utf8.h"

/* U+0080 to U+009F: to a terminal they are commands. */
static bool has_c1(struct span s)
{
	for (size_t i = 0; i + 1 < s.size; i++) {
		unsigned char next = (unsigned char)s.data[i + 1];
		if (s.data[i] == '\xc2' && next >= 0x80 && next < 0xa0)
			return true;
	}
	return false;
}

static void expect_harmless(struct span record)
{
	assert(!has_c1(record));
	for (size_t i = 0; i < record.size; i++)
		assert((unsigned char)record.data[i] >= ' ');
}

static void expect_member(const json_t *record, const char *name, struct span given)
{
	const json_t *member = json_object_get(record, name);
	if (given.size == 0)
		return;
	assert(json_is_string(member));
	if (is_utf8(given) && !has_c1(given))
		assert(span_equal(given, (struct span){ json_string_value(member), json_string_length(member) }));
}

/* From its second member on: the first is the time. */
static struct span after_time(const struct buf *record)
{
	static const char time[] = "{\"ts\":\"2026-11-23T08:15:30.123456Z\"";
	return span_slice(buf_span(record), sizeof(time) - 1, SIZE_MAX);
}

/* What is kept of a record for the next one makes no other one of it. */
static void expect_the_same_again(struct audit_event event, const struct buf *alike, const struct buf *record)
{
	struct buf again BUF_AUTO;
	buf_init(&again, AUDIT_RECORD_MAXIMUM);
	event.alike = buf_span(alike);
	event.out_alike = NULL;
	enum status status = audit_record_write(&again, &event, "node.example.com");
	assert(status == STATUS_OK && span_equal(after_time(&again), after_time(record)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct span rest = { (const char *)data + 1, size - 1 };
	struct audit_event event = { .type = (enum audit_type)(data[0] % AUDIT_TYPE_COUNT), .has_mail_from = true };
	struct audit_recipient recipient = { .reply.code = 250 };
	struct audit_command command = { .uid = data[0], .result = SPAN("begins") };
	struct span *parts[] = { &event.user,
				 &event.client.helo,
				 &event.mail_from,
				 &event.header_from,
				 &event.message_id,
				 &event.reason,
				 &event.response.text,
				 &recipient.address,
				 &recipient.reply.text,
				 &event.detail,
				 &event.response.enhanced_code,
				 &event.redirected_to,
				 &command.object,
				 &command.options,
				 &event.shared_quota };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		(void)!span_cut(&rest, '\n', parts[i]);
	event.response.code = event.response.text.size ? 550 : 0;
	event.command = command.object.size ? &command : NULL;
	event.recipients = &recipient;
	event.recipient_count = recipient.address.size ? 1 : 0;

	struct buf text BUF_AUTO;
	struct buf alike BUF_AUTO;
	buf_init(&text, AUDIT_RECORD_MAXIMUM);
	buf_init(&alike, AUDIT_RECORD_MAXIMUM);
	event.out_alike = &alike;
	if (audit_record_write(&text, &event, "node.example.com") != STATUS_OK)
		return 0;
	expect_harmless(buf_span(&text));
	expect_the_same_again(event, &alike, &text);
	enum status status = buf_append_byte(&text, '}');
	assert(status == STATUS_OK);
	json_t *record =
		json_loadb(buf_span(&text).data, buf_size(&text), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	assert(json_is_object(record));
	expect_member(record, "user", event.user);
	expect_member(record, "helo", event.client.helo);
	expect_member(record, "mail_from", event.mail_from);
	expect_member(record, "reason", event.reason);
	json_decref(record);
	return 0;
}

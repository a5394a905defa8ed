/*
 * An event as JSON, in the order in which people read it. A record is valid and harmless whatever a client sent, as
 * base/json_writer.h sees to. Pure but for the clock.
 */
#include "audit/audit_private.h"
#include "base/clock.h"
#include "base/json_writer.h"

const char *audit_type_text(enum audit_type type)
{
	static const char *const names[] = {
#define EVENT(NUMBER, name, help) name,
#include "audit/events.def"
#undef EVENT
	};
	return type < AUDIT_TYPE_COUNT ? names[type] : "unknown";
}

/* ---- members; what is empty or 0 has none */

static void put_text(struct json_writer *record, struct span name, struct span value)
{
	if (value.size)
		json_put_text(record, name, value);
}

static void put_number(struct json_writer *record, struct span name, uint64_t value)
{
	if (value)
		json_put_number(record, name, (int64_t)value);
}

static void put_reply(struct json_writer *record, const struct audit_reply *reply)
{
	put_number(record, SPAN("code"), reply->code);
	put_text(record, SPAN("enhanced_code"), reply->enhanced_code);
	put_text(record, SPAN("text"), reply->text);
}

static void put_recipients(struct json_writer *record, const struct audit_event *event)
{
	json_open_array(record, SPAN("rcpt_to"));
	for (size_t i = 0; i < event->recipient_count; i++) {
		json_open_object(record, SPAN(""));
		json_put_text(record, SPAN("address"), event->recipients[i].address);
		put_reply(record, &event->recipients[i].reply);
		json_close_object(record);
	}
	json_close_array(record);
}

static void put_response(struct json_writer *record, const struct audit_reply *reply)
{
	json_open_object(record, SPAN("response"));
	put_reply(record, reply);
	json_close_object(record);
}

static void put_quota(struct json_writer *record, const struct audit_quota *quota)
{
	char resets_at[CLOCK_TEXT_SIZE];
	clock_format_seconds(quota->resets_at, resets_at);
	json_open_object(record, SPAN("quota"));
	json_put_number(record, SPAN("used"), (int64_t)quota->used);
	json_put_number(record, SPAN("limit"), (int64_t)quota->limit);
	json_put_text(record, SPAN("resets_at"), span_of(resets_at));
	json_close_object(record);
}

static void put_client(struct json_writer *record, const struct audit_event *event)
{
	put_text(record, SPAN("user"), event->user);
	put_text(record, SPAN("user_id"), event->user_id);
	put_text(record, SPAN("auth_method"), event->auth_method);
	put_text(record, SPAN("sasl_mechanism"), event->sasl_mechanism);
	put_text(record, SPAN("app_password_id"), event->app_password_id);
	put_text(record, SPAN("client_address"), event->client.address);
	put_number(record, SPAN("client_port"), event->client.port);
	put_text(record, SPAN("listener"), event->client.listener);
	put_text(record, SPAN("tls_version"), event->client.tls_version);
	put_text(record, SPAN("tls_cipher"), event->client.tls_cipher);
	put_text(record, SPAN("tls_client_subject"), event->client.tls_client_subject);
	put_text(record, SPAN("helo"), event->client.helo);
}

static void put_envelope(struct json_writer *record, const struct audit_event *event)
{
	put_number(record, SPAN("attempt"), event->attempt);
	if (event->has_mail_from)
		json_put_text(record, SPAN("mail_from"), event->mail_from);
	put_text(record, SPAN("header_from"), event->header_from);
	if (event->recipient_count)
		put_recipients(record, event);
	put_number(record, SPAN("size"), event->size);
	put_text(record, SPAN("message_id"), event->message_id);
	put_text(record, SPAN("relay"), event->relay);
}

static void put_alike(struct json_writer *record, const struct audit_event *event, const char *node)
{
	size_t before = buf_size(record->out);
	put_text(record, SPAN("node"), span_of(node));
	put_text(record, SPAN("session"), event->session);
	put_text(record, SPAN("message"), event->message);
	put_client(record, event);
	put_envelope(record, event);
	if (event->out_alike == NULL)
		return;
	buf_clear(event->out_alike);
	if (record->status == STATUS_OK)
		(void)!buf_append(event->out_alike, span_slice(buf_span(record->out), before, SIZE_MAX));
}

/* How it went. */
static void put_verdict(struct json_writer *record, const struct audit_event *event)
{
	put_text(record, SPAN("relay_host"), event->relay_host);
	put_text(record, SPAN("sent_as"), event->sent_as);
	put_text(record, SPAN("redirected_to"), event->redirected_to);
	put_text(record, SPAN("sha256"), event->digest);
	if (event->response.code)
		put_response(record, &event->response);
	if (event->quota.resets_at)
		put_quota(record, &event->quota);
	put_text(record, SPAN("shared_quota"), event->shared_quota);
}

static void put_command(struct json_writer *record, const struct audit_command *command)
{
	if (command->uid != UINT64_MAX) /* somebody of the console has none */
		json_put_number(record, SPAN("uid"), (int64_t)command->uid);
	put_text(record, SPAN("admin"), command->name);
	put_text(record, SPAN("api_token"), command->token);
	put_text(record, SPAN("command"), command->command);
	put_text(record, SPAN("object"), command->object);
	put_text(record, SPAN("options"), command->options);
	put_text(record, SPAN("result"), command->result);
}

static void put_head(struct json_writer *record, const struct audit_head *head)
{
	json_open_object(record, SPAN(""));
	json_put_text(record, SPAN("chain"), span_of(head->chain));
	json_put_number(record, SPAN("count"), (int64_t)head->count);
	json_put_text(record, SPAN("head"), span_of(head->hash));
	json_close_object(record);
}

static void put_former(struct json_writer *record, const struct audit_chain_facts *facts)
{
	json_open_array(record, SPAN("former"));
	for (size_t i = 0; i < facts->former_count; i++)
		put_head(record, &facts->former[i]);
	json_close_array(record);
}

/* As audit_statement_to_json has it. */
static void put_statement(struct json_writer *record, struct span name, const struct audit_statement *statement)
{
	json_open_object(record, name);
	json_put_number(record, SPAN("number"), (int64_t)statement->number);
	json_put_text(record, SPAN("chain"), span_of(statement->chain));
	json_put_number(record, SPAN("count"), (int64_t)statement->count);
	json_put_text(record, SPAN("head"), span_of(statement->head));
	json_put_text(record, SPAN("key"), span_of(statement->key));
	json_put_text(record, SPAN("next"), span_of(statement->next));
	json_put_text(record, SPAN("signature"), span_of(statement->signature));
	json_close_object(record);
}

static void put_chain_facts(struct json_writer *record, const struct audit_chain_facts *facts)
{
	put_text(record, SPAN("previous_file"), facts->previous_file);
	put_text(record, SPAN("next_file"), facts->next_file);
	put_text(record, SPAN("peer"), facts->peer);
	if (facts->former_count)
		put_former(record, facts);
	if (facts->before)
		put_statement(record, SPAN("before"), facts->before);
	if (facts->statement)
		put_statement(record, SPAN("checkpoint"), facts->statement);
}

static void fill_record(struct json_writer *record, const struct audit_event *event, const char *node)
{
	char now[CLOCK_TEXT_SIZE];
	clock_format_us(clock_wall_us(), now);
	put_text(record, SPAN("ts"), span_of(now));
	put_text(record, SPAN("type"), span_of(audit_type_text(event->type)));
	if (event->alike.size)
		json_put_again(record, event->alike);
	else
		put_alike(record, event, node);
	put_verdict(record, event);
	if (event->command)
		put_command(record, event->command);
	if (event->chain)
		put_chain_facts(record, event->chain);
	put_text(record, SPAN("reason"), event->reason);
	put_number(record, SPAN("count"), event->count);
	put_text(record, SPAN("detail"), event->detail);
	if (event->has_duration)
		json_put_number(record, SPAN("duration_ms"), (int64_t)event->duration_ms);
}

/* A message may leave only if its outcome will fit, too, which repeats the first record and adds the reply. */
static size_t maximum_of(enum audit_type type)
{
	return type == AUDIT_MESSAGE_LEAVING ? AUDIT_RECORD_MAXIMUM - AUDIT_OUTCOME_ROOM : AUDIT_RECORD_MAXIMUM;
}

static enum status write_record(struct buf *b, const struct audit_event *event, const char *node)
{
	struct json_writer record;
	size_t before = buf_size(b);
	json_writer_begin(&record, b);
	fill_record(&record, event, node);
	TRY(record.status);
	return buf_size(b) - before < maximum_of(event->type) ? STATUS_OK : STATUS_TOO_LARGE;
}

enum status audit_record_write(struct buf *b, const struct audit_event *event, const char *node)
{
	size_t before = buf_size(b);
	enum status status = write_record(b, event, node);
	if (status != STATUS_OK)
		buf_truncate(b, before);
	return status;
}

/* MAIL (RFC 5321, 4.1.1.2): answered by the gate alone; the relay hears of it with the first recipient. */
#include <inttypes.h>

#include "base/log.h"
#include "base/utf8.h"
#include "door/messages.h"
#include "gate/commands.h"
#include "gate/count.h"
#include "gate/offer.h"
#include "gate/senders.h"
#include "gate/session_talk.h"
#include "gate/transaction.h"
#include "smtp/size.h"

/* The relay records it, under a number that it has never seen. */
static void refuse_sender(struct session *s, struct span address)
{
	struct buf text BUF_AUTO;
	buf_init(&text, COMMAND_LINE_MAXIMUM + 128);
	if (buf_printf(&text, "553 5.7.1 <%.*s> is not one of your sender addresses", SPAN_ARGS(address)) !=
	    STATUS_OK) {
		session_drop(s, "out of memory");
		return;
	}
	struct door_transaction_aborted message = { .session = s->number,
						    .transaction = ++s->gate->last_transaction,
						    .mail_from = address,
						    .reply = buf_span(&text),
						    .reason = SPAN("sender") };
	relay_door_aborted(&s->gate->relay, &message);
	count_refused(s->gate, REFUSAL_SENDER);
	session_refuse(s, buf_span(&text));
}

/* A parameter that was not offered is an unknown one. */
static enum status read_parameters(const struct config *config, struct span text,
				   struct mail_parameters *out_parameters)
{
	struct mail_parameters parameters = { 0 };
	TRY(parameters_read_mail(text, &parameters));
	bool asks_dsn = !span_is_empty(parameters.ret) || !span_is_empty(parameters.envid);
	if ((asks_dsn && !offer_has_dsn(config)) || (parameters.smtputf8 && !offer_has_smtputf8(config)))
		return STATUS_NOT_FOUND;
	*out_parameters = parameters;
	return STATUS_OK;
}

/* The refusal of a command that can't be taken as it is written, or NULL. */
static const char *read_mail(const struct config *config, struct span argument, struct mailbox *out_sender,
			     struct mail_parameters *out_parameters)
{
	struct span text;
	enum status status = command_read_sender(argument, out_sender, &text);
	if (status == STATUS_NOT_FOUND)
		return "501 5.5.4 Syntax: MAIL FROM:<address>";
	if (status != STATUS_OK)
		return "501 5.1.7 This is not a sender address";
	if (out_sender->local.size > config->limits.local_part)
		return "501 5.1.7 This sender address is too long before its @";
	status = read_parameters(config, text, out_parameters);
	if (status == STATUS_NOT_FOUND)
		return "555 5.5.4 This parameter of MAIL is not known here";
	if (status != STATUS_OK)
		return "501 5.5.4 A parameter of MAIL is malformed or repeated";
	if (!out_parameters->smtputf8 && !utf8_is_ascii(out_sender->whole))
		return "553 5.6.7 This sender address needs SMTPUTF8 with MAIL";
	return NULL;
}

/* A sender that is not one of the user's is logged, whether it is refused or let pass. */
static bool sender_passes(const struct session *s, struct span sender)
{
	enum config_sender_mode mode = senders_mode(s, s->gate->config->sender.envelope);
	char more[LOG_PACE_TEXT];
	if (mode != SENDER_OFF && !senders_allow(s, sender) &&
	    log_pace_take(&s->gate->lines.senders, loop_now_ms(s->gate->loop), more))
		log_info(SESSION_NAME ": sender %.*s is not an address of %s%s", SESSION_NAME_ARGS(s),
			 SPAN_ARGS(sender), s->user, more);
	return senders_pass(s, mode, sender);
}

void cmd_mail(struct session *s, const struct smtp_command *command)
{
	struct mailbox sender = { 0 };
	struct mail_parameters parameters = { 0 };
	const struct config *config = s->gate->config;
	const char *refusal = read_mail(config, command->argument, &sender, &parameters);
	if (refusal) {
		count_refused(s->gate, REFUSAL_SYNTAX);
		session_refuse(s, span_of(refusal));
	} else if (parameters.has_size && size_exceeds(0, parameters.size, config->limits.message_size)) {
		count_refused(s->gate, REFUSAL_SIZE);
		session_reply(s, span_of(s->gate->too_large));
	} else if (!sender_passes(s, sender.whole)) {
		refuse_sender(s, sender.whole);
	} else if (!limits_have_memory(&s->gate->limits)) {
		count_refused(s->gate, REFUSAL_MEMORY);
		session_reply(s, SPAN("452 4.3.1 No memory for one more message now, please try again later"));
	} else if (transaction_begin(s, sender.whole, &parameters) != STATUS_OK) {
		session_reply(s, SPAN(TALK_NO_MEMORY));
	} else {
		session_reply(s, SPAN("250 2.1.0 Sender accepted"));
	}
}

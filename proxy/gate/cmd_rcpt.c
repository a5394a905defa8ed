/* RCPT (RFC 5321, 4.1.1.3): gathered into a batch; the upstream's own reply comes through the relay. */
#include "base/utf8.h"
#include "gate/commands.h"
#include "gate/count.h"
#include "gate/offer.h"
#include "gate/session_talk.h"
#include "gate/transaction.h"

/* Malformed recipients of one transaction; each one beyond is an error. The relay takes as many surplus ones. */
#define MALFORMED_MAXIMUM 1000

/* A list with bad addresses in it must not cost the good ones their mail: its sender has logged in. */
static void refuse_syntax(struct session *s, struct span reply)
{
	count_refused(s->gate, REFUSAL_SYNTAX);
	session_reply(s, reply);
	if (++s->transaction->malformed > MALFORMED_MAXIMUM)
		session_count_error(s);
}

static void add_recipient(struct session *s, struct span address, const struct rcpt_parameters *parameters)
{
	const struct config_limits *limits = &s->gate->config->limits;
	s->transaction->asked++;
	if (!span_is_empty(s->transaction->refusal)) {
		session_reply(s, s->transaction->refusal);
		return;
	}
	if (transaction_recipient_count(s) >= limits->recipients_per_message) {
		count_refused(s->gate, REFUSAL_RECIPIENTS);
		session_reply(s, SPAN("452 4.5.3 Too many recipients for one message"));
		return;
	}
	if (transaction_add_recipient(s, address, parameters) != STATUS_OK)
		session_drop(s, "out of memory");
}

/* A parameter that was not offered is an unknown one. */
static enum status read_parameters(const struct config *config, struct span text,
				   struct rcpt_parameters *out_parameters)
{
	struct rcpt_parameters parameters = { 0 };
	TRY(parameters_read_rcpt(text, &parameters));
	bool asks_dsn = !span_is_empty(parameters.notify) || !span_is_empty(parameters.orcpt);
	if (asks_dsn && !offer_has_dsn(config))
		return STATUS_NOT_FOUND;
	*out_parameters = parameters;
	return STATUS_OK;
}

/* The refusal of a command that can't be taken as it is written, or NULL. */
static const char *read_rcpt(const struct session *s, struct span argument, struct mailbox *out_recipient,
			     struct rcpt_parameters *out_parameters)
{
	struct span text;
	enum status status = command_read_recipient(argument, out_recipient, &text);
	if (status == STATUS_NOT_FOUND)
		return "501 5.5.4 Syntax: RCPT TO:<address>";
	if (status != STATUS_OK)
		return "501 5.1.3 This is not a recipient address";
	if (out_recipient->local.size > s->gate->config->limits.recipient_local_part)
		return "501 5.1.3 This recipient address is too long before its @";
	status = read_parameters(s->gate->config, text, out_parameters);
	if (status == STATUS_NOT_FOUND)
		return "555 5.5.4 This parameter of RCPT is not known here";
	if (status != STATUS_OK)
		return "501 5.5.4 A parameter of RCPT is malformed or repeated";
	if (!s->transaction->smtputf8 && !utf8_is_ascii(out_recipient->whole))
		return "553 5.6.7 This recipient address needs SMTPUTF8 with MAIL";
	return NULL;
}

void cmd_rcpt(struct session *s, const struct smtp_command *command)
{
	struct mailbox recipient = { 0 };
	struct rcpt_parameters parameters = { 0 };
	const char *refusal = read_rcpt(s, command->argument, &recipient, &parameters);
	if (refusal)
		refuse_syntax(s, span_of(refusal));
	else
		add_recipient(s, recipient.whole, &parameters);
}

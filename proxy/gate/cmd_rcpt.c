/* RCPT (RFC 5321, 4.1.1.3): gathered into a batch; the upstream's own reply comes through the relay. */
#include "gate/commands.h"
#include "gate/offer.h"
#include "gate/transaction.h"
#include "smtp/utf8.h"

static void refuse_syntax(struct session *s, struct span reply)
{
	gate_count_refused(s->gate, REFUSAL_SYNTAX);
	session_refuse(s, reply);
}

static void add(struct session *s, struct span address, const struct rcpt_parameters *parameters)
{
	const struct config_limits *limits = &s->gate->config->limits;
	s->transaction->asked++;
	if (!span_is_empty(s->transaction->refusal)) {
		session_reply(s, s->transaction->refusal);
		return;
	}
	if (transaction_recipient_count(s) >= limits->recipients_per_message) {
		gate_count_refused(s->gate, REFUSAL_RECIPIENTS);
		session_reply(s, SPAN("452 4.5.3 Too many recipients for one message"));
		return;
	}
	if (transaction_add_recipient(s, address, parameters) != STATUS_OK)
		session_drop(s, "out of memory");
}

/* One that was not offered is as unknown as any. */
static enum status read(const struct session *s, struct span argument, struct mailbox *out_recipient,
			struct rcpt_parameters *out_parameters)
{
	struct rcpt_parameters parameters;
	TRY(command_read_rcpt(argument, out_recipient, &parameters));
	bool asks_dsn = !span_is_empty(parameters.notify) || !span_is_empty(parameters.orcpt);
	if (asks_dsn && !offer_has_dsn(s->gate->config))
		return STATUS_NOT_FOUND;
	*out_parameters = parameters;
	return STATUS_OK;
}

void cmd_rcpt(struct session *s, const struct command *command)
{
	struct mailbox recipient;
	struct rcpt_parameters parameters;
	enum status status = read(s, command->argument, &recipient, &parameters);
	if (status == STATUS_OK && !s->transaction->smtputf8 && !utf8_is_ascii(recipient.whole))
		refuse_syntax(s, SPAN("553 5.6.7 This recipient address needs SMTPUTF8 with MAIL"));
	else if (status == STATUS_OK && !span_is_empty(recipient.whole))
		add(s, recipient.whole, &parameters);
	else if (status == STATUS_NOT_FOUND)
		refuse_syntax(s, SPAN("555 5.5.4 This parameter of RCPT is not known here"));
	else if (span_starts_with_nocase(command->argument, SPAN("TO:")))
		refuse_syntax(s, SPAN("501 5.1.3 This is not a recipient address"));
	else
		refuse_syntax(s, SPAN("501 5.5.4 Syntax: RCPT TO:<address>"));
}

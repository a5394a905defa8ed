/* DATA (RFC 5321, 4.1.1.4): the go-ahead for a message, once a recipient was accepted. */
#include "gate/commands.h"
#include "gate/deadline.h"
#include "gate/intake.h"
#include "gate/session_talk.h"
#include "gate/transaction.h"

void cmd_data(struct session *s, const struct smtp_command *command)
{
	(void)command;
	const char *refusal = transaction_refuse_message(s);
	if (!span_is_empty(s->transaction->refusal)) {
		session_reply(s, s->transaction->refusal);
		transaction_end(s);
	} else if (refusal) {
		session_reply(s, span_of(refusal));
		transaction_count_refused_message(s);
	} else if (intake_begin(s) != STATUS_OK) {
		session_reply(s, SPAN(TALK_NO_MEMORY));
	} else {
		deadline_begin_data(s);
		session_set_state(s, SESSION_DATA);
		session_reply(s, SPAN("354 Go ahead, end with a line that holds only a dot"));
	}
}

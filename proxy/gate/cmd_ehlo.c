/* EHLO and HELO (RFC 5321, 4.1.1.1): what the client calls itself is data, and what we offer depends on TLS. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "gate/commands.h"
#include "gate/offer.h"
#include "gate/session_talk.h"
#include "gate/transaction.h"

#define HELO_MAXIMUM 255U   /* bytes kept of the client's name */
#define OFFER_MAXIMUM 2048U /* bytes of EHLO's reply */

/* Bytes that would confuse a log or a record become '?'. */
static enum status keep_name(struct session *s, struct span name)
{
	name = span_slice(name, 0, HELO_MAXIMUM);
	char *text = malloc(name.size + 1);
	if (text == NULL)
		return STATUS_NO_MEMORY;
	memcpy(text, name.data, name.size);
	text_blank_controls(text, name.size);
	text[name.size] = '\0';
	free(s->helo);
	s->helo = text;
	return STATUS_OK;
}

static enum status write_offer(const struct session *s, struct buf *text)
{
	const struct config *config = s->gate->config;
	TRY(buf_printf(text, "250 %s\nPIPELINING\nSIZE %llu\n8BITMIME\nENHANCEDSTATUSCODES\nCHUNKING",
		       config->global.hostname, (unsigned long long)config->limits.message_size));
	if (offer_has_dsn(config))
		TRY(buf_append_text(text, "\nDSN"));
	if (offer_has_smtputf8(config))
		TRY(buf_append_text(text, "\nSMTPUTF8"));
	if (!stream_is_secure(s->stream))
		return buf_append_text(text, "\nSTARTTLS");
	const char *mechanisms = auth_door_mechanisms(s);
	return *mechanisms ? buf_printf(text, "\nAUTH %s", mechanisms) : STATUS_OK;
}

static void answer_ehlo(struct session *s)
{
	struct buf text BUF_AUTO;
	buf_init(&text, OFFER_MAXIMUM);
	if (write_offer(s, &text) == STATUS_OK)
		session_reply(s, buf_span(&text));
	else
		session_drop(s, "offer not made");
}

/* One per session, and not before the client has written: some clients hang otherwise. */
static void send_ticket(struct session *s)
{
	if (s->ticket_sent || !stream_is_secure(s->stream))
		return;
	s->ticket_sent = true;
	stream_send_ticket(s->stream);
}

void cmd_ehlo(struct session *s, const struct smtp_command *command)
{
	if (span_is_empty(command->argument)) {
		session_refuse(s, SPAN("501 5.5.4 Say who you are: EHLO your.host.name"));
		return;
	}
	transaction_abort(s, (struct span){ 0 }, (struct span){ 0 });
	if (keep_name(s, command->argument) != STATUS_OK) {
		session_drop(s, "out of memory");
		return;
	}
	send_ticket(s);
	if (command->verb == VERB_HELO)
		session_replyf(s, "250 %s", s->gate->config->global.hostname);
	else
		answer_ehlo(s);
}

/*
 * STARTTLS. What a client, or somebody between it and us, sent in the clear after the command must never be taken for
 * something said under TLS: it ends the session (RFC 3207, 4.2).
 */
#include "gate/cmd_starttls.h"

#include <stdlib.h>

#include "gate/commands.h"
#include "gate/session_talk.h"

void cmd_starttls(struct session *s, const struct smtp_command *command)
{
	(void)command;
	session_set_state(s, SESSION_STARTTLS);
}

static bool has_input(struct session *s)
{
	return buf_size(stream_input(s->stream)) > 0;
}

enum step starttls_step_answer(struct session *s)
{
	if (has_input(s)) {
		session_end_abuse(s, SPAN("554 5.5.1 Nothing may be sent after STARTTLS until it is answered"),
				  "input after STARTTLS");
		return STEP_NEXT;
	}
	session_reply(s, SPAN("220 2.0.0 Ready to start TLS"));
	session_set_state(s, SESSION_SWITCHING);
	stream_want_drained(s->stream);
	return STEP_WAIT;
}

enum step starttls_step_switch(struct session *s)
{
	if (has_input(s)) {
		session_end_abuse(s, SPAN(""), "input after STARTTLS");
		return STEP_NEXT;
	}
	if (s->peer_ended) {
		session_drop(s, "ended before TLS");
		return STEP_NEXT;
	}
	if (stream_backlog(s->stream) > 0)
		return STEP_WAIT;
	session_set_state(s, SESSION_HANDSHAKE);
	free(s->helo); /* all that was said in the clear is forgotten */
	s->helo = NULL;
	if (stream_secure_server(s->stream, s->listener->tls) != STATUS_OK)
		session_drop(s, "no TLS");
	return STEP_NEXT;
}

enum step starttls_step_handshake(struct session *s)
{
	if (s->peer_ended) {
		session_drop(s, "ended in the TLS handshake");
		return STEP_NEXT;
	}
	if (!stream_is_secure(s->stream))
		return STEP_WAIT;
	s->tls_client_subject = stream_tls_client_subject(s->stream);
	s->had_tls = true;
	bool implicit = s->listener->config->tls == LISTENER_TLS_IMPLICIT;
	session_set_state(s, implicit ? SESSION_GREETING : SESSION_COMMAND);
	return STEP_NEXT;
}

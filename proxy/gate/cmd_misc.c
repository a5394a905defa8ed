/* RSET, NOOP, VRFY, HELP, QUIT, and lines that are no command at all. */
#include "gate/commands.h"
#include "gate/count.h"
#include "gate/session_talk.h"
#include "gate/transaction.h"

void cmd_rset(struct session *s, const struct smtp_command *command)
{
	(void)command;
	transaction_abort(s, (struct span){ 0 }, (struct span){ 0 });
	session_reply(s, SPAN("250 2.0.0 Reset"));
}

void cmd_noop(struct session *s, const struct smtp_command *command)
{
	(void)command;
	session_reply(s, SPAN("250 2.0.0 OK"));
}

/* Says nothing about who exists (RFC 5321, 7.3). */
void cmd_vrfy(struct session *s, const struct smtp_command *command)
{
	(void)command;
	session_reply(s, SPAN("252 2.5.0 Can't verify an address, but a message to it may be sent"));
}

void cmd_help(struct session *s, const struct smtp_command *command)
{
	(void)command;
	session_reply(s,
		      SPAN("214 2.0.0 Mail submission: EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, BDAT, RSET, NOOP, VRFY, "
			   "HELP, QUIT"));
}

void cmd_quit(struct session *s, const struct smtp_command *command)
{
	(void)command;
	session_farewell(s, SPAN("221 2.0.0 Goodbye"), "quit");
}

/* "/ HTTP/1.1", whatever the method: HTTP/2 begins with "PRI * HTTP/2.0" (RFC 9113, 3.4). */
static bool has_http_version(struct span argument)
{
	struct span word = argument;
	while (span_cut(&argument, ' ', &word))
		;
	return span_starts_with(word, SPAN("HTTP/"));
}

/* A browser that was lured here must not carry on line by line. */
static bool is_http(const struct session *s, const struct smtp_command *command)
{
	static const struct span methods[] = { SPAN("GET"),    SPAN("POST"),    SPAN("PUT"),   SPAN("HEAD"),
					       SPAN("DELETE"), SPAN("OPTIONS"), SPAN("PATCH"), SPAN("CONNECT") };
	if (s->commands > 1)
		return false;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (span_equal_nocase(command->name, methods[i]))
			return true;
	}
	return has_http_version(command->argument);
}

void cmd_unknown(struct session *s, const struct smtp_command *command)
{
	if (is_http(s, command)) {
		session_end_abuse(s, SPAN(""), "HTTP");
		return;
	}
	count_refused(s->gate, REFUSAL_SYNTAX);
	if (span_is_empty(command->name))
		session_refuse(s, SPAN("500 5.5.2 This line is not a command"));
	else
		session_refuse(s, SPAN("500 5.5.1 This command is not known here"));
}

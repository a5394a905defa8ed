/*
 * The commands: a table of rows with the verb, what must hold, what must not, and the handler; and the step that takes
 * one command off the input.
 */
#ifndef GATE_COMMANDS_H
#define GATE_COMMANDS_H

#include "gate/session.h"
#include "smtp/command.h"

#define COMMANDS_OUTPUT_PACE (64U << 10) /* bytes of unread replies: no command is taken while there are so many */

/*
 * SESSION_COMMAND: at most one command. All but RCPT wait until the replies to the recipients before them are there; a
 * batch of recipients ends, and is sent to the relay, with the input or with the first other command.
 */
enum step commands_step(struct session *s);

/* The handlers, each in its cmd_*.c. Spans in `command` are views into the input. */
typedef void command_handler(struct session *s, const struct smtp_command *command);
command_handler cmd_ehlo; /* and HELO */
command_handler cmd_starttls;
command_handler cmd_auth;
command_handler cmd_mail;
command_handler cmd_rcpt;
command_handler cmd_data;
command_handler cmd_bdat;
command_handler cmd_rset;
command_handler cmd_noop;
command_handler cmd_vrfy;
command_handler cmd_help;
command_handler cmd_quit;
command_handler cmd_unknown;

#endif

/* The table. */
#include "setup/relay_kinds.h"

#include <string.h>

const struct relay_kind relay_kinds[RELAY_KINDS] = {
	[RELAY_KIND_GMAIL] = { { "gmail", "a Gmail or Google Workspace account; it becomes the sender" },
			       "smtp.gmail.com",
			       "465",
			       "implicit",
			       "plain",
			       "It needs an app password of that account:\n"
			       "  1. https://myaccount.google.com/security: turn on 2-Step Verification\n"
			       "  2. https://myaccount.google.com/apppasswords: name it Subgate, and create it\n"
			       "  3. type its 16 letters here; the blanks between them don't matter\n"
			       "Gmail puts the account's address into From:, unless the sender is one of its aliases. "
			       "An account at\n"
			       "gmail.com may send some 500 messages a day, one of a Workspace 2,000.\n",
			       { { "smtputf8", "true" } } },
	[RELAY_KIND_GOOGLE_RELAY] = { { "google-relay",
					"Google Workspace's SMTP relay service: everybody's own address stays" },
				      "smtp-relay.gmail.com",
				      "465",
				      "implicit",
				      "plain",
				      "In the Admin console (https://admin.google.com): Apps, Google Workspace, Gmail, "
				      "Routing, SMTP relay\n"
				      "service, Add another rule: allow addresses in your domains, and require SMTP "
				      "authentication and TLS.\n"
				      "Then an account of the Workspace and an app password of it:\n"
				      "  1. https://myaccount.google.com/security: turn on 2-Step Verification\n"
				      "  2. https://myaccount.google.com/apppasswords: name it Subgate, and create it\n"
				      "  3. type its 16 letters here; the blanks between them don't matter\n",
				      { { "smtputf8", "true" } } },
	[RELAY_KIND_MICROSOFT] = { { "microsoft365", "a mailbox of Microsoft 365" },
				   "smtp.office365.com",
				   "587",
				   "starttls",
				   "xoauth2",
				   "For a token, in the Entra admin center (https://entra.microsoft.com): App "
				   "registrations, New\n"
				   "registration; its page shows the application's id and the tenant's. API "
				   "permissions, Add, APIs my\n"
				   "organization uses, Office 365 Exchange Online, Application permissions: "
				   "SMTP.SendAsApp, then Grant\n"
				   "admin consent. Certificates & secrets, New client secret: type its value here. "
				   "Exchange must know the\n"
				   "application, too: the README has the three commands, under \"Tokens instead of "
				   "passwords\".\n"
				   "For a password: the mailbox's, with SMTP AUTH allowed for it in the Microsoft 365 "
				   "admin center: Users,\n"
				   "Active users, the mailbox, Mail, Manage email apps, Authenticated SMTP.\n"
				   "The mailbox needs Send As for every address that is sent from.\n",
				   { { "recipients_per_day", "10000" },
				     { "messages_per_minute", "30" },
				     { "dsn", "true" },
				     { "smtputf8", "true" },
				     { "connections", "3" } } },
	[RELAY_KIND_SES] = { { "ses", "Amazon SES" },
			     "",
			     "465",
			     "implicit",
			     "plain",
			     "In the SES console (https://console.aws.amazon.com/ses), in the region that you use: "
			     "SMTP settings, Create\n"
			     "SMTP credentials: the user name (AKIA...) and the password are shown once, and are no "
			     "access key.\n"
			     "Senders' domains must be verified there (Identities), and the account must be out of the "
			     "sandbox.\n",
			     { { "idle_timeout", "\"5s\"" } } },
	[RELAY_KIND_OWN] = { { "own", "a mail server of yours, such as Postfix on this machine" },
			     "",
			     "25",
			     "none",
			     "none",
			     "It must take mail from this machine. A Postfix here does so with mynetworks = "
			     "127.0.0.0/8 [::1]/128.\n",
			     { { 0 } } },
	[RELAY_KIND_OTHER] = { { "other", "another provider" },
			       "",
			       "465",
			       "implicit",
			       "plain",
			       "Its pages call that SMTP, outgoing mail or submission: host, port, user name and "
			       "password.\n",
			       { { 0 } } },
};

const struct relay_kind *relay_kind_of(const struct config_relay *relay)
{
	struct span host = span_of(relay->host);
	for (size_t i = 0; i < RELAY_KINDS; i++)
		if (*relay_kinds[i].host && span_equal_nocase(host, span_of(relay_kinds[i].host)))
			return &relay_kinds[i];
	if (span_starts_with_nocase(host, SPAN(RELAY_SES_HOST)) && span_ends_with_nocase(host, SPAN(RELAY_SES_DOMAIN)))
		return &relay_kinds[RELAY_KIND_SES];
	bool is_other = strcmp(relay->name, relay_kinds[RELAY_KIND_OTHER].choice.name) == 0;
	return &relay_kinds[is_other ? RELAY_KIND_OTHER : RELAY_KIND_OWN];
}

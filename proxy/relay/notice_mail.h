/* Notices as mails to notify.administrators: a sink of relay/notices.h. */
#ifndef RELAY_NOTICE_MAIL_H
#define RELAY_NOTICE_MAIL_H

#include "relay/notices.h"
#include "relay/own_mail.h"

/* Embedded in its owner; both are borrowed. */
struct notice_mail {
	struct services *services;
	struct own_mail *own;
};

/* For struct notice_sink, with the struct notice_mail as context. */
void notice_mail_take(void *context, const struct notice *notice);

#endif

/* Notices as calls of notify.url. */
#ifndef RELAY_NOTICE_CALL_H
#define RELAY_NOTICE_CALL_H

#include "export/webhook.h"
#include "relay/services.h"

/* Zeroed: nobody is called. */
struct notice_call {
	struct webhook *webhook;
	struct secret secret, ca; /* the latter PEM, and not secret */
};

/* Does nothing where no url is configured. */
MUST_USE enum status notice_call_begin(struct notice_call *call, const struct services *services);
void notice_call_take(void *context, const struct notice *notice); /* as a sink of notices; `context`: the call */
/* Another relay process makes the calls from now on. */
void notice_call_release(struct notice_call *call);
void notice_call_end(struct notice_call *call);

#endif

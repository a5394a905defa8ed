/* "subgatectl relay authorize": a dialog with an administrator and the daemon. */
#ifndef ADMIN_CTL_AUTHORIZE_H
#define ADMIN_CTL_AUTHORIZE_H

#include "admin/ctl.h"

/* Whether the answer asks for a consent, rather than to be printed. */
bool ctl_is_consent(const json_t *reply);
/* Opens the socket that the browser is sent back to, and adds its port to the request. */
MUST_USE enum status ctl_begin_consent(json_t *request, FILE *errors);
/*
 * Shows what to do, waits until it is done, and gives the daemon's final answer.
 * The code comes from the browser, if that runs on this machine, or from standard input.
 */
MUST_USE enum status ctl_finish_consent(const struct ctl_call *call, json_t *reply, FILE *errors, json_t **out_reply);

#endif

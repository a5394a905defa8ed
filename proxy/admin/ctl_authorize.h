/* "subgatectl relay authorize": a dialog with an administrator and the daemon. */
#ifndef ADMIN_CTL_AUTHORIZE_H
#define ADMIN_CTL_AUTHORIZE_H

#include "admin/ctl.h"

/*
 * Whether this answer asks for more than to be printed.
 */
bool ctl_is_consent(const json_t *reply);
/* Chooses where the browser is sent back to; adds it to the request. */
MUST_USE enum status ctl_begin_consent(json_t *request, FILE *errors);
/*
 * Shows what to do, waits until it is done, and gives the daemon's last word.
 * The code is taken from the browser, where it runs on this machine, or from standard input.
 */
MUST_USE enum status ctl_finish_consent(const struct ctl_call *call, json_t *reply, FILE *errors, json_t **out_reply);

#endif

/* subgatectl setup. */
#ifndef ADMIN_CTL_SETUP_H
#define ADMIN_CTL_SETUP_H

#include "admin/ctl.h"

/* All is written already when it returns; *out_reply is null, or a refusal. */
MUST_USE enum status ctl_setup(const struct ctl_call *call, FILE *errors, json_t **out_reply);

#endif

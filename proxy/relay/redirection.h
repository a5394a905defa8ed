/*
 * All mail of a user to one mailbox (recipients.redirect, for systems that only try things out): where to, and the
 * header field that tells whom the message was for.
 */
#ifndef RELAY_REDIRECTION_H
#define RELAY_REDIRECTION_H

#include "relay/grants.h"
#include "relay/recipients.h"

/* Where this user's mail goes instead; empty: nowhere else. */
struct span redirection_address(const struct grant *grant);

/* "X-Original-Recipients: <a@b>, …" with each accepted recipient, wire form, in the recipients' arena. */
MUST_USE enum status redirection_write_field(const struct recipients *recipients, struct span *out_field);

#endif

/*
 * What a user's mail program has to be told, written for those who read it: people, Apple's devices, Thunderbird, DNS.
 * Pure: facts in, text out.
 */
#ifndef SETUP_CLIENT_SETTINGS_H
#define SETUP_CLIENT_SETTINGS_H

#include <jansson.h>
#include <stdio.h>

#include "base/status.h"

/*
 * `facts` is the answer to "client-settings": user, address (may be missing), host, servers, imap (may be missing),
 * authentication, format; and "password", an app password for sending, which only Apple's form has a place for. What is
 * written then is a secret. STATUS_INVALID: it can't be written so, and *out_fault, static, says why.
 */
MUST_USE enum status client_settings_write(const json_t *facts, FILE *out, const char **out_fault);

#endif

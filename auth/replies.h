/* What clients hear at the end of AUTH. */
#ifndef AUTH_REPLIES_H
#define AUTH_REPLIES_H

#include "auth/verdict.h"

/* The replies, of RFC 4954, 6 and RFC 3463. Clients show the text to people. */
#define REPLY_GRANTED "235 2.7.0 Authentication successful"
#define REPLY_WRONG "535 5.7.8 Username or password not accepted"
#define REPLY_DISABLED "525 5.7.13 This account is disabled"
#define REPLY_APP_PASSWORD "534 5.7.9 This account needs an app password here, not its own password"
#define REPLY_MUST_CHANGE "525 5.7.13 The password of this account must be changed first"
#define REPLY_UNAVAILABLE "454 4.7.0 Temporary authentication failure, try again later"
#define REPLY_THROTTLED "454 4.7.0 Too many failed logins, try again later"
#define REPLY_BASE64 "501 5.5.2 Invalid base64 in the authentication response"
#define REPLY_MALFORMED "501 5.5.2 Invalid authentication response"
#define REPLY_TOO_LONG "500 5.5.6 Authentication response too long"
#define REPLY_MECHANISM "504 5.5.4 Unrecognized authentication mechanism"

/* Of a verdict that refuses. */
const char *auth_reply_of(enum verdict verdict);

#endif

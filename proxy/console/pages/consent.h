/* What the page of relays says of an administrator's consent under way (OAuth 2). Pure. */
#ifndef CONSOLE_PAGES_CONSENT_H
#define CONSOLE_PAGES_CONSENT_H

#include <jansson.h>

/*
 * From the answer to "relay authorize", or the form that has just been sent again: "consent", with its relay, id and
 * flow ("is_device"), where to consent, and whether it "is_pending"; or "is_consented".
 */
void consent_prepare(json_t *data);

#endif

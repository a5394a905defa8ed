/* Requests of the API: what they say goes to admin, and admin's answer back. */
#ifndef CONSOLE_ASKING_H
#define CONSOLE_ASKING_H

#include "console/head.h"
#include "console/site.h"
#include "door/messages.h"

/* The cookie of a session: no other host, path or page of plain HTTP can set it. */
#define SESSION_COOKIE "__Host-subgate"
/* That of a login at a provider, which comes along when the provider sends its browser back: a ticket (admin). */
#define LOGIN_COOKIE "__Host-subgate-login"

/* Whether it is one for admin. */
bool asking_is_for(const struct visit *visit);
/* Passes it on; answered at once where it can't be. `door` is NULL while admin is away. `has_tls`: else a web server
 * in front says who asks. */
void asking_begin(struct site *site, struct visit *visit, struct door *door, bool has_tls);
/* STATUS_INVALID: admin would not say so. */
MUST_USE enum status asking_take_answer(struct site *site, const struct door_console_answered *answered);
/* Admin is gone: whoever waits hears so. */
void asking_lose_admin(struct site *site);

/* Whose request it is, as far as we know; empty for a UNIX socket whose web server doesn't say. */
void asking_find_address(const struct visit *visit, bool has_tls, char out_address[HEAD_ADDRESS_SIZE]);
/* The whole of Set-Cookie, on the heap: for a session's token; for an empty one, that the cookie goes. NULL: memory. */
char *asking_make_cookie(struct span token);
/* The same of a login at a provider. */
char *asking_make_login_cookie(struct span ticket);

#endif

/*
 * Who is connected to the metrics port, and who gives way when others want the
 * place (places.h). Private to this room; all on libmicrohttpd's thread.
 */
#ifndef ADMIN_HTTP_GUESTS_H
#define ADMIN_HTTP_GUESTS_H

#include <microhttpd.h>

#include "admin/places.h"

/* For MHD_OPTION_NOTIFY_CONNECTION; the context is a struct places. */
void http_guest_changed(void *context, struct MHD_Connection *connection, void **guest_at,
			enum MHD_ConnectionNotificationCode what);
/* The request on this connection has arrived up to the end of its header. */
void http_guest_asks(struct MHD_Connection *connection);

#endif

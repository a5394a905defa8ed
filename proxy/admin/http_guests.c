/* Connections to the metrics port and their places. Owns a guest for each until libmicrohttpd reports it closed. */
#include "admin/http_guests.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* One connection; owned by libmicrohttpd's. */
struct guest {
	struct place place; /* first, so that a place is its guest */
	int fd;             /* libmicrohttpd's; -1: it has given way */
};

/* An address as a number; for IPv6 its /64. */
static uint64_t number_of(const struct sockaddr *address)
{
	uint64_t number = 0;
	if (address->sa_family == AF_INET)
		number = ((const struct sockaddr_in *)address)->sin_addr.s_addr;
	else if (address->sa_family == AF_INET6)
		memcpy(&number, &((const struct sockaddr_in6 *)address)->sin6_addr, sizeof(number));
	return number;
}

/* A guest that gives way is only shut down: libmicrohttpd sees the end and closes it. */
static void see_off(struct places *places, struct guest *guest)
{
	shutdown(guest->fd, SHUT_RDWR);
	places_remove(places, &guest->place);
	guest->fd = -1;
}

/* NULL: there is no room, and the newcomer is shut down. */
static struct guest *take_in(struct places *places, int fd, const struct sockaddr *address)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	struct place *leaver = NULL;
	uint64_t peer = number_of(address);
	if (guest == NULL || places_make_room(places, peer, &leaver) != STATUS_OK) {
		free(guest);
		shutdown(fd, SHUT_RDWR);
		return NULL;
	}
	if (leaver)
		see_off(places, (struct guest *)leaver);
	guest->fd = fd;
	places_add(places, &guest->place, peer);
	return guest;
}

void http_guest_changed(void *context, struct MHD_Connection *connection, void **guest_at,
			enum MHD_ConnectionNotificationCode what)
{
	struct places *places = context;
	struct guest *guest = *guest_at;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*guest_at = take_in(
			places, MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
		return;
	}
	if (guest && guest->fd >= 0)
		places_remove(places, &guest->place);
	free(guest);
	*guest_at = NULL;
}

void http_guest_asks(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct guest *guest = info ? info->socket_context : NULL;
	if (guest)
		guest->place.state = PLACE_SERVED;
}

/*
 * Owned by its visit until it is answered, then by the library's response. While no part is there its connection is
 * suspended in the library, which then has no time limit for it; the maker has one for each part.
 */
#include "console/supply.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BLOCK 16384 /* bytes that the library asks for at once */

struct supply {
	struct supply_place place;
	const struct supply_maker *maker; /* NULL: it has left */
	void *context;
	size_t maximum, at; /* bytes of the part that have gone out */
	struct buf part;
	bool is_suspended, has_ended, is_whole;
};

enum status supply_create(const struct supply_place *place, size_t maximum, const struct supply_maker *maker,
			  void *context, struct supply **out_supply)
{
	struct supply *supply = calloc(1, sizeof(*supply));
	if (supply == NULL)
		return STATUS_NO_MEMORY;
	supply->place = *place;
	supply->maker = maker;
	supply->context = context;
	supply->maximum = maximum;
	buf_init_sensitive(&supply->part, maximum);
	*out_supply = supply;
	return STATUS_OK;
}

void supply_free(struct supply **supply)
{
	struct supply *ending = *supply;
	*supply = NULL;
	if (ending == NULL)
		return;
	if (ending->maker)
		ending->maker->on_gone(ending->context);
	buf_free(&ending->part);
	free(ending);
}

/* ---- its maker */

static void resume_supply(struct supply *supply)
{
	if (!supply->is_suspended)
		return;
	supply->is_suspended = false;
	MHD_resume_connection(supply->place.connection);
	supply->place.wake(supply->place.site);
}

void supply_take(struct supply *supply, struct buf *part)
{
	buf_free(&supply->part);
	supply->part = *part;
	supply->at = 0;
	buf_init_sensitive(part, supply->maximum);
	if (buf_size(&supply->part) > 0)
		resume_supply(supply);
}

void supply_end(struct supply *supply, bool is_whole)
{
	if (!supply->has_ended)
		supply->is_whole = is_whole;
	supply->has_ended = true;
	resume_supply(supply);
}

static int find_socket(const struct supply *supply)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(supply->place.connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	return info ? info->connect_fd : -1;
}

/* With TLS its last bytes tell that it leaves. */
bool supply_has_reader(const struct supply *supply)
{
	char byte;
	return recv(find_socket(supply), &byte, 1, MSG_PEEK) < 0 && (errno == EAGAIN || errno == EINTR);
}

/* The next attempt to send fails, and the library gives the connection up. */
void supply_cut(const struct supply *supply)
{
	shutdown(find_socket(supply), SHUT_WR);
	supply->place.wake(supply->place.site);
}

void supply_leave(struct supply *supply)
{
	supply->maker = NULL;
	buf_free(&supply->part);
	supply->at = 0;
	supply->is_whole = false;
	supply_end(supply, false);
}

/* ---- the library */

static ssize_t end_or_wait(struct supply *supply)
{
	if (supply->has_ended)
		return supply->is_whole ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
	supply->is_suspended = true;
	MHD_suspend_connection(supply->place.connection);
	supply->maker->on_hungry(supply->context);
	return 0;
}

static ssize_t read_part(void *context, uint64_t position, char *out_bytes, size_t size)
{
	struct supply *supply = context;
	struct span rest = span_slice(buf_span(&supply->part), supply->at, buf_size(&supply->part));
	(void)position;
	if (rest.size == 0)
		return end_or_wait(supply);
	size_t taken = rest.size < size ? rest.size : size;
	memcpy(out_bytes, rest.data, taken);
	supply->at += taken;
	return (ssize_t)taken;
}

static void free_supply(void *context)
{
	struct supply *supply = context;
	supply_free(&supply);
}

struct MHD_Response *supply_make_response(struct supply **supply)
{
	struct MHD_Response *response =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_part, *supply, free_supply);
	if (response)
		*supply = NULL;
	else
		supply_free(supply);
	return response;
}

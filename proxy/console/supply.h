/*
 * A body that is made while it is sent, part by part. Its maker is asked for a part only when the last one has gone
 * out, so that a browser that reads slowly holds one part and no more.
 */
#ifndef CONSOLE_SUPPLY_H
#define CONSOLE_SUPPLY_H

#include "base/buf.h"
#include "base/status.h"

struct MHD_Connection;
struct MHD_Response;
struct site;
struct supply;

struct supply_maker {
	void (*on_hungry)(void *context); /* a part is wanted: supply_take, or supply_end, now or later */
	void (*on_gone)(void *context);   /* the browser has it all, or is gone: the supply is no more */
};

/* Where it goes; `wake` has the site look at its connections. */
struct supply_place {
	struct site *site;
	void (*wake)(struct site *site);
	struct MHD_Connection *connection;
};

/* `maximum`: bytes of a part. STATUS_NO_MEMORY. */
MUST_USE enum status supply_create(const struct supply_place *place, size_t maximum, const struct supply_maker *maker,
				   void *context, struct supply **out_supply);
/* Takes the part's text over, and leaves it empty. */
void supply_take(struct supply *supply, struct buf *part);
/* No part follows. Not whole: the connection breaks, so that nobody takes it for whole. */
void supply_end(struct supply *supply, bool is_whole);
/*
 * False: its reader has left, which the library does not see while it waits for a part, or has sent what nobody waits
 * for.
 */
bool supply_has_reader(const struct supply *supply);
/* Its reader gets nothing more, whatever they have not read; supply_leave follows. */
void supply_cut(const struct supply *supply);
/* Its maker is gone: what of the part has not gone out is dropped, and the connection breaks. */
void supply_leave(struct supply *supply);

/* ---- for visit.c */

/* The library's, which owns the supply from now on. NULL without memory: the supply is gone. */
struct MHD_Response *supply_make_response(struct supply **supply);
void supply_free(struct supply **supply); /* NULL-safe; sets to NULL */

#endif

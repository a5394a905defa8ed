/* The admin role's door, for what administrators ask: quota show, reset and set, relay list, pause, resume and test. */
#ifndef RELAY_ADMIN_DOOR_H
#define RELAY_ADMIN_DOOR_H

#include "door/door.h"
#include "relay/services.h"

struct question;
struct retrospect;
struct standings;
struct withdrawals;
struct trial;
struct inquiry;
struct rebuilding;
struct proof;
struct outline;

/* Embedded in the role's state. */
struct control {
	struct services *services;
	struct withdrawals *withdrawals;
	const struct rebuilding *rebuilding; /* has the audit's files */
	struct door *door;                   /* NULL while the admin role is away */
	uint64_t generation;                 /* of the door: an answer to a former one is dropped */
	struct question *first;              /* waiting for Redis */
	struct retrospect *retrospects;      /* quota history, waiting for Redis */
	struct standings *standings;         /* quota top; NULL until it is asked for */
	struct trial *trials;                /* relay test, under way */
	struct inquiry *inquiries;           /* of the audit; the first is under way */
	struct outline *outline;             /* of the audit, for inquiries; NULL until there is one */
	struct proof *proof;                 /* of the audit; NULL until it is asked for */
};

/* A new admin role takes the place of the old one. Logs why it can't; `fd` is owned, also on failure. */
void relay_admin_door_attach(struct control *control, int fd);
/* No answer goes out any more; questions under way are answered to nobody. */
void relay_admin_door_close(struct control *control);
/* Trials let go of their pools, which are to be freed: at the end of the process. */
void relay_admin_door_drop_trials(struct control *control);
/* After quota_free and audit_free, when no answer comes any more. */
void relay_admin_door_free(struct control *control);

#endif

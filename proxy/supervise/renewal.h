/*
 * Certificates that renew by themselves: follows the files with certificates, keys, authorities and revocations that a
 * config names. Once they have changed, and all of them are right as --check sees it, what they hold is handed over.
 *
 * A thread reads and checks them, so that a disk or a server of files that hangs holds up nobody. Changes are noticed
 * by inotify within two seconds, else within a minute. What is half written, or does not belong together, gets some
 * seconds to become complete; then the log says once what is wrong, and it is looked at again when a file changes.
 */
#ifndef SUPERVISE_RENEWAL_H
#define SUPERVISE_RENEWAL_H

#include "config/config.h"
#include "net/loop.h"
#include "role/handover.h"

struct renewal;

/*
 * `renewed` holds sealed contents of all files that are followed, by the names of role/role.h; it stays the caller's.
 * STATUS_REFUSED: not now; it is called again a second later. Any other answer ends the matter.
 */
typedef enum status renewal_callback(void *context, const struct handover *renewed);

MUST_USE enum status renewal_create(struct loop *loop, renewal_callback *on_renewed, void *context,
				    struct renewal **out_renewal);
/*
 * Follows the files of this config from now on, and those alone. `files` holds what they were read as; both stay the
 * caller's. Without memory the log says so, and nothing is followed.
 */
void renewal_follow(struct renewal *renewal, const struct config *config, const struct handover *files);
void renewal_free(struct renewal **renewal); /* NULL-safe; sets to NULL */

#endif

/*
 * What a question goes through, step by step, for an administrator who asks ("directory test"): collected on the thread
 * that asks, when it was told to.
 */
#ifndef AUTH_LDAP_STEPS_H
#define AUTH_LDAP_STEPS_H

#include "base/buf.h"

#define LDAP_STEPS_MAXIMUM 32768 /* bytes of all steps of a question; further ones are left out */

/* From now on steps on this thread are added to `list`, a codec list. NULL, as at first: to none. */
void ldap_steps_collect(struct buf *list);
/* One step, cut where it is long; nothing if nobody collects. No secret may be in it. */
void ldap_step(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

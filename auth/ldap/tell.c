/* One line of a kind at a time. */
#include "auth/ldap/tell.h"

#include <stdarg.h>
#include <stdio.h>

#include "auth/ldap/steps.h"
#include "base/clock.h"
#include "base/log.h"

#define PAUSE_MS 600000 /* between two lines of one kind */
#define TEXT_SIZE 512   /* bytes */

void ldap_tell(struct ldap_tell *tell, enum ldap_tell_kind kind, const char *dn, const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	ldap_step("%s", text);
	uint_fast64_t now_ms = clock_monotonic_ms();
	uint_fast64_t last_ms = atomic_load(&tell->last_ms[kind]);
	if (last_ms && now_ms - last_ms < PAUSE_MS)
		return;
	if (!atomic_compare_exchange_strong(&tell->last_ms[kind], &last_ms, now_ms))
		return; /* another thread is telling it */
	log_warning("ldap %s: %.200s: %s", tell->directory, dn, text);
}

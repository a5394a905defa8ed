/* The list that is being filled, a thread's own. */
#include "auth/ldap/steps.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "door/codec.h"

#define STEP_SIZE 1024 /* bytes of one, the NUL included */

static _Thread_local struct buf *collecting;

void ldap_steps_collect(struct buf *list)
{
	collecting = list;
}

void ldap_step(const char *format, ...)
{
	char text[STEP_SIZE];
	va_list arguments;
	if (collecting == NULL)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	struct span step = span_of(text);
	if (buf_room(collecting) < step.size + sizeof(uint32_t) || codec_list_add(collecting, step) != STATUS_OK)
		log_debug("a step of a question to a directory is left out");
}

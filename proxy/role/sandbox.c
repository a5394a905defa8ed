/* Puts the sandbox together. Owns nothing. Fails closed: a role without its sandbox must not serve. */
#include "role/sandbox.h"

#include "base/log.h"

#ifdef SUBGATE_SANITIZED

enum status sandbox_close_paths(enum role_kind kind, const struct config *config, const struct handover *list)
{
	(void)kind;
	(void)config;
	(void)list;
	return STATUS_OK;
}

enum status sandbox_close_calls(enum role_kind kind)
{
	(void)kind;
	log_debug("built with a sanitizer: no sandbox");
	return STATUS_OK;
}

#else

enum status sandbox_close_paths(enum role_kind kind, const struct config *config, const struct handover *list)
{
	if (kind == ROLE_GATE || kind == ROLE_CONSOLE) /* their system calls open none */
		return STATUS_OK;
	enum status status = paths_restrict(kind, config, list);
	if (status != STATUS_UNAVAILABLE)
		return status;
	log_info("Landlock is not available");
	return STATUS_OK;
}

enum status sandbox_close_calls(enum role_kind kind)
{
	TRY(system_calls_restrict(kind));
	log_debug("in its sandbox");
	return STATUS_OK;
}

#endif

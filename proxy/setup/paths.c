/* Looks at the machine, changes nothing. */
#include "setup/paths.h"

#include <stddef.h>
#include <unistd.h>

#include "base/span.h"

bool paths_has_systemd(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

/* ProtectHome= of deploy/systemd/subgate.service.in. */
static bool is_hidden_from_service(struct span path)
{
	return paths_has_systemd() &&
	       (span_starts_with(path, SPAN("/home/")) || span_starts_with(path, SPAN("/root/")));
}

const char *paths_judge_file(const char *text)
{
	if (*text != '/')
		return "Expected a whole path, which begins with /.";
	if (access(text, R_OK) != 0)
		return "There is no such file, or it can't be read.";
	if (is_hidden_from_service(span_of(text)))
		return "The service can't see files below /home and /root: copy it to /etc/subgate/tls first.";
	return NULL;
}

const char *paths_judge_optional_file(const char *text)
{
	return *text ? paths_judge_file(text) : NULL;
}

/* Owns nothing. */
#include "console/pages/assets.h"

#include <microhttpd.h>
#include <string.h>

#include "console/pages/files.h"

#define PREFIX "/assets/"

static const struct {
	const char *name, *type;
} assets[] = {
	{ "style.css", "text/css; charset=utf-8" },
	{ "live.js", "text/javascript; charset=utf-8" },
	{ "icon.svg", "image/svg+xml" },
};

bool assets_answer(struct visit *visit)
{
	if (strncmp(visit->path, PREFIX, sizeof(PREFIX) - 1) != 0)
		return false;
	for (size_t i = 0; i < sizeof(assets) / sizeof(assets[0]); i++) {
		if (strcmp(visit->path + sizeof(PREFIX) - 1, assets[i].name) != 0)
			continue;
		visit_set_text(visit, MHD_HTTP_OK, assets[i].type, files_find(span_of(assets[i].name)));
		visit->answer.may_be_kept = true;
		return true;
	}
	return false;
}

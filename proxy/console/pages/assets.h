/* What pages load: style, script, icon. Everybody may have them, and keep them. */
#ifndef CONSOLE_PAGES_ASSETS_H
#define CONSOLE_PAGES_ASSETS_H

#include "console/visit.h"

/* Sets the answer, if the path is that of one. */
bool assets_answer(struct visit *visit);

#endif

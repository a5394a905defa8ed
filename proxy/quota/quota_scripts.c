/*
 * The scripts, each put together of its parts. All of a script runs each time that it is called, and making a function
 * costs more than many a command: in the charge, which each message has, parts that few messages need are inside of one
 * function each.
 */
#include "quota/quota_private.h"

const char quota_charge_source[] =
#include "quota/day.lua.h"

	"local function load_windows()\n"
#include "quota/windows.lua.h"
	"return { MINUTE = MINUTE, HOUR = HOUR, DAY = DAY, read_window = read_window, count_step = count_step,\n"
	"	free_at = free_at, add_step = add_step, read_last_day = read_last_day, write_last_day = write_last_day "
	"}\n"
	"end\n"

#include "quota/overrides.lua.h"

	"local function load_known()\n"
#include "quota/known.lua.h"
	"return { open_known = open_known, find_strangers = find_strangers, make_known = make_known }\n"
	"end\n"

	"local function load_past()\n"
#include "quota/past.lua.h"
	"return count_sent, add_past\n"
	"end\n"

#include "quota/charge.lua.h"
	;

const char quota_refund_source[] =
#include "quota/windows.lua.h"

#include "quota/rebuilt.lua.h"

#include "quota/past.lua.h"

#include "quota/refund.lua.h"
	;

const char quota_show_source[] =
#include "quota/day.lua.h"

#include "quota/windows.lua.h"

#include "quota/past.lua.h"

#include "quota/show.lua.h"
	;

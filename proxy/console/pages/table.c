/* The tables. Owns nothing. */
#include "console/pages/table.h"

#include <string.h>

#include "console/pages/history.h"
#include "console/pages/overview.h"
#include "console/pages/profile.h"

#define READER                              \
	{                                   \
		"user", SOURCE_READER, NULL \
	}
#define USER                             \
	{                                \
		"user", SOURCE_URL, NULL \
	}
#define URL(name)                      \
	{                              \
		name, SOURCE_URL, NULL \
	}
#define AFTER                             \
	{                                 \
		"after", SOURCE_URL, NULL \
	}
#define SOON                                \
	{                                   \
		"within", SOURCE_SOON, NULL \
	}
#define FIXED(name, text)                \
	{                                \
		name, SOURCE_FIXED, text \
	}
#define FEW FIXED("limit", "20")
#define FIELD(name)                      \
	{                                \
		name, SOURCE_FIELD, NULL \
	}
/* Nobody waits there for the browser that comes from a consent page, and no browser goes there: who is at it copies the
 * address that it was sent to. */
#define NO_PORT                            \
	{                                  \
		"port", SOURCE_NUMBER, "1" \
	}

#define ASK(word, address, ...)                                                          \
	{                                                                                \
		.name = (word), .path = "/api/v1/" address, .arguments = { __VA_ARGS__ } \
	}

static const struct table_page pages[] = {
	{ "/login", "login", RANK_STRANGER, { { 0 } }, NULL, NULL },
	{ "/me",
	  "me",
	  RANK_USER,
	  { ASK("quota", "quota/show", READER), ASK("passwords", "app-password/list", READER, AFTER),
	    ASK("sessions", "sessions", READER), ASK("settings", "client-settings", READER),
	    ASK("messages", "messages", READER), ASK("history", "quota/history", READER) },
	  overview_prepare_me,
	  NULL },
	{ .path = "/me/profile",
	  .name = "me",
	  .rank = RANK_USER,
	  .questions = { ASK("settings", "client-settings", READER, FIXED("format", "mobileconfig")) },
	  .write = profile_write },
	{ "/now",
	  "now",
	  RANK_AUDITOR,
	  { ASK("status", "status"), ASK("relays", "relay/list"), ASK("throttled", "throttle/list") },
	  overview_prepare,
	  NULL },
	{ "/people",
	  "people",
	  RANK_AUDITOR,
	  { ASK("top", "quota/top", FIXED("limit", "200")) },
	  overview_prepare_people,
	  NULL },
	{ "/person",
	  "person",
	  RANK_AUDITOR,
	  { ASK("known", "user/show", USER), ASK("quota", "quota/show", USER),
	    ASK("passwords", "app-password/list", USER, AFTER), ASK("sessions", "sessions", USER),
	    ASK("history", "quota/history", USER) },
	  overview_prepare_person,
	  NULL },
	{ "/mail",
	  "mail",
	  RANK_AUDITOR,
	  { ASK("found", "audit/recent", USER, URL("to"), URL("from"), URL("result"), URL("client"), URL("text")),
	    ASK("proof", "audit/check") },
	  history_prepare,
	  NULL },
	{ "/message",
	  "message",
	  RANK_AUDITOR,
	  { ASK("found", "audit/recent", URL("id")) },
	  history_prepare_message,
	  NULL },
	{ "/relays", "relays", RANK_AUDITOR, { ASK("relays", "relay/list") }, overview_prepare_relays, NULL },
	{ "/alerts",
	  "alerts",
	  RANK_AUDITOR,
	  { ASK("status", "status"), ASK("relays", "relay/list"), ASK("throttled", "throttle/list", AFTER),
	    ASK("expiring", "app-password/expiring", SOON),
	    ASK("locks", "audit/recent", FIXED("result", "user.locked"), FEW),
	    ASK("unusual", "audit/recent", FIXED("result", "user.alert"), FEW) },
	  overview_prepare,
	  NULL },
};

static const struct table_form forms[] = {
	{ "/login", "/api/v1/login", { FIELD("user"), FIELD("password") }, "/login", "in", NULL },
	{ "/logout", "/api/v1/logout", { { 0 } }, "/login", "out", NULL },
	{ "/me/create",
	  "/api/v1/app-password/create",
	  { FIELD("user"), FIELD("label"), { "expires", SOURCE_DAYS, "days" } },
	  "/me",
	  NULL,
	  NULL },
	{ "/me/revoke", "/api/v1/app-password/revoke", { FIELD("user"), FIELD("id") }, "/me", "revoked", NULL },
	{ "/person/revoke",
	  "/api/v1/app-password/revoke",
	  { FIELD("user"), FIELD("id") },
	  "/person",
	  "revoked",
	  "user" },
	{ "/person/lock", "/api/v1/user/lock", { FIELD("user"), FIELD("reason") }, "/person", "locked", "user" },
	{ "/person/unlock", "/api/v1/user/unlock", { FIELD("user") }, "/person", "unlocked", "user" },
	{ "/person/quota",
	  "/api/v1/quota/set",
	  { FIELD("user"), { "limits", SOURCE_MESSAGES, "messages" }, { "until", SOURCE_DAYS, "days" } },
	  "/person",
	  "quota",
	  "user" },
	{ "/person/unset", "/api/v1/quota/unset", { FIELD("user") }, "/person", "unset", "user" },
	{ "/person/kick", "/api/v1/kick", { FIELD("session") }, "/person", "kicked", "user" },
	{ "/person/end", "/api/v1/user/forget", { FIELD("user") }, "/person", "ended", "user" },
	{ "/relays/pause", "/api/v1/relay/pause", { FIELD("relay") }, "/relays", "paused", NULL },
	{ "/relays/resume", "/api/v1/relay/resume", { FIELD("relay") }, "/relays", "resumed", NULL },
	{ "/relays/test", "/api/v1/relay/test", { FIELD("relay"), FIELD("to"), FIELD("from") }, "/relays", NULL, NULL },
	{ "/relays/authorize", "/api/v1/relay/authorize", { FIELD("relay"), NO_PORT }, "/relays", NULL, NULL },
	{ "/relays/consent",
	  "/api/v1/relay/authorize",
	  { FIELD("relay"), FIELD("id"), FIELD("answer") },
	  "/relays",
	  NULL,
	  NULL },
	{ "/alerts/forgive",
	  "/api/v1/throttle/clear",
	  { FIELD("user"), FIELD("address") },
	  "/alerts",
	  "forgiven",
	  NULL },
};

const struct table_page *table_find_page(struct span path)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (span_equal(path, span_of(pages[i].path)))
			return &pages[i];
	return NULL;
}

const struct table_form *table_find_form(struct span path)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (span_equal(path, span_of(forms[i].path)))
			return &forms[i];
	return NULL;
}

enum table_rank table_rank_of(const char *role)
{
	static const struct {
		const char *role;
		enum table_rank rank;
	} ranks[] = { { "user", RANK_USER },
		      { "auditor", RANK_AUDITOR },
		      { "operator", RANK_OPERATOR },
		      { "admin", RANK_ADMIN } };
	for (size_t i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++)
		if (strcmp(role, ranks[i].role) == 0)
			return ranks[i].rank;
	return RANK_STRANGER;
}

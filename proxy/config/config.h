/*
 * The configuration, typed, as options.def declares it. Made once by config_load, constant afterwards. Texts are
 * NUL-terminated, never NULL.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/span.h"
#include "base/status.h"

struct config_head; /* what each section's struct begins with: table.h */

struct config_list {
	char **items;
	size_t count;
};

/* ---- choices: the order is that of the names in options.def */
enum config_listener_tls { LISTENER_TLS_IMPLICIT, LISTENER_TLS_STARTTLS };
enum config_client_certificate { CLIENT_CERTIFICATE_NONE, CLIENT_CERTIFICATE_REQUEST, CLIENT_CERTIFICATE_REQUIRE };
enum config_certificate_user {
	CERTIFICATE_USER_NONE,
	CERTIFICATE_USER_EMAIL,
	CERTIFICATE_USER_COMMON_NAME,
	CERTIFICATE_USER_MAP
};
enum config_tls_version { TLS_VERSION_12, TLS_VERSION_13 };
enum config_relay_tls { RELAY_TLS_IMPLICIT, RELAY_TLS_STARTTLS, RELAY_TLS_NONE };
enum config_relay_auth {
	RELAY_AUTH_PLAIN,
	RELAY_AUTH_LOGIN,
	RELAY_AUTH_XOAUTH2,
	RELAY_AUTH_OAUTHBEARER,
	RELAY_AUTH_NONE
};
enum config_oauth_provider { OAUTH_GOOGLE, OAUTH_MICROSOFT, OAUTH_CUSTOM };
enum config_oauth_grant { OAUTH_REFRESH_TOKEN, OAUTH_CLIENT_CREDENTIALS, OAUTH_SERVICE_ACCOUNT };
enum config_relay_profile {
	RELAY_PROFILE_AUTO,
	RELAY_PROFILE_GENERIC,
	RELAY_PROFILE_GMAIL,
	RELAY_PROFILE_MICROSOFT365
};
enum config_store { STORE_FILE, STORE_REDIS };
enum config_on_failure { ON_FAILURE_REJECT, ON_FAILURE_LOCAL };
enum config_sender_mode { SENDER_ENFORCE, SENDER_AUDIT, SENDER_OFF };
enum config_recipients_mode { RECIPIENTS_ENFORCE, RECIPIENTS_AUDIT };
enum config_quota_window { QUOTA_WINDOW_DAY, QUOTA_WINDOW_ROLLING };
enum config_received { RECEIVED_PRIVATE, RECEIVED_FULL };
enum config_profile {
	PROFILE_GENERIC,
	PROFILE_ACTIVE_DIRECTORY,
	PROFILE_OPENLDAP,
	PROFILE_389DS,
	PROFILE_FREEIPA,
};
enum config_alert_action { ALERT_RECORD, ALERT_THROTTLE, ALERT_LOCK };
enum config_audit_sync { AUDIT_SYNC_NONE, AUDIT_SYNC_INTERVAL, AUDIT_SYNC_ALWAYS };
enum config_audit_anchor { AUDIT_ANCHOR_NONE, AUDIT_ANCHOR_SYSLOG, AUDIT_ANCHOR_COMMAND };
enum config_audit_format { AUDIT_FORMAT_NATIVE, AUDIT_FORMAT_ECS };
enum config_audit_compress { AUDIT_COMPRESS_NONE, AUDIT_COMPRESS_GZIP, AUDIT_COMPRESS_ZSTD };
enum config_log_level { CONFIG_LOG_ERROR, CONFIG_LOG_WARNING, CONFIG_LOG_INFO, CONFIG_LOG_DEBUG };

/*
 * struct config_SECTION for each section: `name` (its title, "" where it has none), `line`, and a field for each
 * option. Durations are in milliseconds, sizes in bytes.
 */
#define TEXT(name, value, help) char *name;
#define PATH(name, base, value, help) char *name; /* made absolute */
#define FLAG(name, value, help) bool name;
#define COUNT(name, minimum, maximum, value, help) uint64_t name;
#define SIZE(name, minimum, maximum, value, help) uint64_t name;
#define DURATION(name, minimum, maximum, value, help) uint64_t name;
#define CHOICE(name, type, names, value, help) enum type name;
#define LIST(name, value, help) struct config_list name;
#define SECTION(section, plurality, help, options) \
	struct config_##section {                  \
		char *name;                        \
		unsigned line;                     \
		options                            \
	};
#include "config/options.def"
#undef SECTION

/* struct config: a struct for each SINGLE section, and an array for each TITLED one. */
#define CONFIG_SINGLE(name) struct config_##name name;
#define CONFIG_TITLED(name)                  \
	struct {                             \
		struct config_##name *items; \
		size_t count;                \
	} name;
#define SECTION(name, plurality, help, options) CONFIG_##plurality(name)
struct config {
	char *file;   /* as given to -c, for messages */
	char *folder; /* absolute; where relative certificates and secrets are */
	/* By name, for config_find_relay and config_find_oauth; NULL in a configuration that was not loaded. */
	const struct config_head **relays_by_name;
	const struct config_head **oauths_by_name;
#include "config/options.def"
};
#undef SECTION
#undef TEXT
#undef PATH
#undef FLAG
#undef COUNT
#undef SIZE
#undef DURATION
#undef CHOICE
#undef LIST

/*
 * Parses `text`, the whole of the file `file`. Every fault goes to `faults` as "FILE:LINE: what is wrong and what was
 * expected", one a line; STATUS_INVALID if there was one. Opens no file; asks the machine for its name, and for the
 * working folder if `file` is relative. What the file does not say is implied: a quota `default` with the defaults of
 * options.def; with exactly one relay, a route `default` to it; without an ldap section, auth.backends does not name
 * ldap by default. One thread at a time.
 */
MUST_USE enum status config_load(struct span text, const char *file, FILE *faults, struct config **out_config);
void config_free(struct config **config);

/*
 * What only a look at the machine can tell: files exist, secret ones are not readable by others, users and time zones
 * are known. Whether certificates and keys parse and match is left to whoever makes the TLS contexts. Faults as above,
 * at the lines of their sections.
 */
MUST_USE enum status config_check(const struct config *config, FILE *faults);

/* "FILE:LINE: warning: …", a line for each thing that is allowed but may not be meant. */
void config_warn(const struct config *config, FILE *out);

/*
 * How many descriptors a process of ours may spend on what comes from outside (clients; upstream connections and files
 * of the spool). Of those that it may open, 256 stay free, for itself and for the doors that replaced neighbours bring;
 * or half of them, where there are few.
 */
uint64_t config_descriptors_to_spend(void);
/* How many the upstream connections of all relays take, at most. */
uint64_t config_descriptors_of_relays(const struct config *config);

/* The effective configuration in the same syntax, defaults included. Secrets are not in it, as it never holds any. */
void config_dump(const struct config *config, FILE *out);
/* The option reference, as Markdown, from options.def. */
void config_reference(FILE *out);

/* Whether Redis is one that we run ourselves. */
bool config_redis_is_embedded(const struct config *config);

/* Whether this SASL mechanism is of use only to a client that showed a certificate. */
bool config_mechanism_needs_certificate(struct span name);
/* The relay of that name, or NULL. */
const struct config_relay *config_find_relay(const struct config *config, const char *name);
/* The oauth section of that name, or NULL. */
const struct config_oauth *config_find_oauth(const struct config *config, const char *name);
/* Whether we log in at this relay with tokens. */
bool config_relay_has_tokens(const struct config_relay *relay);
/* Whether people log in at the console in this way: "password" or "oidc". */
bool config_console_has_login(const struct config *config, const char *way);

/* "imap.example.com:993"; the host is a view, of an IPv6 address without its brackets. STATUS_INVALID. */
MUST_USE enum status config_read_place(struct span text, struct span *out_host, uint16_t *out_port);

/* audit.syslog, "tls://siem.example.com:6514". */
struct config_syslog {
	enum config_syslog_transport { CONFIG_SYSLOG_TLS, CONFIG_SYSLOG_TCP, CONFIG_SYSLOG_UDP } transport;
	struct span host; /* a view into `text`; of an IPv6 address without its brackets */
	uint16_t port;
};
/* STATUS_INVALID. */
MUST_USE enum status config_read_syslog(const char *text, struct config_syslog *out_syslog);

/* Whether any section names this group (canonical). */
bool config_names_group(const struct config *config, struct span group);

/*
 * True if a section's users name this user, or its groups one of theirs. All are canonical (base/name.h, base/dn.h):
 * config_load brings its lists to that form.
 */
bool config_names_user(const struct config_list *users, const struct config_list *groups, struct span user,
		       const struct span *user_groups, size_t group_count);

/* True if one of the domains is that of this name, or, with a dot before it, one above it. */
bool config_names_domain(const struct config_list *domains, struct span user);

#endif

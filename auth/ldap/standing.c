/*
 * The table of attributes that say no: of Active Directory (MS-ADTS, 2.2.16 for userAccountControl), OpenLDAP (slapo-
 * ppolicy), 389 Directory Server and FreeIPA.
 */
#include "auth/ldap/standing.h"

#include <string.h>
#include <time.h>

#include "base/ascii.h"

#define ACCOUNT_DISABLED 2U                 /* bit of userAccountControl */
#define PASSWORD_NEVER_EXPIRES 0x10000U     /* another one */
#define FILETIME_PER_S 10000000U            /* units of 100 ns */
#define FILETIME_AT_1970 11644473600        /* s from 1601 */
#define FILETIME_NEVER 9223372036854775807U /* also 0 */

static enum standing judge_control(struct span value, int64_t now_s)
{
	uint64_t flags = 0;
	(void)now_s;
	return span_to_u64(value, &flags) == STATUS_OK && !(flags & ACCOUNT_DISABLED) ? STANDING_GOOD
										      : STANDING_DISABLED;
}

static enum standing judge_lock(struct span value, int64_t now_s)
{
	(void)now_s;
	return span_equal_nocase(value, SPAN("FALSE")) ? STANDING_GOOD : STANDING_DISABLED;
}

/* OpenLDAP: a time of 0000… is an administrator's lock; others are of wrong passwords, and end. */
static enum standing judge_locked_time(struct span value, int64_t now_s)
{
	(void)now_s;
	return span_starts_with(value, SPAN("0000")) ? STANDING_LOCKED : STANDING_GOOD;
}

static enum standing judge_filetime(struct span value, int64_t now_s)
{
	uint64_t ends = 0;
	if (span_to_u64(value, &ends) != STATUS_OK)
		return STANDING_EXPIRED;
	if (ends == 0 || ends == FILETIME_NEVER)
		return STANDING_GOOD;
	return (int64_t)(ends / FILETIME_PER_S) - FILETIME_AT_1970 > now_s ? STANDING_GOOD : STANDING_EXPIRED;
}

/* ---- generalized time: RFC 4517, 3.3.13; as servers write it, to the second and in UTC */

static int read_digits(struct span text, size_t at, size_t count)
{
	int number = 0;
	for (size_t i = at; i < at + count; i++)
		number = number * 10 + (text.data[i] - '0');
	return number;
}

static enum status read_time(struct span text, int64_t *out_s)
{
	if (text.size < 15 || text.data[text.size - 1] != 'Z')
		return STATUS_INVALID;
	for (size_t i = 0; i < 14; i++) {
		if (!ascii_is_digit(text.data[i]))
			return STATUS_INVALID;
	}
	if (text.size > 15 && text.data[14] != '.' && text.data[14] != ',')
		return STATUS_INVALID;
	struct tm time = {
		.tm_year = read_digits(text, 0, 4) - 1900,
		.tm_mon = read_digits(text, 4, 2) - 1,
		.tm_mday = read_digits(text, 6, 2),
		.tm_hour = read_digits(text, 8, 2),
		.tm_min = read_digits(text, 10, 2),
		.tm_sec = read_digits(text, 12, 2),
	};
	*out_s = timegm(&time);
	return STATUS_OK;
}

static enum standing judge_end(struct span value, int64_t now_s)
{
	int64_t ends_s = 0;
	return read_time(value, &ends_s) == STATUS_OK && ends_s > now_s ? STANDING_GOOD : STANDING_EXPIRED;
}

static enum standing judge_start(struct span value, int64_t now_s)
{
	int64_t starts_s = 0;
	return read_time(value, &starts_s) == STATUS_OK && starts_s <= now_s ? STANDING_GOOD : STANDING_EXPIRED;
}

/* ---- must change */

static enum standing judge_reset(struct span value, int64_t now_s)
{
	(void)now_s;
	return span_equal_nocase(value, SPAN("FALSE")) ? STANDING_GOOD : STANDING_MUST_CHANGE;
}

static enum standing judge_last_set(struct span value, int64_t now_s)
{
	(void)now_s;
	return span_equal(value, SPAN("0")) ? STANDING_MUST_CHANGE : STANDING_GOOD;
}

/* 389: 1970 stands for a password that an administrator has set; others are of its age. */
static enum standing judge_expiration(struct span value, int64_t now_s)
{
	(void)now_s;
	return span_starts_with(value, SPAN("19700101000000")) ? STANDING_MUST_CHANGE : STANDING_GOOD;
}

static enum standing judge_kerberos_expiration(struct span value, int64_t now_s)
{
	return judge_end(value, now_s) == STANDING_GOOD ? STANDING_GOOD : STANDING_MUST_CHANGE;
}

/* ---- the table */

struct row {
	char attribute[28];
	enum standing (*judge)(struct span value, int64_t now_s);
	enum standing_server server;
	const char *sample;
};

static const char time_sample[] = "19700101000000Z";

static struct row rows[] = {
	{ "userAccountControl", judge_control, STANDING_ACTIVE_DIRECTORY, NULL },
	{ "nsAccountLock", judge_lock, STANDING_389DS, NULL },
	{ "pwdAccountLockedTime", judge_locked_time, STANDING_OPENLDAP, time_sample },
	{ "accountExpires", judge_filetime, STANDING_ACTIVE_DIRECTORY, NULL },
	{ "pwdEndTime", judge_end, STANDING_OPENLDAP, time_sample },
	{ "pwdStartTime", judge_start, STANDING_OPENLDAP, time_sample },
	{ "krbPrincipalExpiration", judge_end, STANDING_FREEIPA, NULL },
	{ "pwdReset", judge_reset, STANDING_OPENLDAP, "FALSE" },
	{ "pwdLastSet", judge_last_set, STANDING_ACTIVE_DIRECTORY, NULL },
	{ "passwordExpirationTime", judge_expiration, STANDING_389DS, NULL },
	{ "krbPasswordExpiration", judge_kerberos_expiration, STANDING_FREEIPA, NULL },
};

char *standing_attribute(size_t index)
{
	return index < sizeof(rows) / sizeof(rows[0]) ? rows[index].attribute : NULL;
}

enum standing_server standing_server(size_t index)
{
	return rows[index].server;
}

const char *standing_sample(size_t index)
{
	return rows[index].sample;
}

/* Active Directory wants no change of a password that never expires. */
static bool never_changes(const struct standing_source *source)
{
	uint64_t flags = 0;
	return span_to_u64(source->value_of(source->context, rows[0].attribute), &flags) == STATUS_OK &&
	       flags & PASSWORD_NEVER_EXPIRES;
}

enum standing standing_judge(const struct standing_source *source, int64_t now_s)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span value = source->value_of(source->context, rows[i].attribute);
		enum standing standing = value.data ? rows[i].judge(value, now_s) : STANDING_GOOD;
		bool is_void = rows[i].judge == judge_last_set && never_changes(source);
		if (standing != STANDING_GOOD && !is_void)
			return standing;
	}
	return STANDING_GOOD;
}

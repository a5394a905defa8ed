/* Who a person is and what they may do, as a real slapd says it: id, one name, standing, groups, addresses. */
#include "directory_trial.h"

#include "auth/ldap/entry.h"
#include "auth/ldap/filter.h"
#include "auth/ldap/id.h"
#include "auth/ldap/standing.h"

static char group_filter[] = "(member=%d)";
static char send_as_filter[] = "(roleOccupant=%d)";

static void begin_trial(struct trial *trial)
{
	begin(trial);
	trial->config.timeout = 5000;
}

/* ---- ids */

static const struct {
	const char *what, *attribute;
	struct span value;
	const char *id; /* NULL: none */
} ids[] = {
	{ "Active Directory shows its first three parts turned round", "objectGUID",
	  SPAN("\xae\x4f\x1d\xf8\xec\x7d\xd0\x11\xa7\x65\x00\xa0\xc9\x1e\x6b\xf6"),
	  "f81d4fae-7dec-11d0-a765-00a0c91e6bf6" },
	{ "in any case of its name", "objectguid", SPAN("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"),
	  "00000000-0000-0000-0000-000000000001" },
	{ "text in lower case", "entryUUID", SPAN("F81D4FAE-7dec-11d0"), "f81d4fae-7dec-11d0" },
	{ "bytes in hexadecimal", "myId", SPAN("\x00\xff\x10"), "00ff10" },
	{ "a GUID is none with another size", "objectGUID", SPAN("abc"), "abc" },
	{ "nothing", "entryUUID", { "", 0 }, NULL },
};

static void an_id_has_one_text(void **state)
{
	char id[LDAP_ID_SIZE], large[LDAP_ID_MAXIMUM + 1];
	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		enum status status = ldap_id_format(ids[i].attribute, ids[i].value, id);
		if (status != (ids[i].id ? STATUS_OK : STATUS_INVALID) || (ids[i].id && strcmp(id, ids[i].id) != 0))
			fail_msg("%s: %s", ids[i].what, id);
	}
	memset(large, '\xff', sizeof(large));
	assert_int_equal(ldap_id_format("x", (struct span){ large, LDAP_ID_MAXIMUM }, id), STATUS_OK);
	assert_int_equal(strlen(id), 2 * LDAP_ID_MAXIMUM);
	assert_int_equal(ldap_id_format("x", (struct span){ large, LDAP_ID_MAXIMUM + 1 }, id), STATUS_INVALID);
}

static void an_entry_keeps_its_id_whatever_it_is_called(void **state)
{
	static char cn[] = "cn", street[] = "street";
	char first[IDENTITY_ID_SIZE];
	struct trial trial;
	(void)state;
	begin_trial(&trial);
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", NULL), VERDICT_GRANTED);
	assert_true(span_starts_with(span_of(trial.identity.id), SPAN("corp:")));
	assert_int_equal(strlen(trial.identity.id), strlen("corp:") + 36);
	snprintf(first, sizeof(first), "%s", trial.identity.id);
	assert_int_equal(ask(&trial, "ANNA@example.com", "anna's secret"), VERDICT_GRANTED);
	assert_string_equal(trial.identity.id, first);
	end(&trial);
	begin_trial(&trial);
	trial.config.id_attribute = cn;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", NULL), VERDICT_GRANTED);
	assert_string_equal(trial.identity.id, "corp:anna");
	end(&trial);
	begin_trial(&trial);
	trial.config.id_attribute = street;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_UNAVAILABLE);
	assert_string_equal(trial.reason, "an entry without an id");
	assert_true(is_up(NULL)); /* which is not the server's fault */
	end(&trial);
}

/* ---- names */

static void whoever_has_no_name_or_two_does_not_get_in(void **state)
{
	static const struct {
		const char *name, *password;
	} cases[] = { { "nomail", "nomail's secret" },
		      { "many", "many's secret" },
		      { "more@example.com", "many's secret" } };
	struct trial trial;
	(void)state;
	begin_trial(&trial);
	open_trial(&trial, "search secret");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(ask(&trial, cases[i].name, cases[i].password), VERDICT_WRONG);
		assert_string_equal(trial.reason, "not one name in the directory");
		assert_int_equal(ask(&trial, cases[i].name, NULL), VERDICT_DISABLED);
		assert_int_equal(trial.identity.standing, STANDING_NAMELESS);
	}
	end(&trial);
}

/* ---- standing */

#define NOW_S 1795000000 /* in November 2026 */

static const struct {
	const char *what, *attribute, *value;
	enum standing standing;
} marks[] = {
	{ "AD: a usual account", "userAccountControl", "512", STANDING_GOOD },
	{ "AD: disabled", "userAccountControl", "514", STANDING_DISABLED },
	{ "AD: what can't be read", "userAccountControl", "0x200", STANDING_DISABLED },
	{ "AD: never expires", "accountExpires", "9223372036854775807", STANDING_GOOD },
	{ "AD: nor with 0", "accountExpires", "0", STANDING_GOOD },
	{ "AD: expired in 2020", "accountExpires", "132223104000000000", STANDING_EXPIRED },
	{ "AD: expires in 2036", "accountExpires", "137271456000000000", STANDING_GOOD },
	{ "AD: what can't be read, again", "accountExpires", "soon", STANDING_EXPIRED },
	{ "AD: must change", "pwdLastSet", "0", STANDING_MUST_CHANGE },
	{ "AD: has changed", "pwdLastSet", "133500000000000000", STANDING_GOOD },
	{ "389: locked", "nsAccountLock", "TRUE", STANDING_DISABLED },
	{ "389: in any case", "nsAccountLock", "true", STANDING_DISABLED },
	{ "389: not locked", "nsAccountLock", "false", STANDING_GOOD },
	{ "389: must change", "passwordExpirationTime", "19700101000000Z", STANDING_MUST_CHANGE },
	{ "389: the password's age is its own", "passwordExpirationTime", "20200101000000Z", STANDING_GOOD },
	{ "OpenLDAP: locked by an administrator", "pwdAccountLockedTime", "000001010000Z", STANDING_LOCKED },
	{ "OpenLDAP: locked for wrong passwords", "pwdAccountLockedTime", "20261101000000Z", STANDING_GOOD },
	{ "OpenLDAP: ended", "pwdEndTime", "20261101000000Z", STANDING_EXPIRED },
	{ "OpenLDAP: ends later", "pwdEndTime", "20361101000000.5Z", STANDING_GOOD },
	{ "OpenLDAP: no time", "pwdEndTime", "2036-11-01", STANDING_EXPIRED },
	{ "OpenLDAP: no UTC", "pwdEndTime", "20361101000000+0100", STANDING_EXPIRED },
	{ "OpenLDAP: has begun", "pwdStartTime", "20200101000000Z", STANDING_GOOD },
	{ "OpenLDAP: begins later", "pwdStartTime", "20360101000000Z", STANDING_EXPIRED },
	{ "OpenLDAP: must change", "pwdReset", "TRUE", STANDING_MUST_CHANGE },
	{ "OpenLDAP: need not", "pwdReset", "FALSE", STANDING_GOOD },
	{ "FreeIPA: expired", "krbPrincipalExpiration", "20200101000000Z", STANDING_EXPIRED },
	{ "FreeIPA: must change", "krbPasswordExpiration", "20200101000000Z", STANDING_MUST_CHANGE },
	{ "none of it", "mail", "x", STANDING_GOOD },
};

struct marked {
	const char *attribute[2], *value[2];
};

static struct span value_of(void *context, const char *attribute)
{
	const struct marked *marked = context;
	for (size_t i = 0; i < 2; i++) {
		if (marked->attribute[i] && strcmp(attribute, marked->attribute[i]) == 0)
			return span_of(marked->value[i]);
	}
	return (struct span){ 0 };
}

static enum standing judge(struct marked marked)
{
	return standing_judge(&(struct standing_source){ value_of, &marked }, NOW_S);
}

static void marks_of_directories_are_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (judge((struct marked){ { marks[i].attribute }, { marks[i].value } }) != marks[i].standing)
			fail_msg("%s", marks[i].what);
	}
	assert_int_equal(judge((struct marked){ { "pwdLastSet", "userAccountControl" }, { "0", "66048" } }),
			 STANDING_GOOD); /* a password that never expires need not be changed */
	assert_int_equal(judge((struct marked){ { "pwdReset", "nsAccountLock" }, { "TRUE", "TRUE" } }),
			 STANDING_DISABLED);
}

static void whoever_is_disabled_or_expired_does_not_get_in(void **state)
{
	struct trial trial;
	(void)state;
	begin_trial(&trial);
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "bert", NULL), VERDICT_DISABLED);
	assert_int_equal(trial.identity.standing, STANDING_LOCKED);
	assert_int_equal(ask(&trial, "bert", "wrong"), VERDICT_WRONG);
	assert_int_not_equal(ask(&trial, "bert", "bert's secret"), VERDICT_GRANTED);
	assert_int_equal(ask(&trial, "eva", NULL), VERDICT_DISABLED);
	assert_string_equal(trial.reason, "account expired");
	assert_int_not_equal(ask(&trial, "eva", "eva's secret"), VERDICT_GRANTED);
	end(&trial);
}

static void whoever_must_change_their_password_hears_it_once_it_was_right(void **state)
{
	struct trial trial;
	(void)state;
	begin_trial(&trial);
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "mona", "wrong"), VERDICT_WRONG);
	assert_int_equal(ask(&trial, "mona", "mona's secret"), VERDICT_MUST_CHANGE);
	assert_string_equal(trial.reason, "password must be changed");
	assert_int_equal(ask(&trial, "mona", NULL), VERDICT_DISABLED);
	assert_int_equal(ask(&trial, "rosa", "wrong"), VERDICT_WRONG);
	assert_int_equal(ask(&trial, "rosa", "rosa's secret"), VERDICT_MUST_CHANGE); /* by the control: it is hidden */
	assert_string_equal(trial.reason, "password must be changed");
	assert_int_equal(ask(&trial, "rosa", NULL), VERDICT_GRANTED);
	end(&trial);
}

static void a_password_too_old_costs_one_grace_login_and_no_more(void **state)
{
	struct trial trial;
	(void)state;
	begin_trial(&trial);
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "olga", "olga's secret"), VERDICT_MUST_CHANGE);
	assert_string_equal(trial.reason, "password expired");
	for (int i = 0; i < 5; i++) {
		assert_int_equal(ask(&trial, "olga", "olga's secret"), VERDICT_WRONG);
		assert_string_equal(trial.reason, "password expired"); /* not "wrong password": none was tried */
	}
	assert_int_equal(ask(&trial, "olga", NULL), VERDICT_GRANTED); /* an app password does not age with it */
	end(&trial);
}

static void valid_filter_says_who_may_come_in(void **state)
{
	static char of_sales[] = "(departmentNumber=sales)", of_nobody[] = "(&(uid=%u)(mail=nobody))";
	struct trial trial;
	(void)state;
	begin_trial(&trial);
	trial.config.valid_filter = of_sales;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_GRANTED);
	end(&trial);
	begin_trial(&trial);
	trial.config.valid_filter = of_nobody;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", "wrong"), VERDICT_WRONG);
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_DISABLED);
	assert_string_equal(trial.reason, "not valid by valid_filter");
	assert_int_equal(ask(&trial, "anna", NULL), VERDICT_DISABLED);
	end(&trial);
}

/* ---- groups */

static void groups_of_groups_are_found_and_circles_end(void **state)
{
	struct trial trial;
	(void)state;
	begin_trial(&trial);
	trial.config.group_filter = group_filter;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_GRANTED);
	assert_true(lists(&trial.identity.groups, "cn=sales\\, berlin,ou=groups,dc=example,dc=com"));
	assert_true(lists(&trial.identity.groups, "cn=all,ou=groups,dc=example,dc=com"));
	assert_true(lists(&trial.identity.groups, "cn=loop,ou=groups,dc=example,dc=com"));
	assert_true(lists(&trial.identity.groups, "sales")); /* of group_attribute */
	assert_int_equal(codec_list_count(codec_list_of(&trial.identity.groups)), 5);
	end(&trial);
}

static void groups_are_searched_for_where_group_base_says(void **state)
{
	static char elsewhere[] = "ou=people,dc=example,dc=com", nowhere[] = "ou=nowhere,dc=example,dc=com";
	struct trial trial;
	(void)state;
	begin_trial(&trial);
	trial.config.group_filter = group_filter;
	trial.config.group_base = elsewhere;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", NULL), VERDICT_GRANTED);
	assert_int_equal(codec_list_count(codec_list_of(&trial.identity.groups)), 2);
	end(&trial);
	begin_trial(&trial);
	trial.config.group_filter = group_filter;
	trial.config.group_base = nowhere;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", NULL), VERDICT_UNAVAILABLE); /* which limits hold can't be said */
	end(&trial);
}

static void a_search_begins_at_the_top_of_the_domain(void **state)
{
	(void)state;
	assert_string_equal(ldap_filter_base("", "ou=people,dc=example,dc=com"), "dc=example,dc=com");
	assert_string_equal(ldap_filter_base("", "ou=people, DC=example,DC=com"), "DC=example,DC=com");
	assert_string_equal(ldap_filter_base("", "ou=people,o=example"), "ou=people,o=example");
	assert_string_equal(ldap_filter_base("", "ou=dc=x,o=example"), "ou=dc=x,o=example");
	assert_string_equal(ldap_filter_base("ou=groups", "ou=people,dc=example"), "ou=groups");
}

/* ---- addresses */

static const struct {
	const char *what, *value, *with_domains; /* NULL: none */
	const char *sender;
} addresses[] = {
	{ "an address", "a@example.com", "a@example.com", "a@example.com" },
	{ "Exchange's main one", "SMTP:A@example.com", "A@example.com", "A@example.com" },
	{ "and others", "smtp:a@example.com", "a@example.com", "a@example.com" },
	{ "SIP is no mail", "SIP:a@example.com", NULL, NULL },
	{ "nor is X.500", "X500:/o=Example/cn=a@b", NULL, NULL },
	{ "a whole domain", "@example.com", "@example.com", NULL },
	{ "a whole domain, with a prefix", "smtp:@example.com", "@example.com", NULL },
	{ "everything", "*", NULL, NULL },
	{ "half a domain", "@", NULL, NULL },
	{ "a name", "anna", NULL, NULL },
	{ "blanks around it", " a@example.com ", "a@example.com", "a@example.com" },
	{ "two", "a@example.com,b@example.com", NULL, NULL },
	{ "letters outside ASCII", "j\xc3\xbc@b\xc3\xbc.example", "j\xc3\xbc@b\xc3\xbc.example",
	  "j\xc3\xbc@b\xc3\xbc.example" },
};

static bool adds(const char *value, bool with_domains, const char *wanted)
{
	const struct config_ldap config = { .sender_domains_from_directory = with_domains };
	struct identity identity IDENTITY_AUTO;
	identity_init(&identity);
	assert_int_equal(ldap_entry_add_sender(&config, span_of(value), &identity), STATUS_OK);
	return wanted ? lists(&identity.senders, wanted) : buf_size(&identity.senders) == 0;
}

static void addresses_are_taken_and_nothing_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		if (!adds(addresses[i].value, false, addresses[i].sender) ||
		    !adds(addresses[i].value, true, addresses[i].with_domains))
			fail_msg("%s", addresses[i].what);
	}
}

static void shared_mailboxes_are_found_by_a_search(void **state)
{
	struct trial trial;
	(void)state;
	begin_trial(&trial);
	trial.config.send_as_filter = send_as_filter;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", "anna's secret"), VERDICT_GRANTED);
	assert_true(lists(&trial.identity.senders, "box@example.com"));
	assert_true(lists(&trial.identity.senders, "Anna@Example.com"));
	assert_false(lists(&trial.identity.senders, "@boxes.example.com"));
	assert_int_equal(ask(&trial, "olga", NULL), VERDICT_GRANTED);
	assert_false(lists(&trial.identity.senders, "box@example.com"));
	end(&trial);
	begin_trial(&trial);
	trial.config.send_as_filter = send_as_filter;
	trial.config.sender_domains_from_directory = true;
	open_trial(&trial, "search secret");
	assert_int_equal(ask(&trial, "anna", NULL), VERDICT_GRANTED);
	assert_true(lists(&trial.identity.senders, "@boxes.example.com"));
	end(&trial);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_has_one_text),
		cmocka_unit_test(an_entry_keeps_its_id_whatever_it_is_called),
		cmocka_unit_test(whoever_has_no_name_or_two_does_not_get_in),
		cmocka_unit_test(marks_of_directories_are_understood),
		cmocka_unit_test(whoever_is_disabled_or_expired_does_not_get_in),
		cmocka_unit_test(whoever_must_change_their_password_hears_it_once_it_was_right),
		cmocka_unit_test(a_password_too_old_costs_one_grace_login_and_no_more),
		cmocka_unit_test(valid_filter_says_who_may_come_in),
		cmocka_unit_test(groups_of_groups_are_found_and_circles_end),
		cmocka_unit_test(groups_are_searched_for_where_group_base_says),
		cmocka_unit_test(a_search_begins_at_the_top_of_the_domain),
		cmocka_unit_test(addresses_are_taken_and_nothing_else),
		cmocka_unit_test(shared_mailboxes_are_found_by_a_search),
	};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}

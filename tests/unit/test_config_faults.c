/* Loading: at which line each fault of a bad file stands, and what is expected there. */
#include "tests/unit/config_trial.h"

static const struct {
	const char *text;   /* after LEAST: begins at line 4 */
	const char *faults; /* without the file's name; all of them */
} bad[] = {
	/* syntax: the first */
	{ "hostname \"x\"\ngates 3\n", "5: \"gates\" is not expected here; expected = or {\n" },
	{ "hostname = \n", "5: the end of the file; expected a value\n" },
	{ "hostname = \"x\n", "4: a text without an end; expected \" before the line ends\n" },
	{ "hostname = 'x\n", "4: a text without an end; expected ' before the line ends\n" },
	{ "hostname = \"a\\n\"\n", "4: a lone backslash in a text; expected \\\\ or \\\"\n" },
	{ "hostname = \"${HOME}\"\n", "4: \"${\" in a text; variables are not expanded, expected the value itself\n" },
	{ "hostname = ${HOME}\n", "4: \"$\" has no place here; a value that holds it needs quotes\n" },
	{ "hostname = \"a\tb\"\n", "4: byte 0x09 in a text; expected printable characters\n" },
	{ "\n/* no end\n\n", "5: the comment that begins here has no end; expected \"*/\"\n" },
	{ "limits {\n errors = 1\n", "4: the section that begins here has no end; expected }\n" },
	{ "}\n", "4: \"}\" is not expected here; expected the name of an option or a section\n" },
	{ "limits { limits { } }\n", "4: \"{\" is not expected here; expected =\n" },
	{ "limits { errors += 1 }\n", "4: \"+\" has no place here; a value that holds it needs quotes\n" },
	{ "include(\"/etc/passwd\")\n", "4: \"(\" has no place here; a value that holds it needs quotes\n" },
	{ "\"hostname\" = \"x\"\n",
	  "4: \"hostname\" is not expected here; expected the name of an option or a section\n" },
	{ "auth_ { a = {\"x\" \"y\"} }\n", "4: \"y\" is not expected here; expected a comma or } in the list\n" },
	{ "gates = {1\n", "5: the end of the file; expected a comma or } in the list\n" },
	{ "\xef\xbb\xbfgates = 1\n", "4: byte 0xef has no place here\n" },
	/* names */
	{ "hostnam = \"x\"\n", "4: unknown option \"hostnam\"; did you mean \"hostname\"?\n" },
	{ "limits { messagesize = \"1M\" }\n", "4: unknown option \"messagesize\"; did you mean \"message_size\"?\n" },
	{ "lisener x { }\n", "4: unknown section \"lisener\"; did you mean \"listener\"?\n" },
	{ "entirely = 1\nother { }\n", "4: unknown option \"entirely\"\n5: unknown section \"other\"\n" },
	{ "global { gates = 1 }\n", "4: unknown section \"global\"\n" },
	{ "gates = 1\ngates = 1\n", "5: gates: given in line 4 already; expected once\n" },
	{ "limits { errors = 1\nerrors = 2 }\n", "5: errors: given in line 4 already; expected once\n" },
	{ "limits { }\n\nlimits { }\n", "6: limits: given in line 4 already; expected once\n" },
	{ "listener in { }\n", "4: listener in: given in line 1 already; expected once\n" },
	{ "limits x { }\n", "4: limits: there is only one; expected no name before the {\n" },
	{ "limits \"\" { }\n", "4: limits: there is only one; expected no name before the {\n" },
	{ "relay \"a b\" { }\n",
	  "4: relay: \"a b\" is not a name; expected 1 to 64 letters, digits, \"-\", \"_\" and \".\"\n" },
	{ "relay { }\n", "4: relay: \"\" is not a name; expected 1 to 64 letters, digits, \"-\", \"_\" and \".\"\n" },
	{ "tls|certificate = \"x\"\n", "4: \"|\" has no place here; a value that holds it needs quotes\n" },
	/* values: all of them, each at its own line */
	{ "gates = -010\ndrain_timeout = 5\nlimits {\n/*\n*/ message_size = \"35X\"\n spool = 1\n}\n",
	  "4: gates: \"-010\" is not a number from 0 to 256; expected digits alone\n"
	  "5: drain_timeout: \"5\" is not a duration from 0 to 1d; expected a number with ms, s, m, h or d, such as "
	  "\"10m\"\n"
	  "8: limits.message_size: \"35X\" is not a size from 1K to 1G; expected a number with K, M or G, such as "
	  "\"35M\"\n"
	  "9: limits.spool: \"1\" is not a size from 1M to 1T; expected a number with K, M or G, such as \"1G\"\n" },
	{ "certificate c { certificate = \"x\" }\ncertificate d { private_key = \"x\" }\n",
	  "4: certificate c.private_key: none; expected a file in PEM form\n"
	  "5: certificate d.certificate: none; expected a file in PEM form\n" },
	{ "header { add_missing = yes\nreceived = \"none\" }\n",
	  "4: header.add_missing: \"yes\" is not a flag; expected true or false\n"
	  "5: header.received: \"none\" is not known; expected \"private\" or \"full\"\n" },
	{ "audit { sync = always1 }\n",
	  "4: audit.sync: \"always1\" is not known; expected \"none\", \"interval\" or \"always\"\n" },
	/* what makes no sense together */
	{ "hostname = \"a b\"\n",
	  "4: hostname: \"a b\" is not a host name; expected one such as \"mail.example.com\"\n" },
	{ "limits { message_size = \"1G\" spool = \"1M\" }\n",
	  "4: limits.spool: smaller than one message; expected at least message_size\n" },
	{ "quota_day { timezone = \"../etc/passwd\" }\n",
	  "4: quota_day.timezone: \"../etc/passwd\" is not a time zone's name; expected one such as \"UTC\" or "
	  "\"Europe/Berlin\"\n" },
	{ "listener b {\ntls = \"implicit\" }\n",
	  "4: listener b.address: no address; expected one such as {\"0.0.0.0:465\"}\n" },
	{ "listener b { address = {\"localhost:465\",\n\"127.0.0.1:465\"} }\n",
	  "4: listener b.address: \"localhost:465\" is not an address and a port; expected \"0.0.0.0:465\" or "
	  "\"[::]:465\"\n"
	  "4: listener b.address: \"127.0.0.1:465\" is listened on already\n" },
	{ "listener b { address = {\"0.0.0.0:1\"} proxy_protocol_from = {\"10.0.0.0/8\", \"::1\", \"10.0.0.1/8\", "
	  "\"lb\"} }\n",
	  "4: listener b.proxy_protocol_from: \"10.0.0.1/8\" is not a network; expected one such as \"10.0.0.0/8\", "
	  "with no "
	  "bit set after the prefix, or an address\n"
	  "4: listener b.proxy_protocol_from: \"lb\" is not a network; expected one such as \"10.0.0.0/8\", with no "
	  "bit set "
	  "after the prefix, or an address\n" },
	{ "admin { http = \"0.0.0.0:80\" }\n", "4: admin.http: \"0.0.0.0:80\" is not a loopback address and port; "
					       "expected one such as \"127.0.0.1:8587\"\n" },
	{ "admin { group = \"ops\" operator_group = \"ops\" }\n",
	  "4: admin.operator_group: \"ops\" is admin.group, whose members may do everything; expected another "
	  "group\n" },
	{ "redis { server = \"rediss://h\" }\n", "4: redis.server: \"rediss://h\" is not a server; expected "
						 "\"embedded\", \"unix:/PATH\", \"redis://HOST:PORT\" or "
						 "\"rediss://HOST:PORT\"\n" },
	{ "redis { server = \"redis://h:1\" ca_file = \"ca\" }\n",
	  "4: redis.ca_file: TLS is not spoken; expected \"rediss://\" before the server\n" },
	{ "redis { sentinels = {\"h:1\", \"h\", \"rediss://h:2\"} master = \"m\" }\n",
	  "4: redis.sentinels: \"h\" is not a Sentinel; expected \"HOST:PORT\" or \"rediss://HOST:PORT\"\n"
	  "4: redis.sentinels: some with TLS and some without; expected \"rediss://\" before each or before none\n" },
	{ "redis { sentinels = {\"h:1\"} server = \"redis://h:1\" }\n",
	  "4: redis.server: with sentinels it is they who say; expected one of the two\n"
	  "4: redis.master: none; expected what the Sentinels call the primary\n" },
	{ "redis { master = \"m\" }\n", "4: redis.master: nobody to ask; expected sentinels\n" },
	{ "redis { on_failure = \"local\" }\nquota_day { window = \"rolling\" }\n",
	  "4: redis.on_failure: \"local\" lends of days that end at midnight; expected \"reject\", or "
	  "quota_day.window = \"day\"\n" },
	{ "redis { password_file = \"p\" }\n",
	  "4: redis.password_file: the embedded server has none; expected \"\", or another server\n" },
	{ "sender { delimiter = \"+-\" }\n",
	  "4: sender.delimiter: \"+-\" is too long; expected one character, or \"\"\n" },
	{ "senders s { addresses = {\"noone\"} }\n",
	  "4: senders s: meant for nobody; expected users or groups\n"
	  "4: senders s.addresses: \"noone\" is not a sender; expected an address, @DOMAIN or *\n" },
	{ "recipients r { }\n",
	  "4: recipients r: meant for nobody; expected users or groups\n"
	  "4: recipients r: it says nothing; expected allow, deny or redirect, or allow = {\"*\"} for any "
	  "recipient\n" },
	{ "recipients default { groups = {\"g\"} allow = {\"x\"} deny = {\"@\"} }\n",
	  "4: recipients default.groups: `default` is for all others; expected neither users nor groups\n"
	  "4: recipients default.allow: \"x\" is not a recipient; expected an address, @DOMAIN, @.DOMAIN or *\n"
	  "4: recipients default.deny: \"@\" is not a recipient; expected an address, @DOMAIN, @.DOMAIN or *\n" },
	{ "recipients default { redirect = \"@example.com\" }\n",
	  "4: recipients default.redirect: \"@example.com\" is not a mail address; expected one such as "
	  "\"relay@example.com\"\n" },
	{ "quota q { }\n", "4: quota q: meant for nobody; expected users or groups\n" },
	{ "quota default { groups = {\"g\"} }\n",
	  "4: quota default.groups: `default` is for all others; expected neither users nor groups\n" },
	{ "ldap d { uri = {\"ldap://h\"}\nbase = \"dc=x\" }\n",
	  "4: ldap d.uri: \"ldap://h\" would send passwords unprotected; expected ldaps://, or starttls = true\n" },
	{ "ldap d { uri = {\"ldaps://h\"} base = \"dc=x\"\nstarttls = true }\n",
	  "5: ldap d.starttls: ldaps:// is TLS already; expected false, or ldap://\n" },
	{ "ldap d { uri = {\"http://h\"} base = \"dc=x\" filter = \"(uid=x)\"\nbind_dn = \"cn=a\" }\n",
	  "4: ldap d.uri: \"http://h\" is not a directory's address; expected \"ldaps://HOST\"\n"
	  "4: ldap d.filter: without %u it finds the same entry for everyone; expected %u\n"
	  "5: ldap d.bind_dn: no password for it; expected bind_password_file\n" },
	{ "ldap name { base = \"dc=x\" uri = {\"ldaps://h\"} }\nldap service { base = \"dc=x\" uri = {\"ldaps://h\"} "
	  "}\n",
	  "4: ldap name: ids of users whom no directory has begin like this; expected another title\n"
	  "5: ldap service: ids of users whom no directory has begin like this; expected another title\n" },
	{ "ldap d { base = \"dc=x\"\nuri = {\"srv:nodomain\"} }\n",
	  "5: ldap d.uri: \"srv:nodomain\" names no domain; expected \"srv:example.com\"\n" },
	{ "ldap d { uri = {\"ldaps://h\"} base = \"dc=x\"\ncertificate_file = \"c\" }\n",
	  "5: ldap d.certificate_file: no key for it; expected private_key_file\n" },
	{ "ldap d { uri = {\"ldaps://h\"} base = \"dc=x\"\nprivate_key_file = \"k\" }\n",
	  "5: ldap d.private_key_file: a key for nothing; expected certificate_file as well\n" },
	{ "route default { sender_domains = {\"a.example\"} relays = {\"r\"} }\n",
	  "4: route default.sender_domains: `default` is for all others; expected no sender_domains\n" },
	{ "route default { relays = {\"r\"} }\nroute a { sender_domains = {\"a@b.example\"} relays = {\"r\"} }\n",
	  "5: route a.sender_domains: \"a@b.example\" is not a domain; expected one such as \"example.com\", or "
	  "\".example.com\" for all below it\n" },
	{ "route default { relays = {\"r\"} }\nroute a { relays = {\"r\"} }\n",
	  "5: route a: meant for nobody; expected users, groups or sender_domains\n" },
	{ "route default { relays = {\"r\",\"x\"} }\n",
	  "4: route default.relays: there is no relay \"x\"; expected names of relay sections\n" },
	{ "relay b { host = \"h\"\nauth = \"none\" }\n",
	  "1: several relays and no default route; expected route default { relays = {…} }\n" },
	{ "route default { relays = {\"r\"} }\nrelay b { auth = \"none\" }\n",
	  "5: relay b.host: none; expected a name such as \"smtp.gmail.com\"\n" },
	{ "route default { relays = {\"r\"} }\nrelay b { host = \"h\" }\n",
	  "5: relay b.user: no account to log in with; expected user, or auth = \"none\"\n"
	  "5: relay b.password_file: no password to log in with; expected password_file, or auth = \"none\"\n" },
	{ "route default { relays = {\"r\"} }\nrelay b { host = \"h\" user = \"u\" password_file = \"p\"\ntls = "
	  "\"none\" }\n",
	  "6: relay b.tls: \"none\" would send the password unprotected; expected \"implicit\" or \"starttls\"\n" },
	{ "route default { relays = {\"r\"} }\nrelay b { host = \"h\" user = \"u\" password_file = \"p\"\ntls_verify = "
	  "false }\n",
	  "6: relay b.tls_verify: false would give the password to anyone who answers; expected true, with ca_file for "
	  "a private certificate\n" },
	/* tokens */
	{ "route default { relays = {\"r\"} }\n"
	  "relay b { host = \"h\" auth = \"xoauth2\" user = \"u\" oauth = \"o\" password_file = \"p\" }\n"
	  "relay c { host = \"h\" auth = \"oauthbearer\" user = \"u\" }\n"
	  "relay d { host = \"h\" user = \"u\" password_file = \"p\" oauth = \"o\" }\n",
	  "5: relay b.password_file: a token takes its place; expected \"\", or auth = \"plain\"\n"
	  "5: relay b.oauth: there is no oauth section \"o\"; expected the name of one\n"
	  "6: relay c.oauth: no tokens to log in with; expected the name of an oauth section\n"
	  "7: relay d.oauth: a token is not a password; expected auth = \"xoauth2\" or \"oauthbearer\"\n" },
	{ "oauth a { tenant = \"x\" client_id = \"id\" }\n"
	  "oauth b { provider = \"microsoft\" grant = \"client_credentials\" refresh_token_file = \"f\" }\n"
	  "oauth c { provider = \"custom\" client_id = \"id\" }\n"
	  "oauth d { provider = \"microsoft\" tenant = \"t\" grant = \"service_account\" client_id = \"id\" }\n"
	  "oauth e { grant = \"client_credentials\" client_id = \"id\" client_secret_file = \"f\" }\n"
	  "oauth f { client_id = \"id\" client_secret_file = \"f\" token_url = \"http://x/\" device_url = "
	  "\"https://u@x/\" authorize_url = \"https:///x\" }\n",
	  "4: oauth a.tenant: only Microsoft has tenants; expected \"\", or provider = \"microsoft\"\n"
	  "4: oauth a.client_secret_file: none; expected the application's secret, which Google requires\n"
	  "5: oauth b.tenant: \"\" is not a tenant; expected the directory's id, or a domain of it\n"
	  "5: oauth b.client_id: none; expected the application's id\n"
	  "5: oauth b.client_secret_file: none; expected the application's secret\n"
	  "5: oauth b.refresh_token_file: not used with grant = \"client_credentials\"; expected \"\"\n"
	  "6: oauth c.token_url: none; expected the address of the token endpoint\n"
	  "6: oauth c.refresh_token_file: no way to a first token; expected this, or device_url or authorize_url for "
	  "subgatectl relay authorize\n"
	  "7: oauth d.grant: Microsoft has none; expected \"client_credentials\" or \"refresh_token\"\n"
	  "7: oauth d.service_account_file: none; expected the service account's key\n"
	  "7: oauth d.client_id: not used with grant = \"service_account\"; expected \"\"\n"
	  "8: oauth e.grant: Google has none for mail; expected \"refresh_token\" or \"service_account\"\n"
	  "9: oauth f.token_url: \"http://x/\" is not an address; expected one such as "
	  "\"https://login.example.com/token\"\n"
	  "9: oauth f.device_url: \"https://u@x/\" is not an address; expected one such as "
	  "\"https://login.example.com/token\"\n"
	  "9: oauth f.authorize_url: \"https:///x\" is not an address; expected one such as "
	  "\"https://login.example.com/token\"\n" },
};

static void each_fault_stands_at_its_own_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[2048];
		snprintf(text, sizeof(text), "%s%s", LEAST, bad[i].text);
		assert_null(load_span(span_of(text)));
		assert_faults(bad[i].faults);
	}
}

static void an_empty_file_lacks_a_listener_and_a_relay(void **state)
{
	(void)state;
	assert_null(load_span(SPAN("")));
	assert_faults(
		"1: no listener; expected a section such as listener submissions { address = {\"0.0.0.0:465\"} }\n"
		"1: no relay; expected a section such as relay gmail { host = \"smtp.gmail.com\" }\n");
}

static void a_directory_is_asked_by_default_only_where_there_is_one(void **state)
{
	(void)state;
	static const char rest[] = "listener in { address = {\"127.0.0.1:465\"} }\n"
				   "relay r { host = \"127.0.0.1\" auth = \"none\" }\n";
	char text[512];
	struct config *config = load_text(rest);
	assert_int_equal(config->auth.backends.count, 1);
	assert_string_equal(config->auth.backends.items[0], "app_password");
	config_free(&config);
	snprintf(text, sizeof(text), "%sldap d { uri = {\"ldaps://d\"} base = \"dc=x\" }\n", rest);
	config = load_text(text);
	assert_int_equal(config->auth.backends.count, 2);
	config_free(&config);
	snprintf(text, sizeof(text), "%sauth { backends = {\"ldap\"} }\n", rest);
	assert_null(load_span(span_of(text)));
	assert_faults(
		"3: auth.backends: \"ldap\" without an ldap section; expected one, or backends = {\"app_password\"}\n");
	snprintf(text, sizeof(text),
		 "%sldap d { uri = {\"ldaps://d\"} base = \"dc=x\" }\nauth { backends = {\"ldap\"} }\n"
		 "app_password { required_groups = {\"cn=g,dc=x\"} }\n",
		 rest);
	assert_null(load_span(span_of(text)));
	assert_faults("5: app_password.required_groups: there are no app passwords to log in with; expected "
		      "\"app_password\" in auth.backends\n");
}

static void backends_and_mechanisms_are_known_and_once(void **state)
{
	(void)state;
	assert_null(load_span(SPAN("listener in { address = {\"127.0.0.1:465\"} }\n"
				   "relay r { host = \"127.0.0.1\" auth = \"none\" }\n"
				   "auth { backends = {}\nmechanisms = {\"PLAIN\", \"PLAIN\", \"CRAM-MD5\"} }\n")));
	assert_faults("3: auth.backends: empty, so that nobody could log in; expected \"app_password\" or \"ldap\"\n"
		      "4: auth.mechanisms: \"PLAIN\" is named twice\n"
		      "4: auth.mechanisms: \"CRAM-MD5\" is not known; expected \"PLAIN\", \"LOGIN\", "
		      "\"SCRAM-SHA-256\", \"SCRAM-SHA-256-PLUS\", \"OAUTHBEARER\", \"XOAUTH2\" "
		      "or \"EXTERNAL\"\n");
}

static void a_byte_order_mark_is_named(void **state)
{
	(void)state;
	assert_null(load_span(SPAN("\xEF\xBB\xBF" LEAST)));
	assert_faults("1: begins with a byte order mark; expected UTF-8, saved without one\n");
	assert_null(load_span(SPAN("\xFF\xFEg\0a\0")));
	assert_faults("1: begins with a byte order mark; expected UTF-8, saved without one\n");
}

static void a_nul_byte_is_refused(void **state)
{
	(void)state;
	assert_null(load_span(SPAN(LEAST "gates = 1\0 hostname = \"x\"\n")));
	assert_faults("4: byte 0x00 has no place here\n");
	assert_null(load_span(SPAN(LEAST "hostname = \"a\0b\"\n")));
	assert_faults("4: byte 0x00 in a text; expected printable characters\n");
}

static void a_file_cut_anywhere_loads_or_says_why(void **state)
{
	(void)state;
	static const char text[] =
		"hostname = \"a\" /* c */\nlimits { errors = 3 }\n" LEAST "route default { relays = {\"r\"} }\n";
	for (size_t size = 0; size < sizeof(text) - 1; size++) {
		struct config *config = load_span((struct span){ text, size });
		config_free(&config);
	}
}

static void too_large_a_file_is_refused(void **state)
{
	(void)state;
	size_t size = (8U << 20) + 1;
	char *text = malloc(size);
	assert_non_null(text);
	memset(text, ' ', size);
	assert_null(load_span((struct span){ text, size }));
	assert_faults("1: the file is too large; expected at most 8M\n");
	free(text);
}

static void so_many_options_are_refused_that_no_company_has(void **state)
{
	(void)state;
	static const char least[] = "gates = 1\n";
	static char text[((1U << 18) + 1) * (sizeof(least) - 1)];
	for (size_t i = 0; i < sizeof(text); i += sizeof(least) - 1)
		memcpy(text + i, least, sizeof(least) - 1);
	assert_null(load_span((struct span){ text, sizeof(text) }));
	assert_faults("262145: more than 262144 options and sections\n");
}

static void more_faults_than_help_are_counted(void **state)
{
	(void)state;
	static char text[FAULTS_SIZE];
	size_t used = 0;
	for (unsigned i = 0; i < 150; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "unknown%u = 1\n", i);
	assert_null(load_span(span_of(text)));
	assert_non_null(strstr(faults, FILE_NAME ":100: unknown option \"unknown99\"\n"));
	assert_null(strstr(faults, "unknown100"));
	assert_non_null(strstr(faults, FILE_NAME ": 50 more faults\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_stands_at_its_own_line),
		cmocka_unit_test(an_empty_file_lacks_a_listener_and_a_relay),
		cmocka_unit_test(a_directory_is_asked_by_default_only_where_there_is_one),
		cmocka_unit_test(backends_and_mechanisms_are_known_and_once),
		cmocka_unit_test(a_byte_order_mark_is_named),
		cmocka_unit_test(a_nul_byte_is_refused),
		cmocka_unit_test(a_file_cut_anywhere_loads_or_says_why),
		cmocka_unit_test(too_large_a_file_is_refused),
		cmocka_unit_test(so_many_options_are_refused_that_no_company_has),
		cmocka_unit_test(more_faults_than_help_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

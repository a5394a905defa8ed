/* Loading: what a good file gives, and at which line each fault of a bad one stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/table.h"

#define FILE_NAME "/etc/subgate/subgate.conf"
#define FAULTS_SIZE 65536 /* bytes */

/* The least that loads; further lines are put behind it, from line 4 on. */
#define LEAST                                             \
	"listener in { address = {\"127.0.0.1:465\"} }\n" \
	"auth { backends = {\"app_password\"} }\n"        \
	"relay r { host = \"127.0.0.1\" tls = none auth = none }\n"

static char faults[FAULTS_SIZE];

static struct config *load_span(struct span text)
{
	struct config *config = NULL;
	memset(faults, 0, sizeof(faults));
	FILE *out = fmemopen(faults, sizeof(faults) - 1, "w");
	enum status status = config_load(text, FILE_NAME, out, &config);
	fclose(out);
	assert_int_equal(status == STATUS_OK, config != NULL);
	assert_int_equal(status == STATUS_OK, faults[0] == '\0');
	return config;
}

static struct config *load(const char *text)
{
	struct config *config = load_span(span_of(text));
	if (!config)
		print_error("%s", faults);
	assert_non_null(config);
	return config;
}

/* ---- what is good */

static void a_whole_file_is_read(void **state)
{
	(void)state;
	struct config *config = load("/* a comment\n over lines */ hostname = 'mail.example.com' # and one more\n"
				     "gates = 3 // how many\n"
				     "drain_timeout = \"90s\"\r\n"
				     "limits { message_size = \"10M\" errors = 5 }\n" LEAST
				     "senders s { users = {\"a\",} addresses = {\"@x#y\", \"q\\\"\\\\@x\"} }\n"
				     "header { add_missing = false received = full }\n");
	assert_string_equal(config->global.hostname, "mail.example.com");
	assert_int_equal(config->global.gates, 3);
	assert_int_equal(config->global.drain_timeout, 90000);
	assert_int_equal(config->limits.message_size, 10 << 20);
	assert_int_equal(config->limits.line, 5);
	assert_int_equal(config->listener.count, 1);
	assert_string_equal(config->listener.items[0].name, "in");
	assert_int_equal(config->listener.items[0].line, 6);
	assert_string_equal(config->listener.items[0].address.items[0], "127.0.0.1:465");
	assert_int_equal(config->relay.items[0].tls, RELAY_TLS_NONE);
	assert_string_equal(config->senders.items[0].addresses.items[0], "@x#y");
	assert_string_equal(config->senders.items[0].addresses.items[1], "q\"\\@x");
	assert_false(config->header.add_missing);
	assert_int_equal(config->header.received, RECEIVED_FULL);
	config_free(&config);
	assert_null(config);
}

static void what_is_not_said_has_its_default(void **state)
{
	(void)state;
	struct config *config = load(LEAST);
	assert_true(config->global.hostname[0] != '\0');
	assert_string_equal(config->global.user, "subgate");
	assert_int_equal(config->limits.message_size, 35 << 20);
	assert_int_equal(config->auth.cache, 300000);
	assert_int_equal(config->auth.mechanisms.count, 2);
	assert_string_equal(config->auth.mechanisms.items[1], "LOGIN");
	assert_string_equal(config->redis.server, "embedded");
	assert_string_equal(config->redis.user, "");
	assert_int_equal(config->ldap.count, 0);
	config_free(&config);
}

static void an_option_of_the_top_level_is_not_one_of_an_absent_section(void **state)
{
	(void)state;
	struct config *config = load("user = \"mail\"\n" LEAST);
	assert_string_equal(config->global.user, "mail");
	assert_string_equal(config->redis.user, "");
	config_free(&config);
}

static void paths_are_below_their_folders(void **state)
{
	(void)state;
	struct config *config = load("state_dir = \"/s\" run_dir = \"run\"\n"
				     "tls { private_key = \"/k.pem\" }\n" LEAST);
	assert_string_equal(config->folder, "/etc/subgate");
	assert_string_equal(config->tls.certificate, "/etc/subgate/tls/fullchain.pem");
	assert_string_equal(config->tls.private_key, "/k.pem");
	assert_string_equal(config->audit.file, "/s/audit.jsonl");
	assert_string_equal(config->global.run_dir, "/etc/subgate/run");
	assert_string_equal(config->admin.socket, "/etc/subgate/run/admin.sock");
	assert_string_equal(config->relay.items[0].password_file, "");
	config_free(&config);
}

static void the_default_quota_and_the_only_route_are_implied(void **state)
{
	(void)state;
	struct config *config = load(LEAST "quota vip { users = {\"a\"} messages_per_day = 0 }\n");
	assert_int_equal(config->quota.count, 2);
	assert_string_equal(config->quota.items[1].name, "default");
	assert_int_equal(config->quota.items[1].messages_per_day, 500);
	assert_int_equal(config->quota.items[1].users.count, 0);
	assert_int_equal(config->route.count, 1);
	assert_string_equal(config->route.items[0].name, "default");
	assert_string_equal(config->route.items[0].relays.items[0], "r");
	assert_ptr_equal(config_find_relay(config, "r"), &config->relay.items[0]);
	assert_null(config_find_relay(config, "R"));
	config_free(&config);
}

static void an_empty_list_is_not_the_default(void **state)
{
	(void)state;
	struct config *config = load("ldap d { uri = {\"ldaps://d\"} base = \"dc=x\" sender_attributes = {} }\n" LEAST);
	assert_int_equal(config->ldap.items[0].sender_attributes.count, 0);
	config_free(&config);
}

static void every_default_is_a_value_of_its_option(void **state)
{
	(void)state;
	static char text[FAULTS_SIZE];
	size_t used = (size_t)snprintf(text, sizeof(text), "%s", LEAST);
	for (const struct config_section *section = config_sections + 1; section->name; section++) {
		if (section->titled || strcmp(section->name, "auth") == 0)
			continue;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s {", section->name);
		for (const struct config_option *option = section->options(); option->name; option++) {
			assert_int_not_equal(option->kind, OPTION_LIST);
			used += (size_t)snprintf(text + used, sizeof(text) - used, " %s = \"%s\"", option->name,
						 option->value);
		}
		used += (size_t)snprintf(text + used, sizeof(text) - used, " }\n");
	}
	struct config *config = load(text);
	config_free(&config);
}

static void loading_twice_gives_the_same(void **state)
{
	(void)state;
	static char first[FAULTS_SIZE], second[FAULTS_SIZE];
	char *const texts[] = { first, second };
	for (unsigned i = 0; i < 2; i++) {
		struct config *config = load(LEAST "limits { spool = \"2G\" }\n");
		FILE *out = fmemopen(texts[i], FAULTS_SIZE - 1, "w");
		config_dump(config, out);
		fclose(out);
		config_free(&config);
	}
	assert_string_equal(first, second);
}

/* ---- what is bad */

static const struct {
	const char *text;   /* behind LEAST: begins at line 4 */
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
	{ "redis { server = \"rediss://h:1\" }\n", "4: redis.server: \"rediss://h:1\" is not a server; expected "
						   "\"embedded\", \"unix:/PATH\" or \"redis://HOST:PORT\"\n" },
	{ "redis { password_file = \"p\" }\n",
	  "4: redis.password_file: the embedded server has none; expected \"\", or another server\n" },
	{ "sender { delimiter = \"+-\" }\n",
	  "4: sender.delimiter: \"+-\" is too long; expected one character, or \"\"\n" },
	{ "senders s { addresses = {\"noone\"} }\n",
	  "4: senders s: meant for nobody; expected users or groups\n"
	  "4: senders s.addresses: \"noone\" is not a sender; expected an address, @DOMAIN or *\n" },
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

/* Faults without "FILE:" at each line's beginning. */
static void assert_faults(const char *expected)
{
	static char shortened[FAULTS_SIZE];
	size_t used = 0;
	shortened[0] = '\0';
	struct span rest = span_of(faults), line;
	while (span_cut(&rest, '\n', &line) && line.size) {
		assert_true(span_starts_with(line, SPAN(FILE_NAME ":")));
		line = span_slice(line, sizeof(FILE_NAME ":") - 1, line.size);
		used += (size_t)snprintf(shortened + used, sizeof(shortened) - used, "%.*s\n", SPAN_ARGS(line));
	}
	assert_string_equal(shortened, expected);
}

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
	struct config *config = load(rest);
	assert_int_equal(config->auth.backends.count, 1);
	assert_string_equal(config->auth.backends.items[0], "app_password");
	config_free(&config);
	snprintf(text, sizeof(text), "%sldap d { uri = {\"ldaps://d\"} base = \"dc=x\" }\n", rest);
	config = load(text);
	assert_int_equal(config->auth.backends.count, 2);
	config_free(&config);
	snprintf(text, sizeof(text), "%sauth { backends = {\"ldap\"} }\n", rest);
	assert_null(load_span(span_of(text)));
	assert_faults(
		"3: auth.backends: \"ldap\" without an ldap section; expected one, or backends = {\"app_password\"}\n");
}

static void backends_and_mechanisms_are_known_and_once(void **state)
{
	(void)state;
	assert_null(load_span(SPAN("listener in { address = {\"127.0.0.1:465\"} }\n"
				   "relay r { host = \"127.0.0.1\" auth = \"none\" }\n"
				   "auth { backends = {}\nmechanisms = {\"PLAIN\", \"PLAIN\", \"CRAM-MD5\"} }\n")));
	assert_faults("3: auth.backends: empty, so that nobody could log in; expected \"app_password\" or \"ldap\"\n"
		      "4: auth.mechanisms: \"PLAIN\" is named twice\n"
		      "4: auth.mechanisms: \"CRAM-MD5\" is not known; expected \"PLAIN\" or \"LOGIN\"\n");
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
	size_t size = (1U << 20) + 1;
	char *text = malloc(size);
	assert_non_null(text);
	memset(text, ' ', size);
	assert_null(load_span((struct span){ text, size }));
	assert_faults("1: the file is too large; expected at most 1M\n");
	free(text);
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
		cmocka_unit_test(a_whole_file_is_read),
		cmocka_unit_test(what_is_not_said_has_its_default),
		cmocka_unit_test(an_option_of_the_top_level_is_not_one_of_an_absent_section),
		cmocka_unit_test(paths_are_below_their_folders),
		cmocka_unit_test(the_default_quota_and_the_only_route_are_implied),
		cmocka_unit_test(an_empty_list_is_not_the_default),
		cmocka_unit_test(every_default_is_a_value_of_its_option),
		cmocka_unit_test(loading_twice_gives_the_same),
		cmocka_unit_test(each_fault_stands_at_its_own_line),
		cmocka_unit_test(an_empty_file_lacks_a_listener_and_a_relay),
		cmocka_unit_test(a_directory_is_asked_by_default_only_where_there_is_one),
		cmocka_unit_test(backends_and_mechanisms_are_known_and_once),
		cmocka_unit_test(a_byte_order_mark_is_named),
		cmocka_unit_test(a_nul_byte_is_refused),
		cmocka_unit_test(a_file_cut_anywhere_loads_or_says_why),
		cmocka_unit_test(too_large_a_file_is_refused),
		cmocka_unit_test(more_faults_than_help_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

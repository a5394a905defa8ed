/* Loading: what a good file gives. */
#include "base/buf.h"
#include "config/profiles.h"
#include "config/table.h"
#include "tests/unit/config_trial.h"

static void a_whole_file_is_read(void **state)
{
	(void)state;
	struct config *config = load_text("/* a comment\n over lines */ hostname = 'mail.example.com' # and one more\n"
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

/* In an order that is not that of their names, and with titles in quotes of both kinds. */
static void a_thousand_sections_of_a_kind_keep_their_order_and_are_found(void **state)
{
	(void)state;
	enum { COUNT = 1000 };
	struct buf text BUF_AUTO;
	char name[16];
	buf_init(&text, 1U << 20);
	assert_int_equal(buf_append_text(&text, LEAST "route default { relays = {\"r\"} }\n"), STATUS_OK);
	for (int i = COUNT; i > 0; i--)
		assert_int_equal(buf_printf(&text,
					    "relay \"r%d\" { host = h%d tls = none auth = none }\n"
					    "route 't%d' { relays = { r%d } users = { u%d } }\n"
					    "quota q%d{ messages_per_day = %d users = { u%d } }\n",
					    i, i, i, i, i, i, i, i),
				 STATUS_OK);
	struct config *config = load_span(buf_span(&text));
	assert_non_null(config);
	assert_int_equal(config->relay.count, COUNT + 1);
	for (size_t i = 1; i <= COUNT; i++) {
		snprintf(name, sizeof(name), "r%zu", COUNT + 1 - i);
		assert_ptr_equal(config_find_relay(config, name), &config->relay.items[i]);
		assert_string_equal(config->relay.items[i].name, name);
		assert_string_equal(config->relay.items[i].host + 1, name + 1);
		assert_int_equal(config->relay.items[i].line, 2 + 3 * i);
		assert_string_equal(config->route.items[i].relays.items[0], name);
		assert_int_equal(config->quota.items[i - 1].messages_per_day, COUNT + 1 - i);
	}
	assert_null(config_find_relay(config, "r1001"));
	assert_ptr_equal(config_find_relay(config, "r"), &config->relay.items[0]);
	config_free(&config);
}

static void names_are_brought_to_their_one_spelling(void **state)
{
	(void)state;
	struct config *config =
		load_text(LEAST "quota q { users = {\" Anna@B\xc3\xbc"
				"cher.TEST\"} groups = {\"CN = Sales\\\\2C Berlin, DC=Example\", \"Staff\"} }\n"
				"route r { sender_domains = {\".B\xc3\xbc"
				"cher.test\", \"X.test\"} relays = {\"r\"} }\n"
				"route default { relays = {\"r\"} }\n");
	const struct config_quota *quota = &config->quota.items[0];
	const struct config_list *domains = &config->route.items[0].sender_domains;
	assert_string_equal(quota->users.items[0], "anna@xn--bcher-kva.test");
	assert_string_equal(quota->groups.items[0], "cn=sales\\, berlin,dc=example");
	assert_string_equal(quota->groups.items[1], "staff");
	assert_string_equal(domains->items[0], ".xn--bcher-kva.test");
	assert_string_equal(domains->items[1], "x.test");
	config_free(&config);
}

static void what_is_not_said_has_its_default(void **state)
{
	(void)state;
	struct config *config = load_text(LEAST);
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
	struct config *config = load_text("user = \"mail\"\n" LEAST);
	assert_string_equal(config->global.user, "mail");
	assert_string_equal(config->redis.user, "");
	config_free(&config);
}

static void paths_are_below_their_folders(void **state)
{
	(void)state;
	struct config *config = load_text("state_dir = \"/s\" run_dir = \"run\"\n"
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
	struct config *config = load_text(LEAST "quota vip { users = {\"a\"} messages_per_day = 0 }\n");
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
	struct config *config =
		load_text("ldap d { uri = {\"ldaps://d\"} base = \"dc=x\" sender_attributes = {} }\n" LEAST);
	assert_int_equal(config->ldap.items[0].sender_attributes.count, 0);
	config_free(&config);
}

static void a_profile_sets_defaults_and_what_is_given_wins(void **state)
{
	(void)state;
	struct config *config =
		load_text("ldap d { profile = \"active_directory\" uri = {\"ldaps://d\"} base = \"dc=x\" "
			  "id_attribute = \"\" }\n"
			  "ldap o { uri = {\"ldaps://o\"} base = \"dc=x\" profile = \"openldap\" }\n"
			  "ldap g { uri = {\"ldaps://g\"} base = \"dc=x\" }\n" LEAST);
	const struct config_ldap *sections = config->ldap.items;
	assert_non_null(strstr(sections[0].filter, "sAMAccountName=%u"));
	assert_string_equal(sections[0].id_attribute, "");
	assert_string_equal(sections[0].sender_attributes.items[1], "proxyAddresses");
	assert_string_equal(sections[1].id_attribute, "entryUUID");
	assert_string_equal(sections[2].filter, "(|(uid=%u)(mail=%u))");
	assert_string_equal(sections[2].id_attribute, "");
	assert_string_equal(profiles_text(sections[0].profile), "active_directory");
	config_free(&config);
}

/* A row that names no option would set nothing. */
static void every_profile_can_be_loaded_and_names_options(void **state)
{
	static const char *const options[] = { "filter", "id_attribute", "sender_attributes", "group_filter" };
	(void)state;
	for (enum config_profile profile = PROFILE_ACTIVE_DIRECTORY; profile <= PROFILE_FREEIPA; profile++) {
		char text[512];
		snprintf(text, sizeof(text),
			 "ldap d { profile = \"%s\" uri = {\"ldaps://d\"} base = \"dc=x\" }\n" LEAST,
			 profiles_text(profile));
		struct config *config = load_text(text);
		assert_string_equal(config->ldap.items[0].filter, profiles_default(profile, "filter"));
		config_free(&config);
		assert_non_null(profiles_default(profile, "id_attribute"));
	}
	const struct config_section *section = table_find_section(SPAN("ldap"));
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		assert_non_null(table_find_option(section, span_of(options[i])));
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
			if (option->kind == OPTION_LIST)
				continue;
			used += (size_t)snprintf(text + used, sizeof(text) - used, " %s = \"%s\"", option->name,
						 option->value);
		}
		used += (size_t)snprintf(text + used, sizeof(text) - used, " }\n");
	}
	struct config *config = load_text(text);
	config_free(&config);
}

static void loading_twice_gives_the_same(void **state)
{
	(void)state;
	static char first[FAULTS_SIZE], second[FAULTS_SIZE];
	char *const texts[] = { first, second };
	for (unsigned i = 0; i < 2; i++) {
		struct config *config = load_text(LEAST "limits { spool = \"2G\" }\n");
		FILE *out = fmemopen(texts[i], FAULTS_SIZE - 1, "w");
		config_dump(config, out);
		fclose(out);
		config_free(&config);
	}
	assert_string_equal(first, second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_file_is_read),
		cmocka_unit_test(a_thousand_sections_of_a_kind_keep_their_order_and_are_found),
		cmocka_unit_test(names_are_brought_to_their_one_spelling),
		cmocka_unit_test(what_is_not_said_has_its_default),
		cmocka_unit_test(an_option_of_the_top_level_is_not_one_of_an_absent_section),
		cmocka_unit_test(paths_are_below_their_folders),
		cmocka_unit_test(the_default_quota_and_the_only_route_are_implied),
		cmocka_unit_test(an_empty_list_is_not_the_default),
		cmocka_unit_test(a_profile_sets_defaults_and_what_is_given_wins),
		cmocka_unit_test(every_profile_can_be_loaded_and_names_options),
		cmocka_unit_test(every_default_is_a_value_of_its_option),
		cmocka_unit_test(loading_twice_gives_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

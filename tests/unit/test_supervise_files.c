/* What the supervisor opens for its roles: keys, secrets, folders, locks, sealed memory, and the config file. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/secret.h"
#include "net/tls.h"
#include "supervise/config_file.h"
#include "supervise/folders.h"
#include "supervise/keys.h"
#include "supervise/memory_file.h"
#include "supervise/secrets.h"
#include "supervise_fixture.h"
#include "with_certificate.h"

static size_t read_at_most(int fd, char *out_bytes, size_t size)
{
	ssize_t got = pread(fd, out_bytes, size, 0);
	return got > 0 ? (size_t)got : 0;
}

static void assert_holds(int fd, const char *text)
{
	char bytes[512];
	size_t size = read_at_most(fd, bytes, sizeof(bytes));
	assert_int_equal(size, strlen(text));
	assert_memory_equal(bytes, text, size);
}

/* ---- sealed memory */

static void sealed_memory_holds_its_bytes_and_never_changes(void **state)
{
	(void)state;
	int fd = -1;
	assert_int_equal(memory_file_seal("test", SPAN("a secret\n"), &fd), STATUS_OK);
	assert_holds(fd, "a secret\n");
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 100), -1);
	assert_true(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	close(fd);
}

/* ---- keys */

static void a_key_is_made_once_and_for_its_owner_alone(void **state)
{
	(void)state;
	struct fixture f;
	struct stat info;
	char path[PATH_SIZE], draft[PATH_SIZE], first[KEY_SIZE + 1], second[KEY_SIZE + 1];
	int fd = -1;
	fixture_open(&f);
	fixture_path(&f, "auth-key", path);
	fixture_path(&f, "auth-key.new", draft);
	assert_int_equal(key_file_open(path, f.faults, &fd), STATUS_OK);
	assert_int_equal(read_at_most(fd, first, sizeof(first)), KEY_SIZE);
	close(fd);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	assert_int_equal(access(draft, F_OK), -1);
	assert_int_equal(key_file_open(path, f.faults, &fd), STATUS_OK);
	assert_int_equal(read_at_most(fd, second, sizeof(second)), KEY_SIZE);
	close(fd);
	assert_memory_equal(first, second, KEY_SIZE);
	fixture_close(&f);
}

static void a_key_of_a_wrong_size_or_mode_is_refused(void **state)
{
	(void)state;
	struct fixture f;
	char path[PATH_SIZE];
	int fd = -1;
	fixture_open(&f);
	fixture_path(&f, "key", path);
	fixture_write(&f, "key", "too short", 0600);
	assert_int_equal(key_file_open(path, f.faults, &fd), STATUS_SYSTEM);
	assert_non_null(strstr(fixture_told(&f), "expected 32 bytes"));
	fixture_write(&f, "key", "0123456789abcdef0123456789abcdef", 0640);
	assert_int_equal(key_file_open(path, f.faults, &fd), STATUS_SYSTEM);
	assert_non_null(strstr(fixture_told(&f), "mode 0600"));
	fixture_write(&f, "key", "0123456789abcdef0123456789abcdef", 0600);
	assert_int_equal(key_file_open(path, f.faults, &fd), STATUS_OK);
	close(fd);
	fixture_close(&f);
}

static void half_a_key_left_by_a_crash_does_no_harm(void **state)
{
	(void)state;
	struct fixture f;
	char path[PATH_SIZE], bytes[KEY_SIZE + 1];
	int fd = -1;
	fixture_open(&f);
	fixture_path(&f, "key", path);
	fixture_write(&f, "key.new", "half", 0600);
	assert_int_equal(key_file_open(path, f.faults, &fd), STATUS_OK);
	assert_int_equal(read_at_most(fd, bytes, sizeof(bytes)), KEY_SIZE);
	close(fd);
	fixture_close(&f);
}

/* ---- secrets */

#define SECRET_SECTIONS                                                                                             \
	ONE_LISTENER "tls { certificate = \"cert.pem\" private_key = \"key.pem\" }\n"                               \
		     "certificate old { certificate = \"old.pem\" private_key = \"old.key\" }\n"                    \
		     "relay up { host = \"127.0.0.1\" user = \"u\" password_file = \"up\" ca_file = \"ca.pem\" }\n" \
		     "ldap corp { uri = {\"ldaps://ldap\"} base = \"dc=example\" bind_dn = \"cn=s\""                \
		     " bind_password_file = \"ldap\" }\n"                                                           \
		     "redis { server = \"unix:/run/redis.sock\" password_file = \"redis\" }\n"

static void write_secrets(const struct fixture *f)
{
	fixture_write(f, "cert.pem", "the certificate\n", 0644);
	fixture_write(f, "key.pem", "the key\n", 0600);
	fixture_write(f, "old.pem", "the old certificate\n", 0644);
	fixture_write(f, "old.key", "the old key\n", 0600);
	fixture_write(f, "ca.pem", "the authority\n", 0644);
	fixture_write(f, "up", "upstream password\n", 0600);
	fixture_write(f, "ldap", "ldap password\r\n", 0600);
	fixture_write(f, "redis", "redis password", 0600);
}

static void assert_has(const struct handover *all, enum role_kind kind, const char *name, const char *text)
{
	struct handover list = { 0 };
	assert_int_equal(handover_add_all(&list, all, kind), STATUS_OK);
	int fd = handover_find(&list, name);
	if (text == NULL)
		assert_int_equal(fd, -1);
	else
		assert_holds(fd, text);
	handover_forget(&list);
}

/* Where it has TLS it gets the one key, and nothing else; without a console, or without TLS, nothing. */
static void the_console_gets_the_key_of_tls_alone(void **state)
{
	(void)state;
	static const struct {
		const char *section;
		bool has_key;
	} cases[] = {
		{ "console { address = {\"0.0.0.0:8443\"} }\n", true },
		{ "console { address = {\"127.0.0.1:8080\"} tls = false }\n", false },
		{ "", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;
		struct handover all = { 0 }, console = { 0 };
		char sections[4096];
		fixture_open(&f);
		snprintf(sections, sizeof(sections), "%s%s", SECRET_SECTIONS, cases[i].section);
		fixture_config(&f, sections);
		write_secrets(&f);
		assert_int_equal(secrets_open(f.config, f.faults, &all), STATUS_OK);
		assert_int_equal(handover_add_all(&console, &all, ROLE_CONSOLE), STATUS_OK);
		assert_int_equal(console.count, cases[i].has_key ? 2 : 0);
		assert_has(&all, ROLE_CONSOLE, "tls-key", cases[i].has_key ? "the key\n" : NULL);
		assert_has(&all, ROLE_CONSOLE, "tls-certificate", cases[i].has_key ? "the certificate\n" : NULL);
		handover_forget(&console);
		handover_close(&all);
		fixture_close(&f);
	}
}

static void each_secret_goes_to_who_needs_it_and_to_no_gate(void **state)
{
	(void)state;
	struct fixture f;
	struct handover all = { 0 }, gate = { 0 };
	fixture_open(&f);
	fixture_config(&f, SECRET_SECTIONS);
	write_secrets(&f);
	assert_int_equal(secrets_open(f.config, f.faults, &all), STATUS_OK);
	assert_has(&all, ROLE_GATE, "tls-certificate", "the certificate\n");
	assert_has(&all, ROLE_GATE, "tls-key", "the key\n");
	assert_has(&all, ROLE_GATE, "tls-certificate:old", "the old certificate\n");
	assert_has(&all, ROLE_GATE, "tls-key:old", "the old key\n");
	assert_has(&all, ROLE_AUTH, "tls-key:old", NULL);
	assert_has(&all, ROLE_AUTH, "relay-password:up", "upstream password");
	assert_has(&all, ROLE_AUTH, "ldap-password:corp", "ldap password");
	assert_has(&all, ROLE_AUTH, "redis-password", "redis password");
	assert_has(&all, ROLE_RELAY, "redis-password", "redis password");
	assert_has(&all, ROLE_RELAY, "relay-ca:up", "the authority\n");
	assert_has(&all, ROLE_RELAY, "relay-password:up", NULL);
	assert_has(&all, ROLE_RELAY, "tls-key", NULL);
	assert_has(&all, ROLE_ADMIN, "redis-password", NULL);
	assert_int_equal(handover_add_all(&gate, &all, ROLE_GATE), STATUS_OK);
	assert_int_equal(gate.count, 4); /* certificates and keys */
	handover_forget(&gate);
	handover_close(&all);
	fixture_close(&f);
}

static void every_secret_that_is_wrong_is_told(void **state)
{
	(void)state;
	struct fixture f;
	struct handover all = { 0 };
	char path[PATH_SIZE];
	fixture_open(&f);
	fixture_config(&f, SECRET_SECTIONS);
	write_secrets(&f);
	fixture_write(&f, "up", "upstream password\n", 0644);
	fixture_write(&f, "redis", "", 0600);
	fixture_write(&f, "old.key", "the old key\n", 0640);
	fixture_path(&f, "ldap", path);
	unlink(path);
	assert_int_not_equal(secrets_open(f.config, f.faults, &all), STATUS_OK);
	const char *told = fixture_told(&f);
	assert_non_null(strstr(told, "/up: others can read this file"));
	assert_non_null(strstr(told, "/redis: this file is empty"));
	assert_non_null(strstr(told, "/ldap: No such file"));
	assert_non_null(strstr(told, "/old.key: others can read this file"));
	assert_null(strstr(told, "upstream password"));
	handover_close(&all);
	fixture_close(&f);
}

/* ---- folders */

static void folders_are_made_and_locked_once(void **state)
{
	(void)state;
	struct fixture f;
	struct folders first = FOLDERS_NONE, second = FOLDERS_NONE;
	fixture_open(&f);
	fixture_config(&f, ONE_LISTENER PLAIN_RELAY);
	assert_int_equal(folders_lock(f.config, 0, f.faults, &first), STATUS_OK);
	assert_int_equal(folders_lock(f.config, 0, f.faults, &second), STATUS_REFUSED);
	assert_non_null(strstr(fixture_told(&f), "/state: another subgate uses this folder"));
	folders_unlock(&first);
	assert_int_equal(folders_lock(f.config, 0, f.faults, &second), STATUS_OK);
	folders_unlock(&second);
	fixture_close(&f);
}

static void assert_private(const struct fixture *f, const char *name)
{
	struct stat info;
	char path[PATH_SIZE];
	fixture_path(f, name, path);
	assert_int_equal(stat(path, &info), 0);
	if ((info.st_mode & 077) != 0)
		fail_msg("%s has mode %o", name, (unsigned)info.st_mode & 0777);
}

static void roles_get_files_that_nobody_else_reads(void **state)
{
	(void)state;
	struct fixture f;
	struct folders folders = FOLDERS_NONE;
	const struct identities identities = { 0 };
	struct handover all = { 0 };
	static const char *const auth[] = { "app-passwords", "auth-key" };
	static const char *const relay[] = { "audit", "audit-state", "relay-rests", "audit-keys", "spool", "slots" };
	static const char *const files[] = {
		"state/app-passwords", "state/audit.jsonl", "state/audit-state", "state/auth-key",
		"state/audit-keys",    "state/spool",       "run/slots"
	};
	fixture_open(&f);
	fixture_config(&f, ONE_LISTENER PLAIN_RELAY);
	assert_int_equal(folders_lock(f.config, 0, f.faults, &folders), STATUS_OK);
	assert_int_equal(folders_open(f.config, &identities, f.faults, &all), STATUS_OK);
	for (size_t i = 0; i < sizeof(auth) / sizeof(auth[0]); i++)
		assert_true(handover_find(&all, auth[i]) >= 0);
	for (size_t i = 0; i < sizeof(relay) / sizeof(relay[0]); i++)
		assert_true(handover_find(&all, relay[i]) >= 0);
	for (size_t i = 0; i < all.count; i++)
		assert_false(all.items[i].roles & (TO(ROLE_GATE) | TO(ROLE_ADMIN)));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		assert_private(&f, files[i]);
	handover_close(&all);
	folders_unlock(&folders);
	fixture_close(&f);
}

static void a_link_in_place_of_a_file_is_not_followed(void **state)
{
	(void)state;
	struct fixture f;
	struct folders folders = FOLDERS_NONE;
	const struct identities identities = { 0 };
	struct handover all = { 0 };
	char path[PATH_SIZE];
	fixture_open(&f);
	fixture_config(&f, ONE_LISTENER PLAIN_RELAY);
	assert_int_equal(folders_lock(f.config, 0, f.faults, &folders), STATUS_OK);
	fixture_path(&f, "state/audit.jsonl", path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(folders_open(f.config, &identities, f.faults, &all), STATUS_SYSTEM);
	assert_non_null(strstr(fixture_told(&f), "audit.jsonl: can't open"));
	handover_close(&all);
	folders_unlock(&folders);
	fixture_close(&f);
}

/* ---- the config file */

static void a_config_file_is_read_whole_and_bounded(void **state)
{
	(void)state;
	struct fixture f;
	struct buf text BUF_AUTO;
	struct config *config = NULL;
	char path[PATH_SIZE];
	fixture_open(&f);
	fixture_path(&f, "subgate.conf", path);
	buf_init(&text, CONFIG_FILE_MAXIMUM);
	assert_int_equal(config_file_load(path, f.faults, &text, &config), STATUS_NOT_FOUND);
	assert_non_null(strstr(fixture_told(&f), "subgate.conf:1: No such file"));
	fixture_write(&f, "subgate.conf", "gates = many\n", 0644);
	assert_int_equal(config_file_load(path, f.faults, &text, &config), STATUS_INVALID);
	assert_true(span_equal(buf_span(&text), SPAN("gates = many\n")));
	assert_int_equal(truncate(path, CONFIG_FILE_MAXIMUM), 0);
	buf_clear(&text);
	assert_int_equal(config_file_load(path, f.faults, &text, &config), STATUS_TOO_LARGE);
	fixture_close(&f);
}

static void write_pem(const struct fixture *f, const char *name, struct span pem, mode_t mode)
{
	char *text = span_to_string(pem);
	fixture_write(f, name, text, mode);
	free(text);
}

static void a_key_that_is_not_the_certificate_s_is_a_fault(void **state)
{
	(void)state;
	struct fixture f;
	struct certificate one, other;
	fixture_open(&f);
	certificate_make(&one, "DNS:mail.example.com");
	certificate_make(&other, "DNS:mail.example.com");
	fixture_config(&f, ONE_LISTENER PLAIN_RELAY
		       "tls { certificate = \"cert.pem\" private_key = \"key.pem\" }\nadmin { group = \"\" }\n");
	write_pem(&f, "cert.pem", one.certificate, 0644);
	write_pem(&f, "key.pem", secret_reveal(&one.key), 0600);
	assert_int_equal(config_file_check(f.config, f.faults), STATUS_OK);
	write_pem(&f, "key.pem", secret_reveal(&other.key), 0600);
	assert_int_equal(config_file_check(f.config, f.faults), STATUS_INVALID);
	assert_non_null(strstr(fixture_told(&f), "subgate.conf:"));
	assert_non_null(strstr(fixture_told(&f), "make no server"));
	certificate_free(&one);
	certificate_free(&other);
	fixture_close(&f);
}

static void each_certificate_section_is_checked(void **state)
{
	(void)state;
	struct fixture f;
	struct certificate own, nameless;
	fixture_open(&f);
	certificate_make(&own, "DNS:mail.example.com");
	certificate_make(&nameless, "IP:192.0.2.1");
	fixture_config(&f, ONE_LISTENER PLAIN_RELAY
		       "tls { certificate = \"own.pem\" private_key = \"own.key\" }\nadmin { group = \"\" }\n"
		       "certificate same { certificate = \"own.pem\" private_key = \"own.key\" }\n"
		       "certificate mixed { certificate = \"own.pem\" private_key = \"nameless.key\" }\n"
		       "certificate nameless { certificate = \"nameless.pem\" private_key = \"nameless.key\" }\n");
	write_pem(&f, "own.pem", own.certificate, 0644);
	write_pem(&f, "own.key", secret_reveal(&own.key), 0600);
	write_pem(&f, "nameless.pem", nameless.certificate, 0644);
	write_pem(&f, "nameless.key", secret_reveal(&nameless.key), 0600);
	assert_int_equal(config_file_check(f.config, f.faults), STATUS_INVALID);
	const char *told = fixture_told(&f);
	assert_null(strstr(told, "certificate same: "));
	assert_non_null(strstr(told, "certificate mixed: "));
	assert_non_null(strstr(told, "the private key does not belong to the certificate"));
	assert_non_null(strstr(told, "certificate nameless: "));
	assert_non_null(strstr(told, "the certificate has no DNS name that a client could ask for"));
	certificate_free(&own);
	certificate_free(&nameless);
	fixture_close(&f);
}

static void certificates_for_servers_and_authorities_are_checked(void **state)
{
	(void)state;
	struct fixture f;
	struct certificate own, other;
	fixture_open(&f);
	certificate_make(&own, "DNS:mail.example.com");
	certificate_make(&other, "DNS:mail.example.com");
	fixture_config(&f, ONE_LISTENER
		       "relay up { host = \"127.0.0.1\" tls = \"starttls\" auth = \"none\" ca_file = \"junk.pem\" }\n"
		       "tls { certificate = \"own.pem\" private_key = \"own.key\" }\nadmin { group = \"\" }\n"
		       "ldap corp { uri = {\"ldaps://ldap\"} base = \"dc=example\" certificate_file = \"own.pem\""
		       " private_key_file = \"other.key\" ca_file = \"own.pem\" }\n");
	write_pem(&f, "own.pem", own.certificate, 0644);
	write_pem(&f, "own.key", secret_reveal(&own.key), 0600);
	write_pem(&f, "other.key", secret_reveal(&other.key), 0600);
	fixture_write(&f, "junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n", 0644);
	assert_int_equal(config_file_check(f.config, f.faults), STATUS_INVALID);
	const char *told = fixture_told(&f);
	assert_non_null(strstr(told, "ldap corp: "));
	assert_non_null(strstr(told, "make no client: the private key does not belong to the certificate"));
	assert_non_null(strstr(told, "relay up.ca_file: "));
	assert_non_null(strstr(told, "the authorities can't be read"));
	assert_null(strstr(told, "ldap corp.ca_file"));
	certificate_free(&own);
	certificate_free(&other);
	fixture_close(&f);
}

static void a_missing_user_is_told_with_its_cure(void **state)
{
	(void)state;
	struct fixture f;
	struct identities identities = { 0 };
	if (geteuid() != 0)
		skip();
	fixture_open(&f);
	fixture_config(&f, ONE_LISTENER PLAIN_RELAY "admin { group = \"\" }\n");
	assert_int_equal(identities_find(f.config, f.faults, &identities), STATUS_OK);
	assert_false(identities.role[ROLE_GATE].changes);
	free(f.config->global.user);
	f.config->global.user = strdup("subgate-no-such-user");
	assert_int_equal(identities_find(f.config, f.faults, &identities), STATUS_NOT_FOUND);
	const char *told = fixture_told(&f);
	assert_non_null(strstr(told, "useradd --system"));
	assert_non_null(strstr(told, "\"subgate-no-such-user-gate\""));
	assert_non_null(strstr(told, "\"subgate-no-such-user-admin\""));
	assert_non_null(strstr(told, "user = \"\""));
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sealed_memory_holds_its_bytes_and_never_changes),
		cmocka_unit_test(a_key_is_made_once_and_for_its_owner_alone),
		cmocka_unit_test(a_key_of_a_wrong_size_or_mode_is_refused),
		cmocka_unit_test(half_a_key_left_by_a_crash_does_no_harm),
		cmocka_unit_test(the_console_gets_the_key_of_tls_alone),
		cmocka_unit_test(each_secret_goes_to_who_needs_it_and_to_no_gate),
		cmocka_unit_test(every_secret_that_is_wrong_is_told),
		cmocka_unit_test(folders_are_made_and_locked_once),
		cmocka_unit_test(roles_get_files_that_nobody_else_reads),
		cmocka_unit_test(a_link_in_place_of_a_file_is_not_followed),
		cmocka_unit_test(a_config_file_is_read_whole_and_bounded),
		cmocka_unit_test(a_key_that_is_not_the_certificate_s_is_a_fault),
		cmocka_unit_test(each_certificate_section_is_checked),
		cmocka_unit_test(certificates_for_servers_and_authorities_are_checked),
		cmocka_unit_test(a_missing_user_is_told_with_its_cure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* For tests of the chain of back ends: one with a real slapd, app passwords and guesses. */
#ifndef TESTS_CHAIN_WORLD_H
#define TESTS_CHAIN_WORLD_H

#include "with_slapd.h"

#include "auth/chain.h"
#include "with_loop.h"

static struct slapd slapd;

/* ---- a chain under test */

static char backend_names[2][16] = { "app_password", "ldap" };
static char *backends[] = { backend_names[0], backend_names[1] };
static char mail[] = "mail";
static char description[] = "description";
static char *sender_attributes[] = { mail, description };
static char text_name[] = "corp";
static char text_bind_dn[] = "cn=subgate,dc=example,dc=com";
static char text_base[] = "ou=people,dc=example,dc=com";
static char text_filter[] = "(|(uid=%u)(mail=%u)(description=%u))";
static char text_none[] = "";
static char text_group[] = "departmentNumber";
static char *uris[] = { slapd.uri };

static struct {
	struct loop *loop;
	struct stats *stats;
	struct config config;
	struct config_ldap ldap;
	struct secret key;
	struct app_password_store *store;
	struct redis *redis; /* which is away */
	struct uses *uses;
	char path[40]; /* of its file */
	struct directory *directory;
	struct cache *logins, *entries;
	struct guesses *guesses;
	uint32_t last_gate;
	struct last_words *last_words;
	struct chain chain;
	struct chain_ask ask;
	bool decided;
} world;

static inline void configure(void)
{
	world.config.auth = (struct config_auth){
		.backends = { .items = backends, .count = 2 },
		.cache = 300000,
		.failures_per_address = 100,
		.failures_per_user = 3,
		.failure_window = 600000,
	};
	world.config.app_password.require_directory_entry = true;
	world.config.app_password.directory_grace = 3600000;
	world.ldap = (struct config_ldap){
		.name = text_name,
		.uri = { .items = uris, .count = 1 },
		.ca_file = slapd.ca_file,
		.timeout = 2000,
		.connections = 1,
		.bind_dn = text_bind_dn,
		.base = text_base,
		.filter = text_filter,
		.user_attribute = mail,
		.sender_attributes = { .items = sender_attributes, .count = 2 },
		.group_attribute = text_group,
		.id_attribute = text_none,
		.language_attribute = text_none,
		.valid_filter = text_none,
		.send_as_filter = text_none,
		.send_as_base = text_none,
		.group_filter = text_none,
		.group_base = text_none,
	};
}

static inline void on_revoked(void *context, const struct app_password *password)
{
	(void)context, (void)password;
}

static const struct store_handler store_handler = { .on_revoked = on_revoked };

static inline void open_store(void)
{
	snprintf(world.path, sizeof(world.path), "/tmp/subgate-test-chain-XXXXXX");
	int fd = mkstemp(world.path);
	assert_int_equal(fcntl(fd, F_SETFL, O_APPEND), 0);
	const struct store_settings settings = { .loop = world.loop, .fd = fd, .handler = &store_handler };
	assert_int_equal(store_create(&settings, &world.store), STATUS_OK);
}

static inline void open_directory(void)
{
	struct secret password SECRET_AUTO = { 0 };
	const struct directory_proof proof = { .bind_password = &password, .client = { -1, -1 } };
	assert_int_equal(secret_from_span(SPAN("search secret"), &password), STATUS_OK);
	assert_int_equal(directory_create(world.loop, &world.ldap, &proof, world.stats, 0, &world.directory),
			 STATUS_OK);
}

static inline void open_guesses(void)
{
	static const struct secret no_password;
	const struct redis_options options = { .server = "unix:/nonexistent/redis.sock",
					       .user = "",
					       .password = &no_password };
	assert_int_equal(redis_create(world.loop, &options, &world.redis), STATUS_OK);
	const struct guesses_settings settings = {
		.loop = world.loop,
		.key = &world.key,
		.redis = world.redis,
		.prefix = "test:",
		.limits = { .per_address = 100, .per_user = 3, .window_ms = 600000, .lease_ms = 10000 },
	};
	assert_int_equal(guesses_create(&settings, &world.guesses), STATUS_OK);
}

static inline int begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	configure();
	assert_int_equal(loop_create(&world.loop), STATUS_OK);
	assert_int_equal(stats_create_private(&world.stats), STATUS_OK);
	assert_int_equal(secret_random_hex(16, &world.key), STATUS_OK);
	assert_int_equal(cache_create(100, &world.logins), STATUS_OK);
	assert_int_equal(cache_create(100, &world.entries), STATUS_OK);
	open_guesses();
	assert_int_equal(uses_create(world.loop, world.redis, "", &world.uses), STATUS_OK);
	assert_int_equal(last_words_create(world.redis, "", &world.key, 3600000, &world.last_words), STATUS_OK);
	open_store();
	open_directory();
	const struct chain_parts parts = {
		.loop = world.loop,
		.config = &world.config,
		.key = &world.key,
		.store = world.store,
		.uses = world.uses,
		.directories = &world.directory,
		.directory_count = 1,
		.logins = world.logins,
		.entries = world.entries,
		.guesses = world.guesses,
		.last_words = world.last_words,
	};
	return chain_init(&world.chain, &parts) == STATUS_OK ? 0 : -1;
}

static inline int end(void **state)
{
	(void)state;
	chain_end(&world.ask);
	chain_stop(&world.chain);
	directory_free(&world.directory);
	store_close(&world.store);
	uses_free(&world.uses);
	guesses_free(&world.guesses);
	redis_free(&world.redis);
	last_words_free(&world.last_words);
	unlink(world.path);
	cache_free(&world.logins);
	cache_free(&world.entries);
	secret_wipe(&world.key);
	stats_free_private(&world.stats);
	loop_free(world.loop);
	if (slapd.pid == 0)
		slapd_start(&slapd);
	return 0;
}

static inline void on_decided(void *context)
{
	(void)context;
	world.decided = true;
}

static inline bool is_decided(void *context)
{
	(void)context;
	return world.decided;
}

static inline enum verdict ask_from(const char *name, const char *password, const char *address)
{
	struct credentials credentials = { 0 };
	chain_end(&world.ask);
	world.decided = false;
	snprintf(credentials.name, sizeof(credentials.name), "%s", name);
	snprintf(credentials.address, sizeof(credentials.address), "%s", address);
	credentials.gate = ++world.last_gate % 4;
	assert_int_equal(secret_from_span(span_of(password), &credentials.password), STATUS_OK);
	chain_begin(&world.chain, &world.ask, &credentials, on_decided, NULL);
	run_until(world.loop, is_decided, NULL);
	secret_wipe(&credentials.password);
	return world.ask.decision.verdict;
}

static inline enum verdict ask(const char *name, const char *password)
{
	return ask_from(name, password, "192.0.2.1");
}

static inline void append_line(const struct app_password_change *change)
{
	struct buf line BUF_AUTO;
	buf_init(&line, CHANGE_LINE_MAXIMUM);
	assert_int_equal(change_format(change, &line), STATUS_OK);
	int fd = open(world.path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, buf_span(&line).data, buf_size(&line)), buf_size(&line));
	close(fd);
}

/* As it is shown, to be wiped by the caller. */
static inline struct secret add_password_of(const char *id, const char *owner, const char *senders)
{
	struct app_password_change change = {
		.operation = CHANGE_CREATE,
		.owner = span_of(owner),
		.texts = { [APP_PASSWORD_USER] = SPAN("x"), [APP_PASSWORD_SENDERS] = span_of(senders) },
		.created_s = 1,
	};
	struct secret normal SECRET_AUTO = { 0 };
	struct secret shown = { 0 };
	snprintf(change.id, sizeof(change.id), "%s", id);
	assert_int_equal(app_password_generate(&normal), STATUS_OK);
	assert_int_equal(app_password_make_hash(&normal, &change.hash), STATUS_OK);
	assert_int_equal(app_password_show(&normal, &shown), STATUS_OK);
	append_line(&change);
	return shown;
}

static inline struct secret add_app_password(const char *id, const char *user)
{
	char owner[NAME_SIZE];
	snprintf(owner, sizeof(owner), "name:%s", user);
	return add_password_of(id, owner, "");
}

static inline void append_revocation(const char *id)
{
	struct app_password_change change = { .operation = CHANGE_REVOKE };
	snprintf(change.id, sizeof(change.id), "%s", id);
	append_line(&change);
}

static inline int start_slapd(void **state)
{
	(void)state;
	slapd_create(&slapd);
	return 0;
}

static inline int remove_slapd(void **state)
{
	(void)state;
	slapd_remove(&slapd);
	return 0;
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)

#endif

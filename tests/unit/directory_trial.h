/* A directory under test: a section of the configuration made here, asked through its threads, at a real slapd. */
#ifndef TESTS_DIRECTORY_TRIAL_H
#define TESTS_DIRECTORY_TRIAL_H

#include "with_slapd.h"

#include "auth/ldap/directory.h"
#include "with_loop.h"

#define TIMEOUT_MS 30000      /* of one operation, unless a test says otherwise: none takes so long */
#define LONG_TIMEOUT_MS 4000  /* where a server is silent; surely longer than a login takes, on a busy machine too */
#define SHORT_TIMEOUT_MS 1000 /* where all of them are */

static struct slapd slapd;
static struct loop *loop;
static struct stats *stats;

/* ---- a directory under test */

struct trial {
	char *uris[2];
	struct config_ldap config;
	struct directory *directory;
	struct directory_ask *ask;
	bool answered;
	enum verdict verdict;
	char reason[REASON_SIZE];
	struct identity identity;
};

static char name[] = "corp";
static char bind_dn[] = "cn=subgate,dc=example,dc=com";
static char bind_password_file[] = "";
static char base[] = "ou=people,dc=example,dc=com";
static char filter[] = "(|(uid=%u)(mail=%u)(description=%u))";
static char none[] = "";
static char group_attribute[] = "departmentNumber";
static char mail[] = "mail";
static char description[] = "description";
static char *sender_attributes[] = { mail, description };

/* A trial of the slapd above; what is to be different is set before open_trial. */
static inline void begin(struct trial *trial)
{
	*trial = (struct trial){ .uris = { slapd.uri } };
	trial->config = (struct config_ldap){
		.name = name,
		.uri = { .items = trial->uris, .count = 1 },
		.ca_file = slapd.ca_file,
		.timeout = TIMEOUT_MS,
		.connections = 2,
		.bind_dn = bind_dn,
		.bind_password_file = bind_password_file,
		.base = base,
		.filter = filter,
		.user_attribute = mail,
		.sender_attributes = { .items = sender_attributes, .count = 2 },
		.group_attribute = group_attribute,
		.id_attribute = none,
		.language_attribute = none,
		.valid_filter = none,
		.send_as_filter = none,
		.send_as_base = none,
		.group_filter = none,
		.group_base = none,
	};
}

static inline void open_trial(struct trial *trial, const char *bind_password)
{
	struct secret password SECRET_AUTO = { 0 };
	const struct directory_proof proof = { .bind_password = &password, .client = { -1, -1 } };
	identity_init(&trial->identity);
	assert_int_equal(secret_from_span(span_of(bind_password), &password), STATUS_OK);
	assert_int_equal(directory_create(loop, &trial->config, &proof, stats, 0, &trial->directory), STATUS_OK);
}

static inline void end(struct trial *trial)
{
	directory_free(&trial->directory);
	identity_free(&trial->identity);
}

static inline void on_answer(void *context, const struct ldap_request *answer)
{
	struct trial *trial = context;
	trial->ask = NULL;
	trial->answered = true;
	trial->verdict = answer->verdict;
	snprintf(trial->reason, sizeof(trial->reason), "%s", answer->reason);
	if (answer->verdict == VERDICT_GRANTED || answer->verdict == VERDICT_DISABLED)
		assert_int_equal(identity_copy(&answer->identity, &trial->identity), STATUS_OK);
}

static inline bool is_answered(void *context)
{
	return ((struct trial *)context)->answered;
}

static inline void put_question(struct trial *trial, const char *user, const char *password)
{
	struct secret secret SECRET_AUTO = { 0 };
	trial->answered = false;
	assert_int_equal(secret_from_span(span_of(password), &secret), STATUS_OK);
	assert_int_equal(directory_question(trial->directory, 0, user, NULL, password ? &secret : NULL, on_answer,
					    trial, &trial->ask),
			 STATUS_OK);
}

static inline enum verdict ask(struct trial *trial, const char *user, const char *password)
{
	put_question(trial, user, password);
	run_until(loop, is_answered, trial);
	return trial->verdict;
}

static inline bool lists(const struct buf *list, const char *item)
{
	struct codec_list rest = codec_list_of(list);
	struct span found;
	while (codec_list_next(&rest, &found))
		if (span_equal(found, span_of(item)))
			return true;
	return false;
}

static inline bool is_up(void *context)
{
	(void)context;
	return stats_sum(stats, 1, COUNTER_LDAP_UP, 0) == 1;
}

static inline int start_all(void **state)
{
	(void)state;
	slapd_create(&slapd);
	return loop_create(&loop) == STATUS_OK && stats_create_private(&stats) == STATUS_OK ? 0 : -1;
}

static inline int stop_all(void **state)
{
	(void)state;
	slapd_remove(&slapd);
	stats_free_private(&stats);
	loop_free(loop);
	return 0;
}

#endif

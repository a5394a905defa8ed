/* The relay's tables: grants by gate and session, what is remembered of users, message ids that never repeat. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "relay/grants.h"
#include "relay/message_id.h"
#include "relay/users.h"

static const struct config config = { .limits = { .connections = 100000 } };
static const struct quota_limits limits = { .messages_per_day = 7 };

static struct grant *add_grant(struct grants *grants, uint32_t gate, uint64_t session, const char *user)
{
	struct buf groups BUF_AUTO, senders BUF_AUTO;
	struct grant *grant = NULL;
	buf_init(&groups, 1024);
	buf_init(&senders, 1024);
	assert_int_equal(codec_list_add(&groups, SPAN("cn=staff")), STATUS_OK);
	assert_int_equal(codec_list_add(&senders, SPAN("a@b")), STATUS_OK);
	assert_int_equal(codec_list_add(&senders, SPAN("@c")), STATUS_OK);
	struct door_grant message = {
		.gate = gate,
		.session = session,
		.user = span_of(user),
		.user_id = SPAN("corp:7"),
		.groups = codec_list_of(&groups),
		.senders = codec_list_of(&senders),
		.client = { .address = SPAN("192.0.2.7"), .port = 4711, .helo = SPAN("pc") },
	};
	assert_int_equal(grants_add(grants, &message, &grant), STATUS_OK);
	return grant;
}

static void a_grant_is_found_by_gate_and_session_together(void **state)
{
	(void)state;
	struct grants *grants;
	assert_int_equal(grants_create(&config, &grants), STATUS_OK);
	struct grant *ann = add_grant(grants, 7, 1, "ann");
	struct grant *bob = add_grant(grants, 8, 1, "bob");
	assert_ptr_equal(grants_find(grants, 7, 1), ann);
	assert_ptr_equal(grants_find(grants, 8, 1), bob);
	assert_null(grants_find(grants, 9, 1));
	assert_null(grants_find(grants, 7, 2));
	assert_null(grants_find(grants, 1, 7));
	grants_free(&grants);
}

static void a_grant_keeps_copies_of_all_it_was_told(void **state)
{
	(void)state;
	struct grants *grants;
	assert_int_equal(grants_create(&config, &grants), STATUS_OK);
	const struct grant *grant = add_grant(grants, 7, 12, "ann");
	assert_string_equal(grant->name, "7-12");
	assert_true(span_equal(grant->user, SPAN("ann")));
	assert_true(span_equal(grant->user_id, SPAN("corp:7")));
	assert_int_equal(grant->groups.count, 1);
	assert_true(span_equal(grant->groups.items[0], SPAN("cn=staff")));
	assert_int_equal(grant->senders.count, 2);
	assert_true(span_equal(grant->senders.items[1], SPAN("@c")));
	assert_true(span_equal(grant->client.address, SPAN("192.0.2.7")));
	assert_true(span_equal(grant->client.helo, SPAN("pc")));
	assert_int_equal(grant->client.port, 4711);
	grants_free(&grants);
}

/* An idle client has one. */
static void a_grant_takes_little_more_than_its_texts(void **state)
{
	struct grants *grants = NULL;
	struct grant *grant = NULL;
	struct buf senders BUF_AUTO;
	(void)state;
	buf_init(&senders, 1024);
	assert_int_equal(grants_create(&config, &grants), STATUS_OK);
	assert_int_equal(codec_list_add(&senders, SPAN("anna.example@example.com")), STATUS_OK);
	struct door_grant message = {
		.gate = 1,
		.session = 2,
		.user = SPAN("anna.example@example.com"),
		.user_id = SPAN("corp:6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
		.login = SPAN("anna.example@example.com"),
		.auth_method = SPAN("app_password"),
		.sasl_mechanism = SPAN("PLAIN"),
		.app_password_id = SPAN("q3k7x2"),
		.senders = codec_list_of(&senders),
		.client = { .address = SPAN("192.0.2.7"),
			    .port = 4711,
			    .listener = SPAN("submissions"),
			    .tls_version = SPAN("TLSv1.3"),
			    .tls_cipher = SPAN("TLS_AES_128_GCM_SHA256"),
			    .helo = SPAN("[192.168.178.21]") },
	};
	assert_int_equal(grants_add(grants, &message, &grant), STATUS_OK);
	size_t texts = 4 * strlen("anna.example@example.com") + message.user_id.size + message.auth_method.size +
		       message.sasl_mechanism.size + message.app_password_id.size + message.client.address.size +
		       message.client.listener.size + message.client.tls_version.size + message.client.tls_cipher.size +
		       message.client.helo.size;
	assert_in_range(grant->arena.used, texts + sizeof(struct span), texts + 80);
	grants_free(&grants);
}

static void a_gate_holds_no_more_grants_than_there_may_be_connections(void **state)
{
	(void)state;
	static const struct config narrow = { .limits = { .connections = 3 } };
	struct grants *grants;
	struct grant *grant = NULL;
	const struct door_grant fourth = { .gate = 7, .session = 4, .user = SPAN("ann"), .user_id = SPAN("corp:7") };
	assert_int_equal(grants_create(&narrow, &grants), STATUS_OK);
	for (uint64_t session = 1; session <= 3; session++)
		add_grant(grants, 7, session, "ann");
	assert_int_equal(grants_add(grants, &fourth, &grant), STATUS_TOO_LARGE);
	add_grant(grants, 8, 4, "bob"); /* another gate is not the poorer for it */
	grants_drop(grants, grants_find(grants, 7, 2));
	add_grant(grants, 7, 4, "ann");
	assert_null(grants_find(grants, 7, 2));
	for (uint64_t session = 3; session <= 4; session++)
		assert_non_null(grants_find(grants, 7, session));
	grants_free(&grants);
}

static void a_grant_without_a_user_is_none(void **state)
{
	(void)state;
	struct grants *grants;
	struct grant *grant = NULL;
	struct door_grant message = { .gate = 7, .session = 1 };
	assert_int_equal(grants_create(&config, &grants), STATUS_OK);
	assert_int_equal(grants_add(grants, &message, &grant), STATUS_INVALID);
	assert_null(grant);
	assert_null(grants_find(grants, 7, 1));
	grants_free(&grants);
}

static void a_later_grant_for_the_session_replaces_the_former(void **state)
{
	(void)state;
	struct grants *grants;
	assert_int_equal(grants_create(&config, &grants), STATUS_OK);
	add_grant(grants, 7, 1, "ann");
	struct grant *bob = add_grant(grants, 7, 1, "bob");
	assert_ptr_equal(grants_find(grants, 7, 1), bob);
	grants_drop(grants, bob);
	assert_null(grants_find(grants, 7, 1));
	grants_free(&grants);
}

static void a_grant_that_is_held_outlives_its_session(void **state)
{
	(void)state;
	struct grants *grants;
	assert_int_equal(grants_create(&config, &grants), STATUS_OK);
	struct grant *held = grant_hold(add_grant(grants, 7, 1, "ann"));
	grants_drop(grants, held);
	assert_null(grants_find(grants, 7, 1));
	assert_true(span_equal(held->user, SPAN("ann")));
	grant_release(&held);
	assert_null(held);
	grants_free(&grants);
}

static void count_dropped(void *context, struct grant *grant)
{
	assert_int_equal(grant->gate, 7);
	(*(unsigned *)context)++;
}

static void a_gate_that_goes_takes_its_grants_and_no_others(void **state)
{
	(void)state;
	struct grants *grants;
	unsigned dropped = 0;
	assert_int_equal(grants_create(&config, &grants), STATUS_OK);
	for (uint64_t session = 1; session <= 300; session++) {
		add_grant(grants, 7, session, "ann");
		add_grant(grants, 8, session, "bob");
	}
	grants_drop_gate(grants, 7, count_dropped, &dropped);
	assert_int_equal(dropped, 300);
	for (uint64_t session = 1; session <= 300; session++) {
		assert_null(grants_find(grants, 7, session));
		assert_non_null(grants_find(grants, 8, session));
	}
	grants_free(&grants);
}

/* ---- users */

static void a_user_is_remembered_with_his_last_limits(void **state)
{
	(void)state;
	struct users *users;
	const struct quota_limits later = { .messages_per_day = 9 };
	assert_int_equal(users_create(&users), STATUS_OK);
	assert_null(users_find(users, SPAN("ann@x")));
	struct user *ann = users_enter(users, SPAN("ann@x"), &limits);
	assert_ptr_equal(users_find(users, SPAN("Ann@X")), ann);
	assert_ptr_equal(users_enter(users, SPAN("ann@x"), &later), ann);
	assert_int_equal(ann->limits.messages_per_day, 9);
	users_free(&users);
}

static void the_oldest_users_are_forgotten_but_not_those_who_are_sending(void **state)
{
	(void)state;
	struct users *users;
	char name[32];
	assert_int_equal(users_create(&users), STATUS_OK);
	users_enter(users, SPAN("sending"), &limits)->transactions = 1;
	users_enter(users, SPAN("idle"), &limits);
	for (unsigned i = 0; i < USERS_MAXIMUM; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		assert_non_null(users_enter(users, span_of(name), &limits));
	}
	assert_non_null(users_find(users, SPAN("sending")));
	assert_null(users_find(users, SPAN("idle")));
	assert_null(users_find(users, SPAN("user0")));
	assert_non_null(users_find(users, SPAN("user99999")));
	users_free(&users);
}

/* ---- message ids */

static void ids_sort_by_time_and_never_repeat(void **state)
{
	(void)state;
	struct message_ids ids;
	char former[MESSAGE_ID_SIZE] = "", id[MESSAGE_ID_SIZE];
	assert_int_equal(message_ids_init(&ids, 5), STATUS_OK);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t now = 1795392000000 + i / 50000; /* more in a millisecond than the counter holds */
		message_ids_next(&ids, now, id);
		assert_int_equal(strlen(id), 20);
		assert_true(strcmp(former, id) < 0);
		memcpy(former, id, sizeof(id));
	}
}

static void a_clock_set_back_does_not_bring_old_ids_back(void **state)
{
	(void)state;
	struct message_ids ids;
	char first[MESSAGE_ID_SIZE], second[MESSAGE_ID_SIZE];
	assert_int_equal(message_ids_init(&ids, 5), STATUS_OK);
	message_ids_next(&ids, 1795392000000, first);
	message_ids_next(&ids, 1700000000000, second);
	assert_true(strcmp(first, second) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grant_is_found_by_gate_and_session_together),
		cmocka_unit_test(a_grant_keeps_copies_of_all_it_was_told),
		cmocka_unit_test(a_grant_takes_little_more_than_its_texts),
		cmocka_unit_test(a_gate_holds_no_more_grants_than_there_may_be_connections),
		cmocka_unit_test(a_grant_without_a_user_is_none),
		cmocka_unit_test(a_later_grant_for_the_session_replaces_the_former),
		cmocka_unit_test(a_grant_that_is_held_outlives_its_session),
		cmocka_unit_test(a_gate_that_goes_takes_its_grants_and_no_others),
		cmocka_unit_test(a_user_is_remembered_with_his_last_limits),
		cmocka_unit_test(the_oldest_users_are_forgotten_but_not_those_who_are_sending),
		cmocka_unit_test(ids_sort_by_time_and_never_repeat),
		cmocka_unit_test(a_clock_set_back_does_not_bring_old_ids_back),
	};
	return cmocka_run_group_tests_name("relay grants", tests, NULL, NULL);
}

/* The console's API as a console that belongs to anybody sees it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/api.h"

#define AT_ONCE 100 /* requests of one address */
#define OF_ALL 400
#define WAITING 16 /* logins of one network */

static unsigned last_code;
static char last_address[64];
static enum status auth_status = STATUS_UNAVAILABLE; /* what auth says to a login */

static enum status note_code(void *context, const struct door_console_answered *answered)
{
	(void)context;
	last_code = answered->code;
	return STATUS_OK;
}

static enum status note_login(void *context, const struct door_sasl_start *message)
{
	(void)context;
	snprintf(last_address, sizeof(last_address), "%.*s", SPAN_ARGS(message->client.address));
	return auth_status;
}

static uint64_t last_check; /* what auth was asked last, whether a right holds; 0: nothing */
static unsigned runs;       /* of commands */

static enum status note_check(void *context, const struct door_person_asked *message)
{
	(void)context;
	last_check = message->request;
	return STATUS_OK;
}

static enum status note_run(void *context, const struct admin_request *request)
{
	(void)context;
	(void)request;
	runs++;
	return STATUS_OK;
}

static const struct api_handler handler = {
	.answer = note_code, .login = note_login, .check = note_check, .ask = note_run
};

static unsigned ask_session(struct api *api, const char *address)
{
	const struct door_console_asked asked = { .address = span_of(address),
						  .method = SPAN("GET"),
						  .path = SPAN("/api/v1/session") };
	last_code = 0;
	api_take(api, &asked);
	return last_code;
}

static unsigned log_in(struct api *api, const char *address, struct span body)
{
	const struct door_console_asked asked = {
		.address = span_of(address), .method = SPAN("POST"), .path = SPAN("/api/v1/login"), .body = body
	};
	snprintf(last_address, sizeof(last_address), "nobody was asked");
	api_take(api, &asked);
	return last_code;
}

struct trial {
	struct loop *loop;
	struct api *api;
};

/* All in one turn of the loop, for which its clock stands. */
static void run_strangers(void *context)
{
	const struct trial *trial = context;
	struct api *api = trial->api;
	char address[32];
	for (unsigned i = 0; i < OF_ALL; i++)
		assert_int_equal(ask_session(api, "192.0.2.1"), i < AT_ONCE ? 401 : 429);
	assert_int_equal(ask_session(api, "192.0.2.2"), 401);
	for (unsigned i = 0; i < AT_ONCE; i++)
		assert_int_equal(ask_session(api, i % 2 ? "2001:db8::1" : "2001:db8::2"), 401);
	assert_int_equal(ask_session(api, "2001:db8::3"), 429); /* one customer's */
	/* A console that tells one address after the other: all of them together have a limit, too. */
	for (unsigned i = 0; i < OF_ALL; i++) {
		snprintf(address, sizeof(address), "10.%u.%u.1", i / 256, i % 256);
		ask_session(api, address);
	}
	assert_int_equal(last_code, 429);
	loop_stop(trial->loop);
}

static void run_forgeries(void *context)
{
	static char large[65536 + 1];
	static const struct {
		const char *told, *taken;
	} addresses[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "2001:db8::1", "2001:db8::1" },
		{ "", "" },
		{ "192.0.2.1 by root", "" },
		{ "\n", "" },
		{ "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", "" },
	};
	const struct trial *trial = context;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct span body = SPAN("{\"user\": \"a\", \"password\": \"b\"}");
		assert_int_equal(log_in(trial->api, addresses[i].told, body), 503);
		assert_string_equal(last_address, addresses[i].taken);
	}
	assert_int_equal(log_in(trial->api, "", (struct span){ large, sizeof(large) }), 413);
	loop_stop(trial->loop);
}

/* Logins that auth has not judged yet. */
static void run_waiting_logins(void *context)
{
	const struct trial *trial = context;
	struct span body = SPAN("{\"user\": \"a\", \"password\": \"b\"}");
	char address[32];
	auth_status = STATUS_OK;
	for (unsigned i = 0; i < 2 * WAITING; i++) {
		snprintf(address, sizeof(address), "2001:db8::%x", i);
		last_code = 0;
		assert_int_equal(log_in(trial->api, address, body), i < WAITING ? 0 : 503);
	}
	last_code = 0;
	assert_int_equal(log_in(trial->api, "2001:db8:0:1::1", body), 0);
	auth_status = STATUS_UNAVAILABLE;
	last_code = 1;
	loop_stop(trial->loop);
}

/* What comes of a trial, with this verdict of auth's; 0: none yet. */
static unsigned try_command(struct api *api, const struct door_console_asked *asked, enum recheck_verdict verdict)
{
	last_code = 0;
	last_check = 0;
	api_take(api, asked);
	if (last_check == 0)
		return last_code;
	assert_int_equal(last_code, 0);
	const struct door_person_checked checked = { .request = last_check, .verdict = (uint8_t)verdict };
	api_take_checked(api, &checked);
	return last_code;
}

static void run_trials(void *context)
{
	const struct trial *trial = context;
	struct secret auditor SECRET_AUTO = { 0 };
	struct secret user SECRET_AUTO = { 0 };
	struct person person = { .user = "cleo", .user_id = "1", .role = ACCESS_AUDITOR };
	assert_int_equal(people_begin(api_people(trial->api), &person, loop_now_ms(trial->loop), &auditor), STATUS_OK);
	person = (struct person){ .user = "dan", .user_id = "2", .role = ACCESS_USER };
	assert_int_equal(people_begin(api_people(trial->api), &person, loop_now_ms(trial->loop), &user), STATUS_OK);
	struct door_console_asked asked = {
		.method = SPAN("GET"), .path = SPAN("/api/v1/status"), .token = secret_reveal(&user), .is_trial = 1
	};
	assert_int_equal(try_command(trial->api, &asked, RECHECK_HOLDS), 404);
	asked.token = secret_reveal(&auditor);
	assert_int_equal(try_command(trial->api, &asked, RECHECK_HOLDS), 200);
	assert_int_equal(try_command(trial->api, &asked, RECHECK_UNKNOWN), 503);
	assert_int_equal(runs, 0);
	asked.is_trial = 0;
	assert_int_equal(try_command(trial->api, &asked, RECHECK_HOLDS), 0); /* its role answers later */
	assert_int_equal(runs, 1);
	asked.is_trial = 1;
	/* Nobody did anything for it: the session is not used. */
	struct person *kept = people_look_up(api_people(trial->api), asked.token, loop_now_ms(trial->loop));
	kept->is_dirty = false;
	asked.is_unattended = 1;
	assert_int_equal(try_command(trial->api, &asked, RECHECK_HOLDS), 200);
	assert_false(kept->is_dirty);
	asked.is_unattended = 0;
	assert_int_equal(try_command(trial->api, &asked, RECHECK_HOLDS), 200);
	assert_true(kept->is_dirty);
	assert_int_equal(try_command(trial->api, &asked, RECHECK_ENDED), 401);
	assert_int_equal(try_command(trial->api, &asked, RECHECK_HOLDS), 401); /* the session is over */
	assert_int_equal(runs, 1);
	loop_stop(trial->loop);
}

static void run_in_a_turn(void (*run)(void *trial))
{
	static char password[] = "password";
	char *ways[] = { password };
	struct config config = {
		.console = { .session_limit = 1000, .idle_limit = 1000, .login = { ways, 1 } },
	};
	struct trial trial = { 0 };
	struct timer *timer = NULL;
	assert_int_equal(loop_create(&trial.loop), STATUS_OK);
	assert_int_equal(api_create(trial.loop, &config, NULL, &handler, NULL, &trial.api), STATUS_OK);
	assert_int_equal(timer_make(trial.loop, run, &trial, &timer), STATUS_OK);
	timer_set(timer, 0);
	loop_run(trial.loop);
	assert_int_not_equal(last_code, 0);
	timer_free(&timer);
	api_free(&trial.api);
	loop_free(trial.loop);
}

static void one_address_leaves_room_for_others_to_log_in(void **state)
{
	(void)state;
	run_in_a_turn(run_strangers);
}

static void one_network_leaves_room_for_others_whose_logins_wait(void **state)
{
	(void)state;
	run_in_a_turn(run_waiting_logins);
}

static void a_console_tells_addresses_and_small_bodies_alone(void **state)
{
	(void)state;
	run_in_a_turn(run_forgeries);
}

static void a_trial_is_judged_as_the_command_itself_and_runs_nothing(void **state)
{
	(void)state;
	run_in_a_turn(run_trials);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_address_leaves_room_for_others_to_log_in),
		cmocka_unit_test(one_network_leaves_room_for_others_whose_logins_wait),
		cmocka_unit_test(a_console_tells_addresses_and_small_bodies_alone),
		cmocka_unit_test(a_trial_is_judged_as_the_command_itself_and_runs_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

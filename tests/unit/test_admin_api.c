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

static const struct api_handler handler = { .answer = note_code, .login = note_login };

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_address_leaves_room_for_others_to_log_in),
		cmocka_unit_test(one_network_leaves_room_for_others_whose_logins_wait),
		cmocka_unit_test(a_console_tells_addresses_and_small_bodies_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

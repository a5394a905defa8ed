/*
 * One sweep over the auth role's memory: each allocation of a login on the
 * loop's thread fails once. What fails is told the client as a temporary
 * refusal, never as a wrong password; no gate is blamed for it, nobody is let in
 * whom the relay was not told of, and the next login is granted.
 */
#include "auth_memory_world.h"

#ifdef SUBGATE_SANITIZED

int main(void)
{
	return 0;
}

#else

#include "with_scram.h"

/* ---- a login */

static void start(const char *mechanism, const char *initial)
{
	const struct door_sasl_start message = { .request = ++world.last,
						 .session = world.last,
						 .mechanism = span_of(mechanism),
						 .has_initial = initial != NULL,
						 .initial = span_of(initial),
						 .client = { .address = SPAN("192.0.2.1"),
							     .port = 4711,
							     .listener = SPAN("submissions"),
							     .helo = SPAN("client.example") } };
	renew_doors();
	world.has_challenge = world.has_done = world.granted = false;
	world.reply[0] = '\0';
	assert_int_equal(door_send_sasl_start(world.gate, &message), STATUS_OK);
}

static bool answer_challenge(const char *response)
{
	if (!wait_for(&world.has_challenge) || world.has_done)
		return false;
	const struct door_sasl_step message = { .request = world.last, .response = span_of(response) };
	world.has_challenge = false;
	assert_int_equal(door_send_sasl_step(world.gate, &message), STATUS_OK);
	return true;
}

/* True: granted. */
static bool finish(void)
{
	bool done = wait_for(&world.has_done);
	if (done && !world.granted && world.reply[0] != '4')
		fail_msg("a login with the right password heard: %s", world.reply);
	assert_true(!world.granted || world.granted_session == world.last);
	for (unsigned i = 0; i < 3; i++)
		turn();
	return done && world.granted;
}

static bool log_in_plain(void)
{
	start("PLAIN", world.plain64);
	return finish();
}

static bool log_in_by_steps(void)
{
	start("LOGIN", NULL);
	if (answer_challenge(world.user64))
		(void)answer_challenge(world.password64); /* else it is over, and finish() hears how */
	return finish();
}

/* ---- by proof */

#define BARE "n=anna@example.com,r=abc"

/* Cut from the answer to the first message: the salt of 16 bytes. */
static void read_salt(const char *server_first, unsigned char out_salt[SCRAM_SALT_SIZE])
{
	struct buf salt BUF_AUTO;
	buf_init(&salt, TEXT);
	const char *at = strstr(server_first, ",s=");
	assert_non_null(at);
	assert_int_equal(base64_decode((struct span){ at + 3, 24 }, &salt), STATUS_OK);
	memcpy(out_salt, buf_span(&salt).data, SCRAM_SALT_SIZE);
}

static void write_proof(char out_text[])
{
	static unsigned char salted[HASH_SHA256_SIZE]; /* the salt stays the same, and salting takes its time */
	static char of_password[TEXT];
	unsigned char salt[SCRAM_SALT_SIZE];
	char final[2048];
	struct buf first BUF_AUTO;
	buf_init(&first, TEXT + 1);
	assert_int_equal(base64_decode(span_of(world.challenge), &first), STATUS_OK);
	assert_int_equal(buf_append_byte(&first, '\0'), STATUS_OK);
	const char *server_first = buf_span(&first).data;
	if (strcmp(of_password, world.password) != 0) {
		read_salt(server_first, salt);
		scram_salt_password(world.password, salt, salted);
		snprintf(of_password, sizeof(of_password), "%s", world.password);
	}
	scram_write_proof("n,,", "", BARE, server_first, salted, final, sizeof(final));
	encode(final, strlen(final), out_text);
}

static bool log_in_by_proof(void)
{
	char first[TEXT], proof[TEXT];
	encode("n,," BARE, strlen("n,," BARE), first);
	start("SCRAM-SHA-256", first);
	if (wait_for(&world.has_challenge) && !world.has_done) {
		write_proof(proof);
		if (answer_challenge(proof))
			(void)answer_challenge(""); /* to the server's own proof */
	}
	return finish();
}

/* ---- the sweep */

/* Blocks that are more than before. */
static long sweep(bool (*log_in)(void))
{
	unsigned long n, refused = 0;
	assert_true(log_in());
	long before = memory_living;
	for (n = 1; n < FAILURES_MAXIMUM; n++) {
		memory_left = n;
		bool granted = log_in();
		bool has_failed = memory_left == 0;
		memory_left = 0;
		if (!has_failed) {
			assert_true(granted);
			break;
		}
		refused += !granted;
		if (!granted && !log_in())
			fail_msg("nobody is let in after failure %lu: %s", n, world.reply);
	}
	print_message("%lu allocations, %lu of them refused the login, %u broke a door; %ld blocks before, %ld after\n",
		      n - 1, refused, world.doors_lost, before, (long)memory_living);
	assert_in_range(n, 5, FAILURES_MAXIMUM - 1);
	assert_int_equal(world.blamed, 0);
	assert_int_equal(world.doors_lost, 0); /* others log in through it too */
	return memory_living - before;
}

/* What OpenSSL keeps for its errors is there after the first ones; from then on nothing is left behind. */
static void each_allocation_of_plain_fails_once_and_leaves_nothing(void **state)
{
	(void)state;
	(void)sweep(log_in_plain);
	(void)sweep(log_in_plain);
	assert_int_equal(sweep(log_in_plain), 0);
}

static void each_allocation_of_login_fails_once(void **state)
{
	(void)state;
	(void)sweep(log_in_by_steps);
}

static void each_allocation_of_a_proof_fails_once(void **state)
{
	(void)state;
	(void)sweep(log_in_by_proof);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_allocation_of_plain_fails_once_and_leaves_nothing, begin, end),
		cmocka_unit_test_setup_teardown(each_allocation_of_login_fails_once, begin, end),
		cmocka_unit_test_setup_teardown(each_allocation_of_a_proof_fails_once, begin, end),
	};
	return cmocka_run_group_tests_name("auth memory", tests, NULL, NULL);
}

#endif

/* TLS objects that nobody uses are packed: what is then asked of them, and what they hold of memory. */
#include "failing_memory.h"
#include "with_tls_attacker.h"

#include <sys/mman.h>

#include "net/stream_state.h"
#include "net/tls_object.h"
#include "net/tls_places.h"

#define REST 3     /* beats after which an object has been unused for two */
#define MANY 17000 /* more than there are rooms for */

static void beat_for(unsigned beats)
{
	for (unsigned i = 0; i < beats; i++)
		tls_object_beat();
}

static bool holds_pages(const SSL *ssl)
{
	unsigned char pages[2];
	assert_int_equal((uintptr_t)ssl % (size_t)sysconf(_SC_PAGESIZE), 0); /* a room, and not the heap */
	assert_int_equal(mincore((void *)(uintptr_t)ssl, 2 * (size_t)sysconf(_SC_PAGESIZE), pages), 0);
	return (pages[0] | pages[1]) & 1;
}

/* A victim that has shaken hands, and was not used since. */
static void begin_at_rest(struct attack_fixture *f, int version)
{
	begin_attack(f, false, version);
	shake_hands(f);
	run_for(f->loop, 2);
	beat_for(REST);
	assert_false(holds_pages(f->victim->channel.ssl));
}

static void send_text(struct attack_fixture *f, const char *text)
{
	f->received = 0;
	assert_int_equal(SSL_write(f->attacker, text, (int)strlen(text)), strlen(text));
	send_and_run(f);
	assert_int_equal(f->received, strlen(text));
}

static void hear_text(struct attack_fixture *f, const char *text)
{
	char heard[64];
	assert_int_equal(stream_write(f->victim, span_of(text)), STATUS_OK);
	run_for(f->loop, 2);
	take_answers(f);
	assert_int_equal(SSL_read(f->attacker, heard, sizeof(heard)), strlen(text));
	assert_memory_equal(heard, text, strlen(text));
}

/* ---- what is done to one at rest */

static void it_reads(struct attack_fixture *f)
{
	send_text(f, "NOOP\r\n");
}

static void it_writes(struct attack_fixture *f)
{
	hear_text(f, "421 4.4.2 idle for too long\r\n");
}

static void it_takes_new_keys(struct attack_fixture *f)
{
	if (SSL_version(f->attacker) != TLS1_3_VERSION)
		return;
	assert_int_equal(SSL_key_update(f->attacker, SSL_KEY_UPDATE_REQUESTED), 1);
	send_text(f, "NOOP\r\n");
	beat_for(REST);
	assert_false(holds_pages(f->victim->channel.ssl));
}

static void it_tells_its_version(struct attack_fixture *f)
{
	assert_string_equal(stream_tls_version(f->victim), SSL_get_version(f->attacker));
}

static void it_tells_its_cipher(struct attack_fixture *f)
{
	assert_string_equal(stream_tls_cipher(f->victim), SSL_get_cipher_name(f->attacker));
}

static void it_tells_no_subject(struct attack_fixture *f)
{
	assert_null(stream_tls_client_subject(f->victim));
}

static void it_is_bound(struct attack_fixture *f)
{
	struct stream_bindings bindings;
	stream_find_bindings(f->victim, &bindings);
	assert_int_equal(bindings.exporter_size > 0, SSL_version(f->attacker) == TLS1_3_VERSION);
	assert_true(bindings.end_point_size > 0);
}

static void it_is_asked_for_a_ticket(struct attack_fixture *f)
{
	stream_send_ticket(f->victim);
}

static void it_expects_no_secrets(struct attack_fixture *f)
{
	stream_expect_no_secrets(f->victim);
}

static void it_is_fetched_from(struct attack_fixture *f)
{
	assert_false(stream_fetch(f->victim));
}

static void the_client_says_goodbye(struct attack_fixture *f)
{
	assert_int_equal(SSL_shutdown(f->attacker), 0);
	send_and_run(f);
	assert_int_equal(f->told[STREAM_ENDED], 1);
}

static void the_client_sends_rubbish(struct attack_fixture *f)
{
	assert_int_equal(send(f->fd, "no record at all", 16, MSG_NOSIGNAL), 16);
	run_until(f->loop, is_taken, f);
	assert_int_equal(f->told[STREAM_FAILED], 1);
}

static void nothing_happens(struct attack_fixture *f)
{
	(void)f;
}

static const struct {
	const char *what;
	void (*happens)(struct attack_fixture *f);
	bool goes_on; /* and then both sides still talk */
} uses[] = {
	{ "it is freed", nothing_happens, false },
	{ "it reads", it_reads, true },
	{ "it writes", it_writes, true },
	{ "it takes new keys", it_takes_new_keys, true },
	{ "it tells its version", it_tells_its_version, true },
	{ "it tells its cipher", it_tells_its_cipher, true },
	{ "it tells no subject", it_tells_no_subject, true },
	{ "it is bound", it_is_bound, true },
	{ "it is asked for a ticket", it_is_asked_for_a_ticket, true },
	{ "it expects no secrets", it_expects_no_secrets, true },
	{ "it is fetched from", it_is_fetched_from, true },
	{ "the client says goodbye", the_client_says_goodbye, false },
	{ "the client sends rubbish", the_client_sends_rubbish, false },
};

static void one_at_rest_is_as_it_was_when_it_is_used(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(uses) / sizeof(*uses); i++) {
		struct attack_fixture f;
		print_message("%s\n", uses[i / 2].what);
		begin_at_rest(&f, versions[i % 2]);
		uses[i / 2].happens(&f);
		for (int again = 0; again < 2 && uses[i / 2].goes_on; again++) {
			send_text(&f, "EHLO client.example\r\n");
			hear_text(&f, "250 mail.example.com\r\n");
			beat_for(REST);
		}
		end_attack(&f);
	}
}

/* ---- when it rests */

static void one_in_use_is_left_alone(void **state)
{
	struct attack_fixture f;
	(void)state;
	begin_attack(&f, false, TLS1_3_VERSION);
	shake_hands(&f);
	for (int i = 0; i < 10; i++) {
		tls_object_use(f.victim->channel.ssl);
		beat_for(1);
		assert_true(holds_pages(f.victim->channel.ssl));
	}
	beat_for(REST);
	assert_false(holds_pages(f.victim->channel.ssl));
	end_attack(&f);
}

static void a_client_that_says_nothing_rests_too(void **state)
{
	struct attack_fixture f;
	(void)state;
	begin_attack(&f, false, TLS1_3_VERSION);
	run_for(f.loop, 2);
	beat_for(REST);
	assert_false(holds_pages(f.victim->channel.ssl));
	shake_hands(&f);
	send_text(&f, "EHLO client.example\r\n");
	end_attack(&f);
}

static void one_halfway_through_its_handshake_rests_too(void **state)
{
	struct attack_fixture f;
	(void)state;
	begin_attack(&f, false, TLS1_3_VERSION);
	SSL_do_handshake(f.attacker);
	char *hello = NULL;
	long size = BIO_get_mem_data(SSL_get_wbio(f.attacker), &hello);
	assert_int_equal(send(f.fd, hello, 100, MSG_NOSIGNAL), 100);
	run_until(f.loop, is_taken, &f);
	beat_for(REST);
	assert_false(holds_pages(f.victim->channel.ssl));
	assert_int_equal(send(f.fd, hello + 100, (size_t)size - 100, MSG_NOSIGNAL), size - 100);
	assert_int_equal(BIO_reset(SSL_get_wbio(f.attacker)), 1);
	run_until(f.loop, is_taken, &f);
	beat_for(REST);
	shake_hands(&f);
	send_text(&f, "EHLO client.example\r\n");
	end_attack(&f);
}

/* ---- memory */

static void each_of_many_is_whole(void **state)
{
	static SSL *objects[MANY];
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		objects[i] = tls_object_make(context);
		assert_non_null(objects[i]);
		SSL_set_app_data(tls_object_use(objects[i]), objects[i]);
		if (i % 400 == 0)
			tls_object_beat();
	}
	beat_for(REST + MANY / 500);
	assert_false(holds_pages(objects[0]));
	assert_false(holds_pages(objects[10000]));
	for (size_t i = 0; i < MANY; i += 2) {
		SSL_free(tls_object_use(objects[i]));
		objects[i] = tls_object_make(context);
		SSL_set_app_data(tls_object_use(objects[i]), objects[i]);
	}
	for (size_t i = 0; i < MANY; i++) {
		assert_ptr_equal(SSL_get_app_data(tls_object_use(objects[i])), objects[i]);
		SSL_free(objects[i]);
	}
	SSL_CTX_free(context);
}

#ifndef SUBGATE_SANITIZED

static void one_at_rest_holds_a_fraction(void **state)
{
	struct attack_fixture f;
	(void)state;
	begin_attack(&f, false, TLS1_3_VERSION);
	shake_hands(&f);
	run_for(f.loop, 2);
	long before = memory_living;
	beat_for(REST);
	assert_int_equal(memory_living, before + 1);
	tls_object_use(f.victim->channel.ssl);
	assert_int_equal(memory_living, before);
	end_attack(&f);
}

static void without_memory_it_stays_as_it_is(void **state)
{
	struct attack_fixture f;
	(void)state;
	begin_attack(&f, false, TLS1_3_VERSION);
	shake_hands(&f);
	run_for(f.loop, 2);
	memory_counts = memory_is_out = true;
	beat_for(REST);
	memory_counts = memory_is_out = false;
	assert_true(holds_pages(f.victim->channel.ssl));
	send_text(&f, "EHLO client.example\r\n");
	beat_for(REST);
	assert_false(holds_pages(f.victim->channel.ssl));
	end_attack(&f);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_at_rest_is_as_it_was_when_it_is_used),
		cmocka_unit_test(one_in_use_is_left_alone),
		cmocka_unit_test(a_client_that_says_nothing_rests_too),
		cmocka_unit_test(one_halfway_through_its_handshake_rests_too),
		cmocka_unit_test(each_of_many_is_whole),
#ifndef SUBGATE_SANITIZED
		cmocka_unit_test(one_at_rest_holds_a_fraction),
		cmocka_unit_test(without_memory_it_stays_as_it_is),
#endif
	};
	tls_use_places();
	return cmocka_run_group_tests_name("net: TLS objects at rest", tests, NULL, NULL);
}

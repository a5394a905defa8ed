/* TLS on streams: handshakes between two streams, STARTTLS, and bytes in records. */
#include "with_tls_streams.h"

static void assert_client_refuses(struct tls_fixture *f, const char *reason)
{
	assert_int_equal(f->client.told[STREAM_SECURED], 0);
	assert_int_equal(f->client.told[STREAM_FAILED], 1);
	assert_string_equal(stream_error(f->client.stream), reason);
}

/* ---- handshakes */

static void two_streams_agree_on_tls13(void **state)
{
	struct tls_fixture f;
	(void)state;
	begin_streams(&f);
	assert_false(stream_is_secure(f.server.stream));
	assert_string_equal(stream_tls_version(f.server.stream), "");
	shake_hands(&f, "mail.example.com");
	assert_secured(&f);
	assert_true(stream_is_secure(f.server.stream));
	assert_string_equal(stream_tls_version(f.server.stream), "TLSv1.3");
	assert_string_equal(stream_tls_version(f.client.stream), "TLSv1.3");
	assert_string_equal(stream_tls_cipher(f.server.stream), stream_tls_cipher(f.client.stream));
	end_streams(&f);
}

static void an_address_is_verified_as_one(void **state)
{
	static const char *const names[] = { "192.0.2.1", "2001:db8::1" };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct tls_fixture f;
		begin_streams(&f);
		shake_hands(&f, names[i]);
		assert_secured(&f);
		end_streams(&f);
	}
}

static void another_name_or_address_is_refused(void **state)
{
	static const struct {
		const char *name;
		const char *reason;
	} cases[] = {
		{ "other.example.com", "certificate verify failed: hostname mismatch" },
		{ "ail.example.com", "certificate verify failed: hostname mismatch" },
		{ "192.0.2.2", "certificate verify failed: IP address mismatch" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct tls_fixture f;
		begin_streams(&f);
		shake_hands(&f, cases[i].name);
		assert_client_refuses(&f, cases[i].reason);
		end_streams(&f);
	}
}

static void a_certificate_of_another_authority_is_refused(void **state)
{
	struct tls_fixture f;
	struct certificate other;
	(void)state;
	begin_streams(&f);
	certificate_make(&other, "DNS:mail.example.com");
	tls_context_free(&f.client.context);
	f.client.context = make_client(other.certificate, true);
	shake_hands(&f, "mail.example.com");
	assert_client_refuses(&f, "certificate verify failed: self-signed certificate");
	assert_int_equal(f.server.told[STREAM_FAILED], 1);
	assert_string_equal(stream_error(f.server.stream), "TLS: tlsv1 alert unknown ca");
	certificate_free(&other);
	end_streams(&f);
}

static void without_verification_any_certificate_passes(void **state)
{
	struct tls_fixture f;
	(void)state;
	begin_streams(&f);
	tls_context_free(&f.client.context);
	f.client.context = make_client((struct span){ NULL, 0 }, false);
	shake_hands(&f, "whatever.example.org");
	assert_secured(&f);
	end_streams(&f);
}

static void verification_without_a_name_is_not_begun(void **state)
{
	struct tls_fixture f;
	(void)state;
	begin_streams(&f);
	assert_int_equal(stream_secure_client(f.client.stream, f.client.context, SPAN("")), STATUS_INVALID);
	end_streams(&f);
}

static void text_instead_of_a_handshake_fails_with_a_reason(void **state)
{
	struct tls_fixture f;
	(void)state;
	begin_streams(&f);
	assert_int_equal(stream_secure_server(f.server.stream, f.server.context), STATUS_OK);
	assert_int_equal(stream_write(f.client.stream, SPAN("EHLO client.example.com\r\n")), STATUS_OK);
	run_until(f.loop, is_settled, &f.server);
	assert_int_equal(f.server.told[STREAM_FAILED], 1);
	assert_string_equal(stream_error(f.server.stream), "TLS: wrong version number");
	end_streams(&f);
}

static void a_peer_that_leaves_in_the_handshake_is_a_failure(void **state)
{
	struct tls_fixture f;
	(void)state;
	begin_streams(&f);
	assert_int_equal(stream_secure_server(f.server.stream, f.server.context), STATUS_OK);
	stream_free(&f.client.stream);
	run_until(f.loop, is_settled, &f.server);
	assert_int_equal(f.server.told[STREAM_FAILED], 1);
	assert_int_equal(f.server.told[STREAM_ENDED], 0);
	assert_string_equal(stream_error(f.server.stream), "connection closed during the TLS handshake");
	end_streams(&f);
}

/* ---- STARTTLS */

static void what_was_written_before_goes_in_clear_and_the_rest_in_tls(void **state)
{
	struct tls_fixture f;
	(void)state;
	begin_streams(&f);
	f.client.keeps = true;
	assert_int_equal(stream_write(f.server.stream, SPAN("220 go ahead\r\n")), STATUS_OK);
	assert_int_equal(stream_secure_server(f.server.stream, f.server.context), STATUS_OK);
	assert_int_equal(stream_write(f.server.stream, SPAN("secret")), STATUS_OK);
	run_for(f.loop, 10);
	assert_true(span_equal(buf_span(stream_input(f.client.stream)), SPAN("220 go ahead\r\n")));
	buf_clear(stream_input(f.client.stream));
	assert_int_equal(stream_secure_client(f.client.stream, f.client.context, SPAN("mail.example.com")), STATUS_OK);
	run_until(f.loop, are_settled, &f);
	assert_secured(&f);
	run_for(f.loop, 10);
	assert_true(span_equal(buf_span(stream_input(f.client.stream)), SPAN("secret")));
	end_streams(&f);
}

static void bytes_in_front_of_the_handshake_are_refused(void **state)
{
	struct tls_fixture f;
	(void)state;
	begin_streams(&f);
	f.server.keeps = true;
	assert_int_equal(stream_write(f.client.stream, SPAN("MAIL FROM:<a@b>\r\n")), STATUS_OK);
	run_for(f.loop, 10);
	assert_int_equal(stream_secure_server(f.server.stream, f.server.context), STATUS_INVALID);
	end_streams(&f);
}

static void tls_begins_only_once(void **state)
{
	struct tls_fixture f;
	(void)state;
	begin_streams(&f);
	shake_hands(&f, "mail.example.com");
	assert_int_equal(stream_secure_server(f.server.stream, f.server.context), STATUS_INVALID);
	end_streams(&f);
}

/* ---- bytes */

static bool server_has_bulk(void *context)
{
	return ((struct tls_fixture *)context)->server.received == BULK;
}

static void bulk_goes_through_a_small_input(void **state)
{
	struct tls_fixture f;
	char *bulk = calloc(1, BULK);
	(void)state;
	begin_streams(&f);
	shake_hands(&f, "mail.example.com");
	assert_int_equal(stream_write(f.client.stream, (struct span){ bulk, BULK }), STATUS_OK);
	run_until(f.loop, server_has_bulk, &f);
	assert_int_equal(f.client.told[STREAM_DRAINED], 1);
	free(bulk);
	end_streams(&f);
}

static bool has_sent(void *context)
{
	return stream_backlog(context) == 0;
}

static void a_large_piece_goes_in_records_of_its_own_at_once(void **state)
{
	struct tls_fixture f;
	char *piece = calloc(1, BULK);
	(void)state;
	begin_streams(&f);
	shake_hands(&f, "mail.example.com");
	assert_int_equal(stream_write(f.client.stream, (struct span){ piece, 40000 }), STATUS_OK);
	assert_int_equal(stream_backlog(f.client.stream), 40000 - 2 * 16384);
	run_until(f.loop, has_sent, f.client.stream);
	/* More than the socket takes: the record that went out in part is gone on with from the copy. */
	assert_int_equal(stream_write(f.client.stream, (struct span){ piece, BULK - 40000 }), STATUS_OK);
	assert_in_range(stream_backlog(f.client.stream), 1, BULK - 40000 - 1);
	free(piece);
	assert_int_equal(stream_write(f.server.stream, SPAN("meanwhile")), STATUS_OK);
	run_until(f.loop, server_has_bulk, &f);
	assert_int_equal(f.client.received, 9);
	end_streams(&f);
}

static void what_tls_holds_back_comes_when_there_is_room_again(void **state)
{
	struct tls_fixture f;
	char *bulk = calloc(1, BULK);
	size_t total = 0;
	(void)state;
	begin_streams(&f);
	shake_hands(&f, "mail.example.com");
	f.server.keeps = true;
	assert_int_equal(stream_write(f.client.stream, (struct span){ bulk, BULK }), STATUS_OK);
	/* Each round leaves the rest of a record inside of OpenSSL, of which the descriptor tells nothing. */
	while (total < BULK) {
		run_for(f.loop, 3);
		size_t size = buf_size(stream_input(f.server.stream));
		assert_in_range(size, 1, INPUT_MAXIMUM);
		buf_consume(stream_input(f.server.stream), size);
		total += size;
	}
	assert_int_equal(total, BULK);
	free(bulk);
	end_streams(&f);
}

static void a_pause_holds_back_what_tls_has_and_resume_brings_it(void **state)
{
	struct tls_fixture f;
	static const char line[30000];
	(void)state;
	begin_streams(&f);
	shake_hands(&f, "mail.example.com");
	f.server.keeps = true;
	assert_int_equal(stream_write(f.client.stream, (struct span){ line, sizeof(line) }), STATUS_OK);
	run_for(f.loop, 10);
	assert_int_equal(buf_size(stream_input(f.server.stream)), INPUT_MAXIMUM);
	stream_pause(f.server.stream);
	buf_clear(stream_input(f.server.stream));
	run_for(f.loop, 10);
	assert_int_equal(buf_size(stream_input(f.server.stream)), 0);
	stream_resume(f.server.stream);
	run_for(f.loop, 10);
	assert_int_equal(buf_size(stream_input(f.server.stream)), sizeof(line) - INPUT_MAXIMUM);
	end_streams(&f);
}

/* A ticket that came meanwhile is no input. */
static void what_tls_holds_is_fetched_with_the_rest(void **state)
{
	struct tls_fixture f;
	static const char line[30000];
	(void)state;
	begin_streams(&f);
	shake_hands(&f, "mail.example.com");
	f.server.keeps = true;
	assert_false(stream_fetch(f.server.stream));
	stream_pause(f.server.stream);
	assert_int_equal(stream_write(f.client.stream, (struct span){ line, 100 }), STATUS_OK);
	run_for(f.loop, 10);
	stream_resume(f.server.stream);
	assert_true(stream_fetch(f.server.stream));
	assert_int_equal(buf_size(stream_input(f.server.stream)), 100);
	buf_clear(stream_input(f.server.stream));
	assert_int_equal(stream_write(f.client.stream, (struct span){ line, sizeof(line) }), STATUS_OK);
	run_for(f.loop, 10);
	stream_pause(f.server.stream);
	buf_clear(stream_input(f.server.stream)); /* OpenSSL holds the end of a record that did not fit */
	stream_resume(f.server.stream);
	assert_true(stream_fetch(f.server.stream));
	end_streams(&f);
}

static bool server_ended(void *context)
{
	return ((struct tls_fixture *)context)->server.told[STREAM_ENDED] > 0;
}

static void finish_and_a_bare_close_both_end_the_other_side(void **state)
{
	(void)state;
	for (int bare = 0; bare < 2; bare++) {
		struct tls_fixture f;
		begin_streams(&f);
		shake_hands(&f, "mail.example.com");
		assert_int_equal(stream_write(f.client.stream, SPAN("QUIT\r\n")), STATUS_OK);
		run_for(f.loop, 5);
		if (bare)
			stream_free(&f.client.stream);
		else
			stream_finish(&f.client.stream, 1000);
		run_until(f.loop, server_ended, &f);
		assert_int_equal(f.server.received, 6);
		assert_int_equal(f.server.told[STREAM_FAILED], 0);
		stream_free(&f.server.stream);
		run_for(f.loop, 5);
		end_streams(&f);
	}
}

static void the_last_words_come_before_the_failure(void **state)
{
	struct tls_fixture f;
	(void)state;
	begin_streams(&f);
	shake_hands(&f, "mail.example.com");
	stream_pause(f.client.stream);
	assert_int_equal(stream_write(f.server.stream, SPAN("421 bye\r\n")), STATUS_OK);
	run_for(f.loop, 5);
	stream_free(&f.server.stream);
	stream_resume(f.client.stream);
	assert_int_equal(stream_write(f.client.stream, SPAN("RSET\r\n")), STATUS_OK);
	run_for(f.loop, 10);
	assert_int_equal(f.client.told[STREAM_FAILED], 1);
	assert_int_equal(f.client.received, 9);
	end_streams(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_streams_agree_on_tls13),
		cmocka_unit_test(an_address_is_verified_as_one),
		cmocka_unit_test(another_name_or_address_is_refused),
		cmocka_unit_test(a_certificate_of_another_authority_is_refused),
		cmocka_unit_test(without_verification_any_certificate_passes),
		cmocka_unit_test(verification_without_a_name_is_not_begun),
		cmocka_unit_test(text_instead_of_a_handshake_fails_with_a_reason),
		cmocka_unit_test(a_peer_that_leaves_in_the_handshake_is_a_failure),
		cmocka_unit_test(what_was_written_before_goes_in_clear_and_the_rest_in_tls),
		cmocka_unit_test(bytes_in_front_of_the_handshake_are_refused),
		cmocka_unit_test(tls_begins_only_once),
		cmocka_unit_test(bulk_goes_through_a_small_input),
		cmocka_unit_test(a_large_piece_goes_in_records_of_its_own_at_once),
		cmocka_unit_test(what_tls_holds_back_comes_when_there_is_room_again),
		cmocka_unit_test(a_pause_holds_back_what_tls_has_and_resume_brings_it),
		cmocka_unit_test(what_tls_holds_is_fetched_with_the_rest),
		cmocka_unit_test(finish_and_a_bare_close_both_end_the_other_side),
		cmocka_unit_test(the_last_words_come_before_the_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

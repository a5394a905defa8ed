/* What TLS puts on a TCP connection: how many segments, and what stays in the memory that it gives back. */
#include "with_tls_streams.h"

#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>
#include <linux/tcp.h> /* its struct tcp_info counts segments with data */

#include "net/stream_state.h"

#define SECRET "AHJldGlyZWQAc3dvcmRmaXNo"
#define TWO_RECORDS 20000 /* bytes */

/* ---- memory that OpenSSL gives back */

static unsigned secrets_given_back;

static void *take_memory(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return malloc(size);
}

static void *retake_memory(void *memory, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return realloc(memory, size);
}

static void give_memory(void *memory, const char *file, int line)
{
	(void)file;
	(void)line;
	if (memory && memmem(memory, malloc_usable_size(memory), SECRET, strlen(SECRET)))
		secrets_given_back++;
	free(memory);
}

/* ---- a connection over TCP */

static int connect_pair(int *out_server)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, size), 0);
	*out_server = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(*out_server >= 0);
	assert_int_equal(setsockopt(*out_server, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)), 0);
	assert_int_equal(fcntl(client, F_SETFL, O_NONBLOCK), 0);
	close(listener);
	return client;
}

/* Two streams that have shaken hands; without a key the server can make no tickets. */
static int begin_with(struct tls_fixture *f, bool has_key)
{
	static const char key[TLS_TICKET_KEY_SIZE] = { 1 };
	int server, client = connect_pair(&server);
	*f = (struct tls_fixture){ 0 };
	assert_int_equal(loop_create(&f->loop), STATUS_OK);
	certificate_make(&f->certificate, "DNS:mail.example.com");
	assert_int_equal(tls_tickets_create(3600000, &f->tickets), STATUS_OK);
	if (has_key)
		assert_int_equal(tls_tickets_add(f->tickets, (struct span){ key, sizeof(key) }), STATUS_OK);
	f->server.context = make_server(f, false);
	f->client.context = make_client(f->certificate.certificate, true);
	attach_side(f, &f->server, server);
	attach_side(f, &f->client, client);
	shake_hands(f, "mail.example.com");
	assert_secured(f);
	return client;
}

static int begin_connection(struct tls_fixture *f)
{
	return begin_with(f, true);
}

static unsigned count_segments(int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
	return info.tcpi_data_segs_in;
}

static bool has_heard(void *context)
{
	return ((struct tls_fixture *)context)->client.received > 0;
}

static bool has_ended(void *context)
{
	return ((struct tls_fixture *)context)->client.told[STREAM_ENDED] > 0;
}

static bool has_come(void *context)
{
	return ((struct tls_fixture *)context)->server.received == strlen(SECRET);
}

/* ---- tests */

static void a_ticket_goes_with_what_is_written_after_it(void **state)
{
	struct tls_fixture f;
	(void)state;
	int fd = begin_connection(&f);
	unsigned before = count_segments(fd);
	stream_send_ticket(f.server.stream);
	assert_int_equal(stream_write(f.server.stream, SPAN("250 mail.example.com\r\n")), STATUS_OK);
	run_until(f.loop, has_heard, &f);
	assert_int_equal(count_segments(fd) - before, 1);
	/* And what has no ticket in front of it waits for nothing. */
	f.client.received = 0;
	assert_int_equal(stream_write(f.server.stream, SPAN("250 OK\r\n")), STATUS_OK);
	run_until(f.loop, has_heard, &f);
	assert_int_equal(count_segments(fd) - before, 2);
	end_streams(&f);
}

/* The kernel would hold it back for 200 ms, as if more were to come. */
static void a_ticket_that_can_not_be_made_lets_nothing_wait(void **state)
{
	struct tls_fixture f;
	int unsent = -1;
	(void)state;
	begin_with(&f, false);
	stream_send_ticket(f.server.stream);
	assert_int_equal(stream_write(f.server.stream, SPAN("250 mail.example.com\r\n")), STATUS_OK);
	run_for(f.loop, 1);
	assert_int_equal(ioctl(f.server.stream->channel.fd, SIOCOUTQNSD, &unsent), 0);
	assert_int_equal(unsent, 0);
	run_until(f.loop, has_heard, &f);
	end_streams(&f);
}

static void the_last_words_go_with_the_end(void **state)
{
	struct tls_fixture f;
	(void)state;
	int fd = begin_connection(&f);
	unsigned before = count_segments(fd);
	assert_int_equal(stream_write(f.server.stream, SPAN("221 Bye\r\n")), STATUS_OK);
	stream_finish(&f.server.stream, PATIENCE_MS);
	run_until(f.loop, has_ended, &f);
	assert_int_equal(f.client.received, 9);
	assert_int_equal(count_segments(fd) - before, 1);
	end_streams(&f);
}

static bool has_all(void *context)
{
	return ((struct tls_fixture *)context)->server.received == TWO_RECORDS;
}

static void records_that_are_written_together_go_in_one_segment(void **state)
{
	static const char body[TWO_RECORDS];
	struct tls_fixture f;
	(void)state;
	begin_connection(&f);
	int fd = f.server.stream->channel.fd;
	unsigned before = count_segments(fd);
	assert_int_equal(stream_write(f.client.stream, (struct span){ body, sizeof(body) }), STATUS_OK);
	run_until(f.loop, has_all, &f);
	assert_int_equal(count_segments(fd) - before, 1);
	end_streams(&f);
}

static void nothing_of_a_password_stays_in_memory_that_is_given_back(void **state)
{
	(void)state;
	for (int expects_none = 0; expects_none < 2; expects_none++) {
		struct tls_fixture f;
		begin_connection(&f);
		secrets_given_back = 0;
		if (expects_none)
			stream_expect_no_secrets(f.server.stream);
		assert_int_equal(stream_write(f.client.stream, SPAN(SECRET)), STATUS_OK);
		run_until(f.loop, has_come, &f);
		end_streams(&f);
		assert_int_equal(secrets_given_back > 0, expects_none);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ticket_goes_with_what_is_written_after_it),
		cmocka_unit_test(a_ticket_that_can_not_be_made_lets_nothing_wait),
		cmocka_unit_test(the_last_words_go_with_the_end),
		cmocka_unit_test(records_that_are_written_together_go_in_one_segment),
		cmocka_unit_test(nothing_of_a_password_stays_in_memory_that_is_given_back),
	};
	/* Before OpenSSL takes its first block. */
	if (CRYPTO_set_mem_functions(take_memory, retake_memory, give_memory) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

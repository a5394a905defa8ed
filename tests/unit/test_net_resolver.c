/* The resolver, asking literals, /etc/hosts, and a DNS server made here. */
#include "with_loop.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/resolver.h"

#define PACKET 512 /* bytes: RFC 1035, 4.2.1 */
#define HEADER 12  /* bytes */
#define TYPE_A 1
#define TYPE_AAAA 28
#define LIMIT_MS 30000

/* ---- a DNS server on the same loop */

enum manner {
	ANSWERS, /* 192.0.2.1 and .2; 2001:db8::1 to ::3 */
	V4_ONLY,
	DENIES, /* NXDOMAIN */
	FAILS,  /* SERVFAIL */
	IS_SILENT,
	BABBLES, /* the right id, and then nonsense */
};

struct played_dns {
	int fd;
	struct watch *watch;
	enum manner manner;
	char ttl; /* seconds; of the first record of all one less */
	unsigned asked;
};

static size_t add_record(char *at, uint16_t type, const char *address, char ttl)
{
	/* The name by pointer to the question, class IN. */
	const char head[] = { '\xc0', HEADER, 0, (char)type, 0, 1, 0, 0, 0, ttl, 0, type == TYPE_A ? 4 : 16 };
	memcpy(at, head, sizeof(head));
	inet_pton(type == TYPE_A ? AF_INET : AF_INET6, address, at + sizeof(head));
	return sizeof(head) + (type == TYPE_A ? 4 : 16);
}

static size_t add_answers(const struct played_dns *dns, char *packet, size_t size, uint16_t type)
{
	static const char *const v4[] = { "192.0.2.1", "192.0.2.2" };
	static const char *const v6[] = { "2001:db8::1", "2001:db8::2", "2001:db8::3" };
	if (dns->manner == ANSWERS || (dns->manner == V4_ONLY && type == TYPE_A)) {
		packet[7] = type == TYPE_A ? 2 : 3;
		for (int i = 0; i < packet[7]; i++)
			size += add_record(packet + size, type, type == TYPE_A ? v4[i] : v6[i],
					   (char)(dns->ttl - (type == TYPE_A && i == 0)));
	}
	return size;
}

static void serve_query(void *context, unsigned events)
{
	static const char code_of[] = { [DENIES] = 3, [FAILS] = 2, [BABBLES] = 0 };
	struct played_dns *dns = context;
	struct sockaddr_in client;
	socklen_t client_size = sizeof(client);
	char packet[PACKET];
	(void)events;
	ssize_t got = recvfrom(dns->fd, packet, sizeof(packet), 0, (struct sockaddr *)&client, &client_size);
	assert_true(got > HEADER + 4);
	dns->asked++;
	if (dns->manner == IS_SILENT)
		return;
	/* The question is the last thing, and its type two bytes before its class. */
	size_t size = HEADER + strlen(packet + HEADER) + 1 + 4;
	uint16_t type = (uint16_t)packet[size - 3];
	packet[2] = '\x81';
	packet[3] = (char)('\x80' | code_of[dns->manner < DENIES ? BABBLES : dns->manner]);
	memset(packet + 6, 0, 6);
	size = add_answers(dns, packet, size, type);
	if (dns->manner == BABBLES) {
		memset(packet + HEADER, 0xff, PACKET - HEADER);
		packet[7] = 9;
		size = PACKET;
	}
	sendto(dns->fd, packet, size, 0, (struct sockaddr *)&client, client_size);
}

/* ---- asking */

struct resolver_fixture {
	struct loop *loop;
	struct resolver *resolver;
	struct resolution *resolution;
	struct played_dns dns;
	struct resolver_answer answer;
	unsigned answers;
	bool frees;
};

static void note_answer(void *context, const struct resolver_answer *answer)
{
	struct resolver_fixture *f = context;
	f->answer = *answer;
	f->answers++;
	assert_non_null(answer->reason);
	if (f->frees)
		resolver_free(&f->resolver);
}

static void begin_resolver(struct resolver_fixture *f, enum manner manner)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(here);
	char servers[32];
	*f = (struct resolver_fixture){ .dns.manner = manner, .dns.ttl = 60 };
	assert_int_equal(loop_create(&f->loop), STATUS_OK);
	f->dns.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->dns.fd, (struct sockaddr *)&here, size), 0);
	assert_int_equal(getsockname(f->dns.fd, (struct sockaddr *)&here, &size), 0);
	assert_int_equal(watch_create(f->loop, f->dns.fd, WATCH_READ, serve_query, &f->dns, &f->dns.watch), STATUS_OK);
	assert_int_equal(resolver_create(f->loop, &f->resolver), STATUS_OK);
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", ntohs(here.sin_port));
	assert_int_equal(resolver_use_servers(f->resolver, servers), STATUS_OK);
}

static void end_resolver(struct resolver_fixture *f)
{
	resolver_free(&f->resolver);
	watch_free(&f->dns.watch);
	close(f->dns.fd);
	loop_free(f->loop);
}

static void ask_resolver(struct resolver_fixture *f, const char *host, uint64_t limit_ms)
{
	assert_int_equal(resolver_ask(f->resolver, span_of(host), 465, limit_ms, note_answer, f, &f->resolution),
			 STATUS_OK);
}

static bool is_answered(void *context)
{
	return ((struct resolver_fixture *)context)->answers > 0;
}

static bool was_asked(void *context)
{
	return ((struct resolver_fixture *)context)->dns.asked > 0;
}

static void assert_endpoint(const struct resolver_fixture *f, size_t index, const char *address)
{
	char text[ENDPOINT_TEXT_SIZE];
	assert_true(index < f->answer.count);
	endpoint_format(&f->answer.endpoints[index], text);
	assert_string_equal(text, address);
	assert_int_equal(endpoint_port(&f->answer.endpoints[index]), 465);
}

/* ---- tests */

static void a_literal_answers_inside_the_call(void **state)
{
	static const char *const literals[] = { "192.0.2.7", "2001:db8::7" };
	struct resolver_fixture f;
	(void)state;
	begin_resolver(&f, IS_SILENT);
	for (size_t i = 0; i < 2; i++) {
		ask_resolver(&f, literals[i], LIMIT_MS);
		assert_int_equal(f.answers, i + 1);
		assert_null(f.resolution);
		assert_int_equal(f.answer.status, STATUS_OK);
		assert_endpoint(&f, 0, literals[i]);
	}
	assert_int_equal(f.dns.asked, 0);
	end_resolver(&f);
}

static void localhost_is_known_without_dns(void **state)
{
	struct resolver_fixture f;
	(void)state;
	begin_resolver(&f, IS_SILENT);
	ask_resolver(&f, "localhost", LIMIT_MS);
	run_until(f.loop, is_answered, &f);
	assert_int_equal(f.answer.status, STATUS_OK);
	assert_int_equal(f.dns.asked, 0);
	end_resolver(&f);
}

static void both_families_take_turns(void **state)
{
	struct resolver_fixture f;
	(void)state;
	begin_resolver(&f, ANSWERS);
	ask_resolver(&f, "smtp.example.com", LIMIT_MS);
	assert_int_equal(f.answers, 0);
	run_until(f.loop, is_answered, &f);
	assert_int_equal(f.answer.status, STATUS_OK);
	assert_int_equal(f.answer.count, 5);
	/* Which is first depends on what this machine can reach; the other one is next. */
	for (size_t i = 1; i < 4; i++)
		assert_int_not_equal(f.answer.endpoints[i].storage.ss_family,
				     f.answer.endpoints[i - 1].storage.ss_family);
	end_resolver(&f);
}

static void one_family_is_enough(void **state)
{
	struct resolver_fixture f;
	(void)state;
	begin_resolver(&f, V4_ONLY);
	ask_resolver(&f, "smtp.example.com", LIMIT_MS);
	run_until(f.loop, is_answered, &f);
	assert_int_equal(f.answer.count, 2);
	assert_endpoint(&f, 0, "192.0.2.1");
	assert_endpoint(&f, 1, "192.0.2.2");
	end_resolver(&f);
}

static void each_kind_of_failure_has_its_status(void **state)
{
	static const struct {
		enum manner manner;
		enum status status;
	} cases[] = { { DENIES, STATUS_NOT_FOUND }, { FAILS, STATUS_UNAVAILABLE } };
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct resolver_fixture f;
		begin_resolver(&f, cases[i].manner);
		ask_resolver(&f, "smtp.example.com", LIMIT_MS);
		run_until(f.loop, is_answered, &f);
		assert_int_equal(f.answer.status, cases[i].status);
		assert_int_equal(f.answer.count, 0);
		assert_true(strlen(f.answer.reason) > 0);
		end_resolver(&f);
	}
}

static void a_silent_server_is_given_up_at_the_limit(void **state)
{
	struct resolver_fixture f;
	(void)state;
	begin_resolver(&f, IS_SILENT);
	uint64_t begun_ms = loop_now_ms(f.loop);
	ask_resolver(&f, "smtp.example.com", 50);
	run_until(f.loop, is_answered, &f);
	assert_int_equal(f.answer.status, STATUS_TIMEOUT);
	assert_in_range(loop_now_ms(f.loop) - begun_ms, 50, LIMIT_MS / 2);
	run_for(f.loop, 20);
	assert_int_equal(f.answers, 1);
	end_resolver(&f);
}

/* c-ares before 1.31 waits on after nonsense; later ones ask again at once, and then give up. */
static void a_server_without_sense_is_given_up_at_the_limit_or_before(void **state)
{
	struct resolver_fixture f;
	(void)state;
	begin_resolver(&f, BABBLES);
	uint64_t begun_ms = loop_now_ms(f.loop);
	ask_resolver(&f, "smtp.example.com", 50);
	run_until(f.loop, is_answered, &f);
	assert_true(f.answer.status == STATUS_TIMEOUT || f.answer.status == STATUS_UNAVAILABLE);
	assert_int_equal(f.answer.count, 0);
	assert_in_range(loop_now_ms(f.loop) - begun_ms, 0, LIMIT_MS / 2);
	run_for(f.loop, 20);
	assert_int_equal(f.answers, 1);
	end_resolver(&f);
}

static void a_cancelled_question_is_not_answered(void **state)
{
	struct resolver_fixture f;
	(void)state;
	begin_resolver(&f, ANSWERS);
	ask_resolver(&f, "smtp.example.com", 50);
	resolver_cancel(&f.resolution);
	assert_null(f.resolution);
	resolver_cancel(&f.resolution);
	run_for(f.loop, 100);
	assert_true(was_asked(&f));
	assert_int_equal(f.answers, 0);
	end_resolver(&f);
}

static void a_resolver_freed_with_questions_pending_answers_none(void **state)
{
	struct resolver_fixture f;
	(void)state;
	begin_resolver(&f, IS_SILENT);
	ask_resolver(&f, "one.example.com", 50);
	ask_resolver(&f, "two.example.com", 50);
	run_until(f.loop, was_asked, &f);
	resolver_free(&f.resolver);
	run_for(f.loop, 80);
	assert_int_equal(f.answers, 0);
	end_resolver(&f);
}

static void a_resolver_may_be_freed_by_its_answer(void **state)
{
	static const char *const hosts[] = { "smtp.example.com", "localhost", "192.0.2.1" };
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct resolver_fixture f;
		begin_resolver(&f, ANSWERS);
		f.frees = true;
		ask_resolver(&f, hosts[i], LIMIT_MS);
		run_until(f.loop, is_answered, &f);
		assert_int_equal(f.answer.status, STATUS_OK);
		assert_null(f.resolver);
		end_resolver(&f);
	}
}

static void what_can_be_no_host_is_refused_at_once(void **state)
{
	struct resolver_fixture f;
	char name[300];
	(void)state;
	begin_resolver(&f, ANSWERS);
	memset(name, 'a', sizeof(name));
	const struct span wrong[] = { SPAN(""), SPAN("a\0b"), { name, sizeof(name) } };
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(resolver_ask(f.resolver, wrong[i], 25, LIMIT_MS, note_answer, &f, &f.resolution),
				 STATUS_INVALID);
	}
	assert_int_equal(f.answers, 0);
	assert_int_equal(resolver_use_servers(f.resolver, "no address"), STATUS_INVALID);
	end_resolver(&f);
}

/* ---- what is kept */

static void ask_for(struct resolver_fixture *f, const char *host, uint64_t limit_ms)
{
	unsigned before = f->answers;
	assert_int_equal(resolver_ask(f->resolver, span_of(host), 465, limit_ms, note_answer, f, &f->resolution),
			 STATUS_OK);
	while (f->answers == before)
		run_for(f->loop, 5);
}

static void an_answer_is_kept_as_long_as_it_says(void **state)
{
	struct resolver_fixture f;
	(void)state;
	begin_resolver(&f, ANSWERS);
	f.dns.ttl = 2; /* the shortest of its records: 1 s */
	ask_for(&f, "relay.example.net", LIMIT_MS);
	unsigned asked = f.dns.asked;
	size_t count = f.answer.count;
	ask_for(&f, "Relay.Example.NET", LIMIT_MS);
	assert_int_equal(f.dns.asked, asked);
	assert_int_equal(f.answer.count, count);
	assert_null(f.resolution);
	assert_int_equal(endpoint_port(&f.answer.endpoints[0]), 465);
	ask_for(&f, "other.example.net", LIMIT_MS);
	assert_int_equal(f.dns.asked, 2 * asked);
	run_for(f.loop, 1050);
	ask_for(&f, "relay.example.net", LIMIT_MS);
	assert_int_equal(f.dns.asked, 3 * asked);
	end_resolver(&f);
}

static void an_answer_for_once_is_not_kept(void **state)
{
	struct resolver_fixture f;
	(void)state;
	begin_resolver(&f, ANSWERS);
	f.dns.ttl = 1; /* the shortest: 0 */
	ask_for(&f, "relay.example.net", LIMIT_MS);
	unsigned asked = f.dns.asked;
	ask_for(&f, "relay.example.net", LIMIT_MS);
	assert_int_equal(f.dns.asked, 2 * asked);
	end_resolver(&f);
}

static void while_no_server_answers_the_last_answer_stands_in(void **state)
{
	static const enum manner manners[] = { IS_SILENT, FAILS, BABBLES };
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct resolver_fixture f;
		begin_resolver(&f, ANSWERS);
		f.dns.ttl = 1;
		ask_for(&f, "relay.example.net", LIMIT_MS);
		assert_false(f.answer.is_stale);
		f.dns.manner = manners[i];
		ask_for(&f, "relay.example.net", 300);
		assert_int_equal(f.answer.status, STATUS_OK);
		assert_true(f.answer.is_stale);
		assert_true(f.answer.count > 1);
		f.dns.manner = DENIES; /* that is an answer */
		ask_for(&f, "relay.example.net", LIMIT_MS);
		assert_int_equal(f.answer.status, STATUS_NOT_FOUND);
		f.dns.manner = manners[i];
		ask_for(&f, "relay.example.net", 300);
		assert_int_not_equal(f.answer.status, STATUS_OK);
		end_resolver(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_literal_answers_inside_the_call),
		cmocka_unit_test(localhost_is_known_without_dns),
		cmocka_unit_test(both_families_take_turns),
		cmocka_unit_test(one_family_is_enough),
		cmocka_unit_test(each_kind_of_failure_has_its_status),
		cmocka_unit_test(a_silent_server_is_given_up_at_the_limit),
		cmocka_unit_test(a_server_without_sense_is_given_up_at_the_limit_or_before),
		cmocka_unit_test(a_cancelled_question_is_not_answered),
		cmocka_unit_test(a_resolver_freed_with_questions_pending_answers_none),
		cmocka_unit_test(a_resolver_may_be_freed_by_its_answer),
		cmocka_unit_test(what_can_be_no_host_is_refused_at_once),
		cmocka_unit_test(an_answer_is_kept_as_long_as_it_says),
		cmocka_unit_test(an_answer_for_once_is_not_kept),
		cmocka_unit_test(while_no_server_answers_the_last_answer_stands_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

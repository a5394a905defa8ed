/* Servers by DNS: a name server played here says which there are, or lies, or is silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/ldap/finder.h"

#define HEADER_SIZE 12
#define QUESTION_TAIL 5 /* bytes after the name: its last zero, type, class */

enum manner { ANSWERS, DENIES, FAILS, BABBLES, IS_SILENT };

struct record {
	unsigned priority, weight, port;
	const char *host;
};

static struct {
	int fd;
	pthread_t thread;
	pthread_mutex_t lock; /* of how it answers */
	enum manner manner;
	const struct record *records;
	size_t count;
	atomic_uint asked;
} dns = { .lock = PTHREAD_MUTEX_INITIALIZER };

static size_t put_u16(unsigned char *at, unsigned value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
	return 2;
}

static size_t put_name(unsigned char *at, const char *name)
{
	size_t size = 0;
	while (*name) {
		size_t label = strcspn(name, ".");
		at[size++] = (unsigned char)label;
		memcpy(at + size, name, label);
		size += label;
		name += label + (name[label] == '.');
	}
	at[size++] = 0;
	return size;
}

static size_t put_record(unsigned char *at, const struct record *record)
{
	size_t size = put_u16(at, 0xc000 | HEADER_SIZE); /* the name asked for */
	size += put_u16(at + size, 33);
	size += put_u16(at + size, 1);
	size += put_u16(at + size, 0) + put_u16(at + size + 2, 60);
	unsigned char *length = at + size;
	size += 2;
	size_t begin = size;
	size += put_u16(at + size, record->priority);
	size += put_u16(at + size, record->weight);
	size += put_u16(at + size, record->port);
	size += put_name(at + size, record->host);
	put_u16(length, (unsigned)(size - begin));
	return size;
}

static void answer_query(unsigned char *packet, size_t size, const struct sockaddr_in *client)
{
	enum manner manner = dns.manner;
	size_t question = HEADER_SIZE + strlen((char *)packet + HEADER_SIZE) + QUESTION_TAIL;
	if (manner == IS_SILENT || question > size)
		return;
	packet[2] |= 0x80;
	packet[3] = (unsigned char)(0x80 | (manner == DENIES ? 3 : manner == FAILS ? 2 : 0)); /* recursion available */
	put_u16(packet + 6, manner == ANSWERS ? (unsigned)dns.count : 0);
	memset(packet + 8, 0, 4);
	size = question;
	for (size_t i = 0; manner == ANSWERS && i < dns.count; i++)
		size += put_record(packet + size, &dns.records[i]);
	if (manner == BABBLES) {
		put_u16(packet + 6, 3);
		memset(packet + size, 0xff, 40);
		size += 40;
	}
	sendto(dns.fd, packet, size, 0, (const struct sockaddr *)client, sizeof(*client));
}

static void *serve(void *context)
{
	unsigned char packet[4096];
	struct sockaddr_in client;
	(void)context;
	for (;;) {
		socklen_t size = sizeof(client);
		ssize_t got = recvfrom(dns.fd, packet, 512, 0, (struct sockaddr *)&client, &size);
		if (got <= 0)
			return NULL;
		atomic_fetch_add(&dns.asked, 1);
		pthread_mutex_lock(&dns.lock);
		answer_query(packet, (size_t)got, &client);
		pthread_mutex_unlock(&dns.lock);
	}
}

static int start_dns(void **state)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(here);
	(void)state;
	dns.fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(dns.fd, (struct sockaddr *)&here, size), 0);
	assert_int_equal(getsockname(dns.fd, (struct sockaddr *)&here, &size), 0);
	ldap_srv_use_server("127.0.0.1", ntohs(here.sin_port));
	return pthread_create(&dns.thread, NULL, serve, NULL);
}

static int stop_dns(void **state)
{
	(void)state;
	shutdown(dns.fd, SHUT_RDWR);
	pthread_join(dns.thread, NULL);
	return close(dns.fd);
}

static void play(enum manner manner, const struct record *records, size_t count)
{
	pthread_mutex_lock(&dns.lock);
	dns.records = records;
	dns.count = count;
	dns.manner = manner;
	pthread_mutex_unlock(&dns.lock);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_servers_come_by_priority_and_weight(void **state)
{
	static const struct record records[] = {
		{ 10, 5, 389, "spare.example.com" },
		{ 0, 1, 389, "light.example.com" },
		{ 0, 9, 3890, "heavy.sub.example.com" },
	};
	struct ldap_srv_server found[LDAP_SRV_SERVERS];
	size_t count = 0;
	(void)state;
	play(ANSWERS, records, COUNT(records));
	assert_int_equal(ldap_srv_ask("example.com", found, &count), STATUS_OK);
	assert_int_equal(count, 3);
	assert_string_equal(found[0].host, "heavy.sub.example.com");
	assert_int_equal(found[0].port, 3890);
	assert_string_equal(found[1].host, "light.example.com");
	assert_string_equal(found[2].host, "spare.example.com");
}

static void test_hosts_elsewhere_and_what_is_no_host_do_not_count(void **state)
{
	static const struct record records[] = {
		{ 0, 1, 389, "dc.example.org" },
		{ 0, 1, 389, "dc.notexample.com" },
		{ 0, 1, 389, "example.com" },
		{ 0, 1, 389, "a@b/c:1 x.example.com" },
		{ 0, 1, 0, "dc.example.com" },
		{ 0, 1, 389, "" },
		{ 0, 1, 389, "dc.example.com.evil.test" },
	};
	struct ldap_srv_server found[LDAP_SRV_SERVERS];
	size_t count = 0;
	(void)state;
	play(ANSWERS, records, COUNT(records));
	assert_int_equal(ldap_srv_ask("example.com", found, &count), STATUS_NOT_FOUND);
}

static void test_of_many_the_first_by_priority_are_kept(void **state)
{
	static char hosts[20][32];
	static struct record records[20];
	struct ldap_srv_server found[LDAP_SRV_SERVERS];
	size_t count = 0;
	(void)state;
	for (unsigned i = 0; i < COUNT(records); i++) {
		snprintf(hosts[i], sizeof(hosts[i]), "dc%u.example.com", i);
		records[i] = (struct record){ 19 - i, 0, 389, hosts[i] };
	}
	play(ANSWERS, records, COUNT(records));
	assert_int_equal(ldap_srv_ask("example.com", found, &count), STATUS_OK);
	assert_int_equal(count, LDAP_SRV_SERVERS);
	for (unsigned i = 0; i < LDAP_SRV_SERVERS; i++)
		assert_int_equal(found[i].priority, i);
}

static void test_each_failure_is_told_apart(void **state)
{
	struct ldap_srv_server found[LDAP_SRV_SERVERS];
	size_t count = 0;
	(void)state;
	play(DENIES, NULL, 0);
	assert_int_equal(ldap_srv_ask("example.com", found, &count), STATUS_NOT_FOUND);
	play(ANSWERS, NULL, 0);
	assert_int_equal(ldap_srv_ask("example.com", found, &count), STATUS_NOT_FOUND);
	play(FAILS, NULL, 0);
	assert_int_equal(ldap_srv_ask("example.com", found, &count), STATUS_UNAVAILABLE);
	play(BABBLES, NULL, 0);
	assert_int_equal(ldap_srv_ask("example.com", found, &count), STATUS_UNAVAILABLE);
	play(IS_SILENT, NULL, 0);
	assert_int_equal(ldap_srv_ask("example.com", found, &count), STATUS_UNAVAILABLE);
}

/* ---- places */

static char name[] = "corp";
static char srv[] = "srv:example.com";
static char *uris[] = { srv };

static void test_places_follow_dns_and_keep_what_was_found_while_it_is_away(void **state)
{
	static const struct record two[] = { { 0, 0, 389, "dc1.example.com" }, { 1, 0, 389, "dc2.example.com" } };
	static const struct record one[] = { { 0, 0, 389, "dc2.example.com" } };
	const struct config_ldap config = { .name = name, .uri = { .items = uris, .count = 1 } };
	struct ldap_server places[LDAP_SRV_SERVERS] = { 0 };
	struct ldap_finder finder;
	(void)state;
	ldap_finder_init(&finder, &config, places);
	play(ANSWERS, two, COUNT(two));
	ldap_finder_refresh(&finder, true);
	assert_string_equal(ldap_server_uri(&places[0]), "ldaps://dc1.example.com:636");
	assert_string_equal(ldap_server_uri(&places[1]), "ldaps://dc2.example.com:636");
	assert_null(ldap_server_uri(&places[2]));
	unsigned asked = atomic_load(&dns.asked), epoch = ldap_server_epoch(&places[0]);
	ldap_finder_refresh(&finder, false); /* not due */
	assert_int_equal(atomic_load(&dns.asked), asked);
	play(FAILS, NULL, 0);
	finder.due_ms = 0;
	ldap_finder_refresh(&finder, true); /* no login waits for what is known */
	assert_int_equal(atomic_load(&dns.asked), asked);
	ldap_finder_refresh(&finder, false);
	assert_string_equal(ldap_server_uri(&places[0]), "ldaps://dc1.example.com:636");
	assert_int_equal(ldap_server_epoch(&places[0]), epoch);
	play(ANSWERS, one, COUNT(one));
	finder.due_ms = 0;
	ldap_finder_refresh(&finder, false);
	assert_string_equal(ldap_server_uri(&places[0]), "ldaps://dc2.example.com:636");
	assert_int_not_equal(ldap_server_epoch(&places[0]), epoch); /* connections to the other one are closed */
	assert_null(ldap_server_uri(&places[1]));
	ldap_finder_destroy(&finder);
}

static void test_with_starttls_the_port_is_that_of_the_record(void **state)
{
	static const struct record records[] = { { 0, 0, 3890, "dc1.example.com" } };
	const struct config_ldap config = { .name = name, .uri = { .items = uris, .count = 1 }, .starttls = true };
	struct ldap_server places[LDAP_SRV_SERVERS] = { 0 };
	struct ldap_finder finder;
	(void)state;
	ldap_finder_init(&finder, &config, places);
	play(ANSWERS, records, COUNT(records));
	ldap_finder_refresh(&finder, true);
	assert_string_equal(ldap_server_uri(&places[0]), "ldap://dc1.example.com:3890");
	ldap_finder_destroy(&finder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_servers_come_by_priority_and_weight),
		cmocka_unit_test(test_hosts_elsewhere_and_what_is_no_host_do_not_count),
		cmocka_unit_test(test_of_many_the_first_by_priority_are_kept),
		cmocka_unit_test(test_each_failure_is_told_apart),
		cmocka_unit_test(test_places_follow_dns_and_keep_what_was_found_while_it_is_away),
		cmocka_unit_test(test_with_starttls_the_port_is_that_of_the_record),
	};
	return cmocka_run_group_tests(tests, start_dns, stop_dns);
}

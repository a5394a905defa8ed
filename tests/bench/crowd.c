/*
 * A crowd of clients over implicit TLS, all logged in as one user: idle ones,
 * slow ones that write a command a byte at a time, and ones that are stuck
 * within a message. Opens them all, prints "ready", and holds them until its
 * standard input ends; then says how many are still there.
 *
 *   crowd PORT USER PASSWORD IDLE SLOW STUCK
 */
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer.h"

#define OPENERS 8     /* connections opened at once */
#define PAUSE_MS 1000 /* between two bytes of a slow client */

static SSL_CTX *tls;
static struct sockaddr_in address;
static const char *user;
static char login[600];
static struct peer **peers; /* idle ones first, then slow ones, then stuck ones */
static size_t idle, slow, stuck;
static atomic_size_t next; /* to be opened */

static size_t count_all(void)
{
	return idle + slow + stuck;
}

static void ask_server(struct peer *peer, char class, const char *text)
{
	const char *line;
	peer_say(peer, text, strlen(text));
	do {
		line = peer_line(peer);
		if (line == NULL || line[0] != class)
			errx(1, "behind %.20s: expected %c.., got %s", text, class, line ? line : "the end");
	} while (line[3] == '-');
}

static void stick(struct peer *peer)
{
	static const char part[] = "Subject: half a message\r\n\r\nThe rest will never";
	char command[300];
	snprintf(command, sizeof(command), "MAIL FROM:<%s>\r\n", user);
	ask_server(peer, '2', command);
	ask_server(peer, '2', "RCPT TO:<bob@example.net>\r\n");
	ask_server(peer, '3', "DATA\r\n");
	peer_say(peer, part, sizeof(part) - 1);
}

static struct peer *open_one(bool sticks)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (peer == NULL || fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		err(1, "connect");
	peer_open(peer, tls, fd);
	if (SSL_connect(peer->ssl) != 1)
		errx(1, "the TLS handshake failed");
	const char *greeting = peer_line(peer);
	if (greeting == NULL || greeting[0] != '2')
		errx(1, "greeted with %s", greeting ? greeting : "the end");
	ask_server(peer, '2', "EHLO client.example\r\n");
	ask_server(peer, '2', login);
	if (sticks)
		stick(peer);
	return peer;
}

static void *open_some(void *context)
{
	size_t i;
	while ((i = atomic_fetch_add(&next, 1)) < count_all())
		peers[i] = open_one(i >= idle + slow);
	return context;
}

static void open_all(void)
{
	pthread_t threads[OPENERS];
	for (size_t i = 0; i < OPENERS; i++)
		peer_start_thread(open_some, NULL, &threads[i]);
	for (size_t i = 0; i < OPENERS; i++)
		pthread_join(threads[i], NULL);
}

/* One byte of each slow client; replies stay unread. */
static void write_slowly(size_t turn)
{
	static const char command[] = "NOOP\r\n";
	for (size_t i = idle; i < idle + slow; i++)
		(void)!SSL_write(peers[i]->ssl, command + turn % 6, 1);
}

static void hold(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char text[64];
	for (size_t turn = 0;; turn++) {
		if (poll(&input, 1, PAUSE_MS) > 0 && read(STDIN_FILENO, text, sizeof(text)) <= 0)
			return;
		write_slowly(turn);
	}
}

static size_t count_alive(void)
{
	size_t alive = 0;
	for (size_t i = 0; i < count_all(); i++) {
		struct pollfd end = { .fd = SSL_get_fd(peers[i]->ssl), .events = POLLRDHUP };
		alive += poll(&end, 1, 0) == 0;
	}
	return alive;
}

static size_t read_count(const char *text)
{
	return (size_t)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
	unsigned char plain[400];
	char encoded[560];
	if (argc != 7 || strlen(argv[2]) + strlen(argv[3]) > 380)
		errx(2, "usage: crowd PORT USER PASSWORD IDLE SLOW STUCK");
	signal(SIGPIPE, SIG_IGN);
	address = peer_loopback((int)strtol(argv[1], NULL, 10));
	user = argv[2];
	idle = read_count(argv[4]);
	slow = read_count(argv[5]);
	stuck = read_count(argv[6]);
	int size = snprintf((char *)plain, sizeof(plain), "%c%s%c%s", 0, user, 0, argv[3]);
	EVP_EncodeBlock((unsigned char *)encoded, plain, size);
	snprintf(login, sizeof(login), "AUTH PLAIN %s\r\n", encoded);
	peers = calloc(count_all(), sizeof(*peers));
	tls = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
	open_all();
	puts("ready");
	fflush(stdout);
	hold();
	printf("%zu\n", count_alive());
	return 0;
}

/*
 * The benchmark's clients: connections over implicit TLS that log in once,
 * stay, and send messages one behind the other, waiting for each reply as
 * mail programs do. One thread a connection.
 *
 *   load PORT USERS   USERS: a file of lines "ADDRESS PASSWORD", one a
 *                     connection; without a password it does not log in.
 *                     Prints "ready"; for each line "COUNT SIZE BUSY" on
 *                     its standard input, the first BUSY of them send so many
 *                     messages of so many bytes in all; then prints how many
 *                     seconds that took.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "peer.h"

#define CONNECTIONS_MAXIMUM 1000
#define LINE_SIZE 78                /* bytes of a body's line, with its CRLF */
#define MESSAGE_MAXIMUM (16L << 20) /* bytes */

struct client {
	struct peer peer;
	char address[128];
	char password[128];
	char *message; /* with its dot */
	size_t message_size;
	size_t number;
	pthread_t thread;
};

static SSL_CTX *tls;
static int port;
static struct client *clients[CONNECTIONS_MAXIMUM];
static size_t client_count;
static pthread_barrier_t gate; /* all clients and main: in front of a run, and behind it */
static atomic_long left;       /* messages of this run that nobody has begun */
static size_t message_size;    /* of this run */
static size_t busy;            /* of the clients, in this run */
static bool over;

/* ---- one client */

static void expect(struct client *client, char class)
{
	const char *line;
	do {
		line = peer_line(&client->peer);
		if (line == NULL || line[0] != class)
			errx(1, "%s: expected %c.., got %s", client->address, class, line ? line : "the end");
	} while (line[3] == '-');
}

static void ask(struct client *client, char class, const char *text)
{
	peer_say(&client->peer, text, strlen(text));
	expect(client, class);
}

static void log_in(struct client *client)
{
	unsigned char plain[260];
	char encoded[400], command[450];
	int size = snprintf((char *)plain, sizeof(plain), "%c%s%c%s", 0, client->address, 0, client->password);
	EVP_EncodeBlock((unsigned char *)encoded, plain, size);
	snprintf(command, sizeof(command), "AUTH PLAIN %s\r\n", encoded);
	ask(client, '2', command);
}

static void connect_client(struct client *client)
{
	struct sockaddr_in address = peer_loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		err(1, "connect");
	peer_open(&client->peer, tls, fd);
	if (SSL_connect(client->peer.ssl) != 1)
		errx(1, "the TLS handshake failed");
	expect(client, '2');
	ask(client, '2', "EHLO client.example\r\n");
	if (client->password[0])
		log_in(client);
}

static void make_message(struct client *client, size_t size)
{
	size_t room = size + 512 + LINE_SIZE;
	char *text = realloc(client->message, room);
	if (text == NULL)
		err(1, "realloc");
	size_t at = (size_t)snprintf(text, room,
				     "From: <%s>\r\nTo: <bob@example.net>\r\nSubject: A benchmark\r\n"
				     "Message-ID: <1@client.example>\r\nDate: Mon, 23 Nov 2026 08:00:00 +0000\r\n\r\n",
				     client->address);
	for (; at < size; at += LINE_SIZE) {
		memset(text + at, 'x', LINE_SIZE - 2);
		memcpy(text + at + LINE_SIZE - 2, "\r\n", 2);
	}
	memcpy(text + at, ".\r\n", 3);
	client->message = text;
	client->message_size = at + 3;
}

static void send_message(struct client *client)
{
	char command[256];
	snprintf(command, sizeof(command), "MAIL FROM:<%s>\r\n", client->address);
	ask(client, '2', command);
	ask(client, '2', "RCPT TO:<bob@example.net>\r\n");
	ask(client, '3', "DATA\r\n");
	peer_say(&client->peer, client->message, client->message_size);
	expect(client, '2');
}

static void *run_client(void *context)
{
	struct client *client = context;
	connect_client(client);
	pthread_barrier_wait(&gate);
	for (;;) {
		pthread_barrier_wait(&gate);
		if (over)
			break;
		make_message(client, message_size);
		while (client->number < busy && atomic_fetch_sub(&left, 1) > 0)
			send_message(client);
		pthread_barrier_wait(&gate);
	}
	peer_close(&client->peer);
	free(client->message);
	return NULL;
}

/* ---- all of them */

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void run(long count, size_t size, size_t clients_busy)
{
	message_size = size;
	busy = clients_busy;
	atomic_store(&left, count);
	double began = seconds_now();
	pthread_barrier_wait(&gate);
	pthread_barrier_wait(&gate);
	printf("%.6f\n", seconds_now() - began);
	fflush(stdout);
}

static void read_users(const char *path)
{
	FILE *users = fopen(path, "r");
	char line[256];
	if (users == NULL)
		err(1, "%s", path);
	while (client_count < CONNECTIONS_MAXIMUM && fgets(line, sizeof(line), users)) {
		struct client *client = calloc(1, sizeof(*client));
		if (client == NULL || sscanf(line, "%127s %127s", client->address, client->password) < 1)
			errx(1, "%s: not a user: %s", path, line);
		client->number = client_count;
		clients[client_count++] = client;
	}
	fclose(users);
}

int main(int argc, char **argv)
{
	long count, size, some;
	if (argc != 3)
		errx(2, "usage: load PORT USERS");
	signal(SIGPIPE, SIG_IGN);
	port = (int)strtol(argv[1], NULL, 10);
	read_users(argv[2]);
	tls = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_read_ahead(tls, 1);
	pthread_barrier_init(&gate, NULL, (unsigned)client_count + 1);
	for (size_t i = 0; i < client_count; i++)
		peer_start_thread(run_client, clients[i], &clients[i]->thread);
	pthread_barrier_wait(&gate);
	puts("ready");
	fflush(stdout);
	while (scanf("%ld %ld %ld", &count, &size, &some) == 3 && size > 0 && size <= MESSAGE_MAXIMUM && some > 0)
		run(count, (size_t)size, (size_t)some);
	over = true;
	pthread_barrier_wait(&gate);
	for (size_t i = 0; i < client_count; i++)
		pthread_join(clients[i]->thread, NULL);
	return 0;
}

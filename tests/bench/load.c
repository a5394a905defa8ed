/*
 * The benchmark's clients: connections over implicit TLS that log in, and send
 * messages one after the other, waiting for each reply as mail programs do. One
 * thread a connection.
 *
 *   load PORT USERS   USERS: a file of lines "ADDRESS PASSWORD", one a
 *                     connection; without a password it does not log in.
 *                     Prints "ready"; for each line "COUNT SIZE BUSY KEPT
 *                     RECIPIENTS PIPELINED" on its standard input, the first
 *                     BUSY of them send so many messages of so many bytes, to
 *                     so many recipients each, in all: with KEPT 1 over the
 *                     connections that they have, with 0 over a new one for
 *                     each; with PIPELINED 1 the whole envelope in one piece.
 *                     Then prints how many seconds that took, and how many
 *                     milliseconds the median message.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "peer.h"

#define CONNECTIONS_MAXIMUM 20000
#define RECIPIENTS_MAXIMUM 1000
#define LINE_SIZE 78                /* bytes of a body's line, with its CRLF */
#define MESSAGE_MAXIMUM (35L << 20) /* bytes */
#define COMMAND_SIZE 256            /* bytes */

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
static pthread_barrier_t gate; /* all clients and main: before a run, and after it */
static atomic_long left;       /* messages of this run that nobody has begun */
static size_t message_size;    /* of this run */
static size_t busy;            /* of the clients, in this run */
static bool kept;              /* whether connections are, in this run */
static int recipients;         /* of a message, in this run */
static bool pipelined;         /* whether envelopes are (RFC 2920), in this run */
static bool over;
static float *times_ms; /* of each message of this run */
static atomic_long timed;

/* ---- one client */

static void expect_reply(struct client *client, char class)
{
	const char *line;
	do {
		line = peer_line(&client->peer);
		if (line == NULL || line[0] != class)
			errx(1, "%s: expected %c.., got %s", client->address, class, line ? line : "the end");
	} while (line[3] == '-');
}

static void ask_server(struct client *client, char class, const char *text)
{
	peer_say(&client->peer, text, strlen(text));
	expect_reply(client, class);
}

static void log_in(struct client *client)
{
	unsigned char plain[260];
	char encoded[400], command[450];
	int size = snprintf((char *)plain, sizeof(plain), "%c%s%c%s", 0, client->address, 0, client->password);
	EVP_EncodeBlock((unsigned char *)encoded, plain, size);
	snprintf(command, sizeof(command), "AUTH PLAIN %s\r\n", encoded);
	ask_server(client, '2', command);
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
	expect_reply(client, '2');
	ask_server(client, '2', "EHLO client.example\r\n");
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

static void ask_envelope(struct client *client)
{
	char command[COMMAND_SIZE];
	snprintf(command, sizeof(command), "MAIL FROM:<%s>\r\n", client->address);
	ask_server(client, '2', command);
	for (int i = 0; i < recipients; i++) {
		snprintf(command, sizeof(command), "RCPT TO:<bob%d@example.net>\r\n", i);
		ask_server(client, '2', command);
	}
	ask_server(client, '3', "DATA\r\n");
}

static void pipeline_envelope(struct client *client)
{
	char *commands = malloc((size_t)(recipients + 2) * COMMAND_SIZE);
	if (commands == NULL)
		err(1, "malloc");
	int at = snprintf(commands, COMMAND_SIZE, "MAIL FROM:<%s>\r\n", client->address);
	for (int i = 0; i < recipients; i++)
		at += snprintf(commands + at, COMMAND_SIZE, "RCPT TO:<bob%d@example.net>\r\n", i);
	at += snprintf(commands + at, COMMAND_SIZE, "DATA\r\n");
	peer_say(&client->peer, commands, (size_t)at);
	free(commands);
	for (int i = 0; i <= recipients; i++)
		expect_reply(client, '2');
	expect_reply(client, '3');
}

static void send_message(struct client *client)
{
	if (pipelined)
		pipeline_envelope(client);
	else
		ask_envelope(client);
	peer_say(&client->peer, client->message, client->message_size);
	expect_reply(client, '2');
}

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void end_session(struct client *client)
{
	ask_server(client, '2', "QUIT\r\n");
	peer_close(&client->peer);
}

static void send_one(struct client *client)
{
	double began = seconds_now();
	if (kept) {
		send_message(client);
	} else {
		connect_client(client);
		send_message(client);
		end_session(client);
	}
	times_ms[atomic_fetch_add(&timed, 1)] = (float)(1000 * (seconds_now() - began));
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
		if (!kept && client->number < busy)
			end_session(client);
		while (client->number < busy && atomic_fetch_sub(&left, 1) > 0)
			send_one(client);
		if (!kept && client->number < busy)
			connect_client(client);
		pthread_barrier_wait(&gate);
	}
	end_session(client);
	free(client->message);
	return NULL;
}

/* ---- all of them */

static int compare_times(const void *one, const void *other)
{
	float a = *(const float *)one, b = *(const float *)other;
	return (a > b) - (a < b);
}

static void run(long count, size_t size, size_t clients_busy)
{
	times_ms = reallocarray(times_ms, (size_t)count, sizeof(*times_ms));
	if (times_ms == NULL)
		err(1, "reallocarray");
	atomic_store(&timed, 0);
	message_size = size;
	busy = clients_busy;
	atomic_store(&left, count);
	double began = seconds_now();
	pthread_barrier_wait(&gate);
	pthread_barrier_wait(&gate);
	double seconds = seconds_now() - began;
	qsort(times_ms, (size_t)count, sizeof(*times_ms), compare_times);
	printf("%.6f %.3f\n", seconds, (double)times_ms[count / 2]);
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
	int keeps, pipelines;
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
	while (scanf("%ld %ld %ld %d %d %d", &count, &size, &some, &keeps, &recipients, &pipelines) == 6 && count > 0 &&
	       size > 0 && size <= MESSAGE_MAXIMUM && some > 0 && recipients > 0 && recipients <= RECIPIENTS_MAXIMUM) {
		kept = keeps;
		pipelined = pipelines;
		run(count, (size_t)size, (size_t)some);
	}
	over = true;
	pthread_barrier_wait(&gate);
	for (size_t i = 0; i < client_count; i++)
		pthread_join(clients[i]->thread, NULL);
	return 0;
}

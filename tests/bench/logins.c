/*
 * Logins as devices make them: each connects over TLS, logs in and leaves, and the next begins. One thread a user.
 *
 *   logins PORT USERS COUNT   USERS: a file of lines "NAME PASSWORD"; prints how many seconds COUNT logins took.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "peer.h"

#define USERS_MAXIMUM 100

struct user {
	struct peer peer;
	char name[128], password[128];
	pthread_t thread;
};

static SSL_CTX *tls;
static int port;
static atomic_long left; /* logins that nobody has begun */

static void expect_reply(struct user *user, char class)
{
	const char *line;
	do {
		line = peer_line(&user->peer);
		if (line == NULL || line[0] != class)
			errx(1, "%s: expected %c.., got %s", user->name, class, line ? line : "the end");
	} while (line[3] == '-');
}

static void ask_server(struct user *user, char class, const char *text)
{
	peer_say(&user->peer, text, strlen(text));
	expect_reply(user, class);
}

static void log_in(struct user *user)
{
	unsigned char plain[260];
	char encoded[400], command[450];
	int size = snprintf((char *)plain, sizeof(plain), "%c%s%c%s", 0, user->name, 0, user->password);
	EVP_EncodeBlock((unsigned char *)encoded, plain, size);
	snprintf(command, sizeof(command), "AUTH PLAIN %s\r\n", encoded);
	ask_server(user, '2', command);
}

static void *run_user(void *context)
{
	struct user *user = context;
	struct sockaddr_in address = peer_loopback(port);
	while (atomic_fetch_sub(&left, 1) > 0) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
			err(1, "connect");
		peer_open(&user->peer, tls, fd);
		if (SSL_connect(user->peer.ssl) != 1)
			errx(1, "the TLS handshake failed");
		expect_reply(user, '2');
		ask_server(user, '2', "EHLO client.example\r\n");
		log_in(user);
		ask_server(user, '2', "QUIT\r\n");
		peer_close(&user->peer);
	}
	return NULL;
}

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static struct user users[USERS_MAXIMUM];
	size_t count = 0;
	if (argc != 4)
		errx(2, "usage: logins PORT USERS COUNT");
	FILE *file = fopen(argv[2], "r");
	if (file == NULL)
		err(1, "%s", argv[2]);
	while (count < USERS_MAXIMUM && fscanf(file, "%127s %127s", users[count].name, users[count].password) == 2)
		count++;
	fclose(file);
	port = (int)strtol(argv[1], NULL, 10);
	atomic_store(&left, strtol(argv[3], NULL, 10));
	tls = SSL_CTX_new(TLS_client_method());
	double began = seconds_now();
	for (size_t i = 0; i < count; i++)
		peer_start_thread(run_user, &users[i], &users[i].thread);
	for (size_t i = 0; i < count; i++)
		pthread_join(users[i].thread, NULL);
	printf("%.6f\n", seconds_now() - began);
	SSL_CTX_free(tls);
	return 0;
}

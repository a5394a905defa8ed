/*
 * One request and its answer over the control socket. It blocks: this is the
 * client's program, not a role. The answer may hold a new app password, so the
 * bytes read are wiped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/ctl.h"
#include "base/buf.h"
#include "base/json_text.h"

/* Longer than the daemon waits: for its supervisor, for its other roles. */
#define SUPERVISOR_WAIT_SECONDS 15
#define WAIT_SECONDS 70
#define READ_AT_ONCE 4096

static enum status complain_of_daemon(FILE *errors, const char *path)
{
	if (errno == EACCES || errno == EPERM)
		fprintf(errors, "subgatectl: no permission for %s: be root, or in the group that admin.group names\n",
			path);
	else if (errno == EAGAIN || errno == EMSGSIZE || errno == EPROTO)
		fprintf(errors, "subgatectl: no usable answer from %s (%s)\n", path, strerror(errno));
	else
		fprintf(errors, "subgatectl: no daemon answers at %s: is subgate running? (%s)\n", path,
			strerror(errno));
	return STATUS_UNAVAILABLE;
}

static time_t wait_seconds(json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "command"));
	const struct admin_command *command = name ? admin_command_find(name) : NULL;
	return command && command->role == ROLE_SUPERVISOR ? SUPERVISOR_WAIT_SECONDS : WAIT_SECONDS;
}

static int connect_to(const char *path, time_t seconds)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = seconds };
	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	int reason = errno;
	close(fd);
	errno = reason;
	return -1;
}

static enum status send_line(int fd, json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t size = text ? strlen(text) : 0;
	size_t sent = 0;
	if (!text)
		return STATUS_NO_MEMORY;
	text[size++] = '\n'; /* over its NUL */
	while (sent < size) {
		ssize_t n = send(fd, text + sent, size - sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	free(text);
	/* Whoever was turned away at the door finds the reason there. */
	return sent == size || errno == EPIPE ? STATUS_OK : STATUS_SYSTEM;
}

static enum status read_some(int fd, struct buf *answer)
{
	char *at;
	errno = EMSGSIZE;
	TRY(buf_reserve(answer, READ_AT_ONCE, &at));
	ssize_t n = recv(fd, at, READ_AT_ONCE, 0);
	if (n < 0 && errno == EINTR)
		return STATUS_OK;
	if (n == 0)
		errno = ECONNRESET;
	if (n <= 0)
		return STATUS_SYSTEM;
	buf_commit(answer, (size_t)n);
	return STATUS_OK;
}

static enum status read_line(int fd, json_t **out_reply)
{
	struct buf answer BUF_AUTO;
	buf_init_sensitive(&answer, CTL_ANSWER_MAXIMUM);
	while (!span_contains_byte(buf_span(&answer), '\n'))
		TRY(read_some(fd, &answer));
	struct span line = buf_span(&answer);
	json_t *reply = json_read(span_slice(line, 0, span_find_byte(line, '\n')));
	if (!json_is_object(reply)) {
		json_decref(reply);
		errno = EPROTO;
		return STATUS_INVALID;
	}
	*out_reply = reply;
	return STATUS_OK;
}

enum status ctl_exchange(const char *path, json_t *request, FILE *errors, json_t **out_reply)
{
	json_t *reply = NULL;
	int fd = connect_to(path, wait_seconds(request));
	if (fd < 0)
		return complain_of_daemon(errors, path);
	enum status status = send_line(fd, request);
	if (status == STATUS_OK)
		status = read_line(fd, &reply);
	if (status == STATUS_OK)
		*out_reply = reply;
	else
		status = complain_of_daemon(errors, path);
	close(fd);
	return status;
}

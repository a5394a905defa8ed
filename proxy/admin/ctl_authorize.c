/*
 * The dialog of a consent. With the device flow it shows the code and polls. With
 * the consent page it waits for the browser, which is sent to a socket of ours on
 * loopback; whoever uses a browser elsewhere pastes the address it was sent to.
 * Owns the listening socket until the dialog ends.
 */
#include "admin/ctl_authorize.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/span.h"

/* For the administrator: as long as the daemon remembers the consent. */
#define WAIT_MS 600000
/* Bytes of a pasted address. */
#define LINE_MAXIMUM 4096
/* Between two polls, whatever the provider asks for. */
#define INTERVAL_LEAST_S 1
/* What slow_down adds to that (RFC 8628, 3.5). */
#define INTERVAL_MORE_S 5

static int listener = -1;

bool ctl_is_consent(const json_t *reply)
{
	return json_is_string(json_object_get(reply, "flow"));
}

enum status ctl_begin_consent(json_t *request, FILE *errors)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener < 0 || bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 4) < 0 || getsockname(listener, (struct sockaddr *)&address, &size) < 0) {
		fprintf(errors, "subgatectl: no socket on loopback: %s\n", strerror(errno));
		return STATUS_SYSTEM;
	}
	json_object_set_new(request, "port", json_integer(ntohs(address.sin_port)));
	return STATUS_OK;
}

/* ---- the browser */

static void thank_browser(int fd)
{
	static const char page[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
				   "Subgate has what it needs. Close this page, and go back to subgatectl.\n";
	(void)send(fd, page, sizeof(page) - 1, MSG_NOSIGNAL);
}

/* The path of "GET /?code=… HTTP/1.1". False: another request, such as for an icon. */
static bool read_request(int fd, char out_line[LINE_MAXIMUM])
{
	struct timeval limit = { .tv_sec = 5 };
	char bytes[LINE_MAXIMUM];
	size_t used = 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	while (used < sizeof(bytes)) {
		ssize_t got = recv(fd, bytes + used, sizeof(bytes) - used, 0);
		if (got <= 0)
			return false;
		used += (size_t)got;
		if (memchr(bytes, '\n', used))
			break;
	}
	struct span rest = { bytes, used }, verb, path;
	if (!span_cut(&rest, ' ', &verb) || !span_cut(&rest, ' ', &path) || !span_equal(verb, SPAN("GET")) ||
	    !span_starts_with(path, SPAN("/?")))
		return false;
	snprintf(out_line, LINE_MAXIMUM, "%.*s", SPAN_ARGS(path));
	return true;
}

static bool take_browser(char out_line[LINE_MAXIMUM])
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return false;
	bool is_answer = read_request(fd, out_line);
	if (is_answer)
		thank_browser(fd);
	close(fd);
	return is_answer;
}

static bool take_paste(char out_line[LINE_MAXIMUM], bool *out_ended)
{
	if (fgets(out_line, LINE_MAXIMUM, stdin) == NULL) {
		*out_ended = true;
		return false;
	}
	out_line[strcspn(out_line, "\r\n")] = '\0';
	return out_line[0] != '\0';
}

/* From browser or paste, whichever comes first. False: time is up. */
static bool wait_for_answer(char out_line[LINE_MAXIMUM])
{
	struct pollfd ready[2] = { { .fd = listener, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
	bool ended = false;
	while (poll(ready, 2, WAIT_MS) > 0) {
		if ((ready[0].revents & POLLIN) && take_browser(out_line))
			return true;
		if (ready[1].revents && take_paste(out_line, &ended))
			return true;
		if (ended) /* nobody can paste: the browser may still come */
			ready[1].fd = -1;
	}
	return false;
}

/* ---- the daemon */

static enum status go_on(const struct ctl_call *call, const char *id, const char *answer, FILE *errors,
			 json_t **out_reply)
{
	json_t *request = json_deep_copy(call->request);
	if (request == NULL || json_object_del(request, "port") != 0 ||
	    json_object_set_new(request, "id", json_string(id)) != 0 ||
	    (answer && json_object_set_new(request, "answer", json_string(answer)) != 0)) {
		fprintf(errors, "subgatectl: what was pasted is not UTF-8 text\n");
		json_decref(request);
		return STATUS_INVALID;
	}
	enum status status = ctl_exchange(call->socket, request, errors, out_reply);
	json_decref(request);
	return status;
}

static const char *text_of(const json_t *reply, const char *name)
{
	const char *text = json_string_value(json_object_get(reply, name));
	return text ? text : "";
}

static bool is_pending(const json_t *reply)
{
	const char *state = text_of(reply, "state");
	return strcmp(state, "authorization_pending") == 0 || strcmp(state, "slow_down") == 0;
}

static enum status finish_device(const struct ctl_call *call, const json_t *first, FILE *errors, json_t **out_reply)
{
	json_int_t interval_s = json_integer_value(json_object_get(first, "interval"));
	json_t *reply = NULL;
	if (interval_s < INTERVAL_LEAST_S)
		interval_s = INTERVAL_LEAST_S;
	fprintf(stderr, "Open %s, log in as the relay's mailbox, and enter the code %s\nWaiting …\n",
		text_of(first, "uri"), text_of(first, "user_code"));
	do {
		if (strcmp(text_of(reply, "state"), "slow_down") == 0)
			interval_s += INTERVAL_MORE_S;
		json_decref(reply);
		reply = NULL;
		sleep((unsigned)interval_s);
		TRY(go_on(call, text_of(first, "id"), NULL, errors, &reply));
	} while (is_pending(reply));
	*out_reply = reply;
	return STATUS_OK;
}

static enum status finish_page(const struct ctl_call *call, const json_t *first, FILE *errors, json_t **out_reply)
{
	char line[LINE_MAXIMUM];
	fprintf(stderr,
		"Open this address in a browser, log in as the relay's mailbox, and consent:\n\n%s\n\n"
		"The browser is then sent to http://127.0.0.1. If it runs on another machine, it finds nothing there:\n"
		"copy the whole address from its address bar, and paste it here:\n",
		text_of(first, "url"));
	if (!wait_for_answer(line)) {
		fprintf(errors, "subgatectl: the consent page did not answer in time\n");
		return STATUS_TIMEOUT;
	}
	enum status status = go_on(call, text_of(first, "id"), line, errors, out_reply);
	explicit_bzero(line, sizeof(line));
	return status;
}

enum status ctl_finish_consent(const struct ctl_call *call, json_t *reply, FILE *errors, json_t **out_reply)
{
	bool is_device = strcmp(text_of(reply, "flow"), "device") == 0;
	enum status status =
		is_device ? finish_device(call, reply, errors, out_reply) : finish_page(call, reply, errors, out_reply);
	close(listener);
	listener = -1;
	return status;
}

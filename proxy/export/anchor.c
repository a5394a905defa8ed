/* Owns the socket, which is opened anew after a failure: the daemon may have been restarted. */
#include "export/anchor.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"

#define PRIORITY (10 * 8 + 6) /* authpriv, informational: syslog(3) */
#define MESSAGE_MAXIMUM 4096  /* bytes */

struct anchor {
	const char *path, *node;
	int fd; /* -1: closed */
};

enum status anchor_create(const char *path, const char *node, struct anchor **out_anchor)
{
	struct anchor *anchor = calloc(1, sizeof(*anchor));
	if (anchor == NULL)
		return STATUS_NO_MEMORY;
	*anchor = (struct anchor){ path, node, -1 };
	*out_anchor = anchor;
	return STATUS_OK;
}

static void close_socket(struct anchor *anchor)
{
	if (anchor->fd >= 0)
		close(anchor->fd);
	anchor->fd = -1;
}

void anchor_free(struct anchor **anchor)
{
	if (*anchor == NULL)
		return;
	close_socket(*anchor);
	free(*anchor);
	*anchor = NULL;
}

static enum status open_socket(struct anchor *anchor)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (anchor->fd >= 0)
		return STATUS_OK;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", anchor->path);
	anchor->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (anchor->fd >= 0 && connect(anchor->fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return STATUS_OK;
	close_socket(anchor);
	return STATUS_UNAVAILABLE;
}

static enum status write_message(const struct anchor *anchor, const struct audit_statement *statement, struct buf *out)
{
	json_t *object = audit_statement_to_json(statement);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	if (text == NULL)
		return STATUS_NO_MEMORY;
	enum status status =
		buf_printf(out, "<%d>subgate[%d]: audit head of %s: %s", PRIORITY, (int)getpid(), anchor->node, text);
	free(text);
	return status;
}

enum status anchor_post(struct anchor *anchor, const struct audit_statement *statement)
{
	struct buf message BUF_AUTO;
	buf_init(&message, MESSAGE_MAXIMUM);
	TRY(write_message(anchor, statement, &message));
	TRY(open_socket(anchor));
	if (send(anchor->fd, buf_span(&message).data, buf_size(&message), MSG_NOSIGNAL) >= 0)
		return STATUS_OK;
	close_socket(anchor);
	return STATUS_UNAVAILABLE;
}

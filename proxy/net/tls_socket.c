/* A BIO of our own: OpenSSL's, with callbacks around it, took three times as many instructions and a call a record. */
#include "net/tls_socket.h"

#include <errno.h>
#include <openssl/bio.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "net/channel_bounds.h"

static struct channel_bounds *bounds_of(BIO *bio)
{
	return BIO_get_data(bio);
}

/* Like OpenSSL's own sockets: whoever asks for a retry is woken by the descriptor, and errno says all else. */
static int read_socket(BIO *bio, char *at, size_t size, size_t *out_size)
{
	struct channel_bounds *bounds = bounds_of(bio);
	size_t room = channel_bounds_room(bounds, size);
	BIO_clear_retry_flags(bio);
	if (room == 0) {
		if (bounds->fault == NULL)
			BIO_set_retry_read(bio);
		return -1;
	}
	ssize_t got = recv(bounds->fd, at, room, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	if (got == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	if (got <= 0)
		return (int)got;
	if (!channel_bounds_take(bounds, (struct span){ at, (size_t)got }))
		return -1;
	*out_size = (size_t)got;
	return 1;
}

static int write_socket(BIO *bio, const char *bytes, size_t size, size_t *out_size)
{
	struct channel_bounds *bounds = bounds_of(bio);
	int more = bounds->more_follows || bounds->ends ? MSG_MORE : 0;
	BIO_clear_retry_flags(bio);
	ssize_t taken = send(bounds->fd, bytes, size, MSG_NOSIGNAL | more);
	if (taken < 0) {
		if (errno == EAGAIN || errno == EINTR)
			BIO_set_retry_write(bio);
		return -1;
	}
	bounds->more_follows = false;
	*out_size = (size_t)taken;
	return 1;
}

static long control_socket(BIO *bio, int command, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	switch (command) {
	case BIO_CTRL_EOF:
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	case BIO_CTRL_FLUSH:
		return 1;
	default:
		return 0;
	}
}

static BIO_METHOD *make_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bounded socket");
	if (method && BIO_meth_set_read_ex(method, read_socket) == 1 &&
	    BIO_meth_set_write_ex(method, write_socket) == 1 && BIO_meth_set_ctrl(method, control_socket) == 1)
		return method;
	BIO_meth_free(method);
	return NULL;
}

/* Made by the first connection, of whichever thread, for the life of the process. */
static const BIO_METHOD *find_method(void)
{
	static _Atomic(BIO_METHOD *) common_method;
	BIO_METHOD *known = common_method;
	if (known)
		return known;
	BIO_METHOD *made = make_method();
	if (atomic_compare_exchange_strong(&common_method, &known, made))
		return made;
	BIO_meth_free(made);
	return known;
}

enum status tls_socket_attach(struct channel_bounds *bounds)
{
	const BIO_METHOD *method = find_method();
	BIO *bio = method ? BIO_new(method) : NULL;
	if (bio == NULL)
		return STATUS_NO_MEMORY;
	BIO_set_data(bio, bounds);
	BIO_set_init(bio, 1);
	SSL_set_bio(bounds->ssl, bio, bio);
	return STATUS_OK;
}

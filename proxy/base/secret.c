/* Secrets: held in memory of their own, wiped when dropped. */
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum status secret_from_span(struct span s, struct secret *out_secret)
{
	if (s.size > SECRET_MAXIMUM)
		return STATUS_TOO_LARGE;
	char *bytes = malloc(s.size + 1);
	if (bytes == NULL)
		return STATUS_NO_MEMORY;
	if (s.size)
		memcpy(bytes, s.data, s.size);
	bytes[s.size] = '\0';
	out_secret->bytes = bytes;
	out_secret->size = s.size;
	return STATUS_OK;
}

/* *out_size tells how much was read of what failed, too. */
static enum status read_whole(int fd, char *bytes, size_t room, size_t *out_size)
{
	size_t *size = out_size;
	for (*size = 0;;) {
		ssize_t got = pread(fd, bytes + *size, room - *size, (off_t)*size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return STATUS_SYSTEM;
		if (got == 0)
			return STATUS_OK;
		*size += (size_t)got;
		if (*size == room)
			return STATUS_TOO_LARGE;
	}
}

enum status secret_from_fd(int fd, struct secret *out_secret)
{
	char *bytes = malloc(SECRET_MAXIMUM + 1);
	if (bytes == NULL)
		return STATUS_NO_MEMORY;
	size_t size = 0;
	enum status status = read_whole(fd, bytes, SECRET_MAXIMUM + 1, &size);
	if (status == STATUS_OK)
		status = secret_from_span((struct span){ bytes, size }, out_secret);
	explicit_bzero(bytes, size);
	free(bytes);
	return status;
}

enum status secret_from_path(const char *path, struct secret *out_secret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return STATUS_SYSTEM;
	enum status status = secret_from_fd(fd, out_secret);
	close(fd);
	return status;
}

enum status secret_from_line_fd(int fd, struct secret *out_secret)
{
	struct secret whole = { 0 };
	TRY(secret_from_fd(fd, &whole));
	if (whole.size && whole.bytes[whole.size - 1] == '\n')
		whole.size--;
	if (whole.size && whole.bytes[whole.size - 1] == '\r')
		whole.size--;
	whole.bytes[whole.size] = '\0';
	*out_secret = whole;
	return STATUS_OK;
}

enum status secret_random_hex(size_t entropy, struct secret *out_secret)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[64];
	char text[2 * sizeof(raw)];
	if (entropy > sizeof(raw))
		return STATUS_TOO_LARGE;
	if (getrandom(raw, entropy, 0) != (ssize_t)entropy)
		return STATUS_SYSTEM;
	for (size_t i = 0; i < entropy; i++) {
		text[2 * i] = digits[raw[i] >> 4];
		text[2 * i + 1] = digits[raw[i] & 15];
	}
	enum status status = secret_from_span((struct span){ text, 2 * entropy }, out_secret);
	explicit_bzero(raw, sizeof(raw));
	explicit_bzero(text, sizeof(text));
	return status;
}

bool secret_is_empty(const struct secret *secret)
{
	return secret->size == 0;
}

struct span secret_reveal(const struct secret *secret)
{
	return (struct span){ secret->bytes, secret->size };
}

bool secret_equal(struct span a, struct span b)
{
	if (a.size != b.size)
		return false;
	unsigned char difference = 0;
	for (size_t i = 0; i < a.size; i++)
		difference |= (unsigned char)(a.data[i] ^ b.data[i]);
	return difference == 0;
}

void secret_wipe(struct secret *secret)
{
	if (secret->bytes) {
		explicit_bzero(secret->bytes, secret->size);
		free(secret->bytes);
	}
	*secret = (struct secret){ 0 };
}

/* Sealed memfds. Owns nothing; fails with the reason in errno. */
#include "supervise/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
/* Linux 6.3. */
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int make_memory_file(const char *label)
{
	int fd = memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING); /* an older kernel */
	return fd;
}

static enum status write_all(int fd, struct span bytes)
{
	while (bytes.size) {
		ssize_t wrote = write(fd, bytes.data, bytes.size);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return STATUS_SYSTEM;
		bytes = span_slice(bytes, (size_t)wrote, bytes.size);
	}
	return STATUS_OK;
}

enum status memory_file_seal(const char *label, struct span bytes, int *out_fd)
{
	int fd = make_memory_file(label);
	if (fd < 0)
		return STATUS_SYSTEM;
	enum status status = write_all(fd, bytes);
	if (status == STATUS_OK && fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		status = STATUS_SYSTEM;
	if (status != STATUS_OK) {
		int error = errno;
		close(fd);
		errno = error;
		return status;
	}
	*out_fd = fd;
	return STATUS_OK;
}

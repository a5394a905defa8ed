/* For tests of the supervise room: a folder that goes away, files in it, and configs from text. */
#ifndef TESTS_SUPERVISE_FIXTURE_H
#define TESTS_SUPERVISE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "role/handover.h"

#define PATH_SIZE 256 /* bytes */

struct fixture {
	char folder[64];
	struct config *config;
	FILE *faults; /* into `told` */
	char *told;
	size_t told_size;
};

static inline int fixture_remove(const char *path, const struct stat *info, int type, struct FTW *at)
{
	(void)info;
	(void)type;
	(void)at;
	return remove(path);
}

static inline void fixture_open(struct fixture *f)
{
	*f = (struct fixture){ .folder = "/tmp/subgate-test-XXXXXX" };
	assert_non_null(mkdtemp(f->folder));
	f->faults = open_memstream(&f->told, &f->told_size);
	assert_non_null(f->faults);
}

static inline void fixture_close(struct fixture *f)
{
	config_free(&f->config);
	fclose(f->faults);
	free(f->told);
	nftw(f->folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* What was told of faults so far. */
static inline const char *fixture_told(struct fixture *f)
{
	fflush(f->faults);
	return f->told;
}

static inline void fixture_path(const struct fixture *f, const char *name, char out_path[PATH_SIZE])
{
	snprintf(out_path, PATH_SIZE, "%s/%s", f->folder, name);
}

static inline void fixture_write(const struct fixture *f, const char *name, const char *text, mode_t mode)
{
	char path[PATH_SIZE];
	fixture_path(f, name, path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* A config whose folders are in the fixture's, followed by these sections. */
static inline void fixture_config(struct fixture *f, const char *sections)
{
	char *text = NULL, *file = NULL;
	assert_true(asprintf(&file, "%s/subgate.conf", f->folder) > 0);
	assert_true(asprintf(&text,
			     "hostname = \"test.example.com\"\nuser = \"\"\n"
			     "state_dir = \"%s/state\"\nrun_dir = \"%s/run\"\n"
			     "auth { backends = {\"app_password\"} }\n"
			     "route default { relays = {\"up\"} }\n%s",
			     f->folder, f->folder, sections) > 0);
	config_free(&f->config);
	if (config_load(span_of(text), file, f->faults, &f->config) != STATUS_OK)
		fail_msg("the test's config is wrong: %s", fixture_told(f));
	free(text);
	free(file);
}

#define PLAIN_RELAY "relay up { host = \"127.0.0.1\" port = 25 tls = \"none\" auth = \"none\" }\n"
#define ONE_LISTENER "listener s { address = {\"127.0.0.1:465\"} }\n"

#endif

/*
 * The state file of the keys: one place of less than a sector, written over and forced to disk with each signature. A
 * private key is in memory only while it is read, made or used.
 */
#include "audit/audit_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VERSION "SGAUDIT1" /* of the place; native byte order */
#define SECTOR_SIZE 512    /* bytes: written whole or not at all */
#define READ_TRIES 3       /* another process may be writing it */

/* As it is in the file. The statement's `next` is public_key. */
struct keys_place {
	char version[8];
	uint64_t number, count; /* of the last statement; number 0: none yet */
	unsigned char chain[(AUDIT_CHAIN_ID_SIZE - 1) / 2];
	unsigned char head[HASH_SHA256_SIZE];
	unsigned char key[ED25519_KEY_SIZE];
	unsigned char signature[ED25519_SIGNATURE_SIZE];
	unsigned char private_key[ED25519_KEY_SIZE], public_key[ED25519_KEY_SIZE]; /* of the next checkpoint */
	unsigned char first[ED25519_KEY_SIZE];
	unsigned char checksum[HASH_SHA256_SIZE]; /* of all before it */
};

_Static_assert(sizeof(struct keys_place) <= SECTOR_SIZE, "a place is written whole or not at all");

struct audit_keys {
	int fd;
	bool is_locked;
};

static void wipe_place(struct keys_place *place)
{
	explicit_bzero(place, sizeof(*place));
}

static enum status compute_checksum(const struct keys_place *place, unsigned char out_sum[HASH_SHA256_SIZE])
{
	return hash_sha256((struct span){ (const char *)place, offsetof(struct keys_place, checksum) }, out_sum);
}

/* STATUS_NOT_FOUND: there is none, or none that can be read. */
static enum status read_place(int fd, struct keys_place *out_place)
{
	unsigned char sum[HASH_SHA256_SIZE];
	ssize_t got = pread(fd, out_place, sizeof(*out_place), 0);
	if (got < 0)
		return STATUS_SYSTEM;
	if (got != (ssize_t)sizeof(*out_place) || memcmp(out_place->version, VERSION, sizeof(out_place->version)) != 0)
		return STATUS_NOT_FOUND;
	TRY(compute_checksum(out_place, sum));
	return memcmp(sum, out_place->checksum, sizeof(sum)) == 0 ? STATUS_OK : STATUS_NOT_FOUND;
}

static enum status write_place(int fd, struct keys_place *place)
{
	TRY(compute_checksum(place, place->checksum));
	ssize_t put = pwrite(fd, place, sizeof(*place), 0);
	if (put >= 0 && put != (ssize_t)sizeof(*place))
		errno = ENOSPC;
	if (put != (ssize_t)sizeof(*place))
		return STATUS_SYSTEM;
	return fdatasync(fd) == 0 ? STATUS_OK : STATUS_SYSTEM;
}

static enum status set_lock(int fd, short type, int wait)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
	while (fcntl(fd, wait, &lock) != 0) {
		if (errno == EAGAIN || errno == EACCES)
			return STATUS_AGAIN;
		if (errno != EINTR)
			return STATUS_SYSTEM;
	}
	return STATUS_OK;
}

/* ---- opening */

static enum status begin_row(int fd, struct keys_place *place)
{
	wipe_place(place);
	memcpy(place->version, VERSION, sizeof(place->version));
	TRY(ed25519_generate(place->private_key, place->public_key));
	memcpy(place->first, place->public_key, sizeof(place->first));
	return write_place(fd, place);
}

/* Under a lock, so that two processes don't begin two rows; nobody holds it for long before there is a key. */
static enum status find_or_begin_row(int fd, bool *out_renewed)
{
	struct keys_place place;
	enum status status = set_lock(fd, F_WRLCK, F_SETLKW);
	if (status != STATUS_OK)
		return status;
	status = read_place(fd, &place);
	bool is_renewed = status == STATUS_NOT_FOUND;
	if (is_renewed)
		status = begin_row(fd, &place);
	wipe_place(&place);
	(void)set_lock(fd, F_UNLCK, F_SETLK);
	if (status == STATUS_OK)
		*out_renewed = is_renewed;
	return status;
}

/* A file that holds a key needs no lock: its holder may be waiting for a full disk. */
static enum status find_row(int fd, bool *out_renewed)
{
	struct keys_place place;
	enum status status = read_place(fd, &place);
	wipe_place(&place);
	if (status == STATUS_NOT_FOUND)
		return find_or_begin_row(fd, out_renewed);
	if (status == STATUS_OK)
		*out_renewed = false;
	return status;
}

enum status audit_keys_open(int fd, struct audit_keys **out_keys, bool *out_renewed)
{
	struct audit_keys *keys = calloc(1, sizeof(*keys));
	enum status status = keys ? find_row(fd, out_renewed) : STATUS_NO_MEMORY;
	if (status != STATUS_OK) {
		int error = errno;
		free(keys);
		close(fd);
		errno = error;
		return status;
	}
	keys->fd = fd;
	*out_keys = keys;
	return STATUS_OK;
}

void audit_keys_free(struct audit_keys **keys)
{
	if (*keys == NULL)
		return;
	close((*keys)->fd); /* with it goes the lock */
	free(*keys);
	*keys = NULL;
}

/* ---- reading */

static void copy_statement(const struct keys_place *place, struct audit_statement *out_statement)
{
	struct audit_statement *statement = out_statement;
	statement->number = place->number;
	statement->count = place->count;
	hash_to_hex(place->chain, sizeof(place->chain), statement->chain);
	hash_to_hex(place->head, sizeof(place->head), statement->head);
	hash_to_hex(place->key, sizeof(place->key), statement->key);
	hash_to_hex(place->public_key, sizeof(place->public_key), statement->next);
	hash_to_hex(place->signature, sizeof(place->signature), statement->signature);
}

enum status audit_keys_read(const struct audit_keys *keys, struct audit_keys_state *out_state)
{
	struct keys_place place;
	enum status status = STATUS_NOT_FOUND;
	for (int i = 0; i < READ_TRIES && status == STATUS_NOT_FOUND; i++)
		status = read_place(keys->fd, &place);
	if (status == STATUS_OK) {
		hash_to_hex(place.first, sizeof(place.first), out_state->first);
		hash_to_hex(place.public_key, sizeof(place.public_key), out_state->next);
		copy_statement(&place, &out_state->last);
	} else if (status == STATUS_NOT_FOUND) {
		errno = EBADMSG;
		status = STATUS_SYSTEM;
	}
	wipe_place(&place);
	return status;
}

/* ---- signing */

enum status audit_keys_lock(struct audit_keys *keys)
{
	if (keys->is_locked)
		return STATUS_OK;
	TRY(set_lock(keys->fd, F_WRLCK, F_SETLK));
	keys->is_locked = true;
	return STATUS_OK;
}

void audit_keys_unlock(struct audit_keys *keys)
{
	if (keys->is_locked)
		(void)set_lock(keys->fd, F_UNLCK, F_SETLK);
	keys->is_locked = false;
}

/* Signs with the key of `place`, and puts a new one in its place. */
static enum status sign_next(struct keys_place *place, struct audit_statement *statement)
{
	unsigned char private_key[ED25519_KEY_SIZE], public_key[ED25519_KEY_SIZE];
	TRY(ed25519_generate(private_key, public_key));
	statement->number = place->number + 1;
	hash_to_hex(place->public_key, sizeof(place->public_key), statement->key);
	hash_to_hex(public_key, sizeof(public_key), statement->next);
	enum status status = audit_statement_sign(statement, place->private_key);
	if (status == STATUS_OK) {
		memcpy(place->key, place->public_key, sizeof(place->key));
		memcpy(place->private_key, private_key, sizeof(place->private_key));
		memcpy(place->public_key, public_key, sizeof(place->public_key));
	}
	explicit_bzero(private_key, sizeof(private_key));
	return status;
}

static enum status keep_statement(struct keys_place *place, const struct audit_statement *statement)
{
	place->number = statement->number;
	place->count = statement->count;
	TRY(audit_read_hex(span_of(statement->chain), place->chain, sizeof(place->chain)));
	TRY(audit_read_hex(span_of(statement->head), place->head, sizeof(place->head)));
	return audit_read_hex(span_of(statement->signature), place->signature, sizeof(place->signature));
}

enum status audit_keys_sign(struct audit_keys *keys, const char *chain, uint64_t count, const char *head,
			    struct audit_statement *out_statement)
{
	struct keys_place place;
	struct audit_statement statement = { .count = count };
	strncpy(statement.chain, chain, sizeof(statement.chain) - 1);
	strncpy(statement.head, head, sizeof(statement.head) - 1);
	enum status status = read_place(keys->fd, &place);
	if (status == STATUS_OK)
		status = sign_next(&place, &statement);
	if (status == STATUS_OK)
		status = keep_statement(&place, &statement);
	if (status == STATUS_OK)
		status = write_place(keys->fd, &place);
	wipe_place(&place);
	if (status == STATUS_NOT_FOUND)
		errno = EBADMSG;
	if (status != STATUS_OK)
		return STATUS_SYSTEM;
	*out_statement = statement;
	return STATUS_OK;
}

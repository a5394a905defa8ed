/*
 * Listening sockets, found again by address and gate. Owns them. If one address of a config can't be opened, nothing
 * changes.
 */
#include "supervise/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/listener.h"

#define UNIX_PREFIX "unix:"

struct socket_entry *sockets_find(const struct sockets *sockets, const char *address, unsigned slot)
{
	for (size_t i = 0; i < sockets->count; i++)
		if (sockets->items[i].slot == slot && strcmp(sockets->items[i].address, address) == 0)
			return &sockets->items[i];
	return NULL;
}

static bool is_unix(const char *address)
{
	return strncmp(address, UNIX_PREFIX, sizeof(UNIX_PREFIX) - 1) == 0;
}

static void drop_socket(struct socket_entry *entry)
{
	if (is_unix(entry->address))
		unlink(entry->address + sizeof(UNIX_PREFIX) - 1);
	if (entry->fd >= 0)
		close(entry->fd);
	free(entry->address);
}

/* ---- opening */

/*
 * SO_REUSEPORT lets our gates share a port, and would let another subgate of the same user share it unnoticed. So the
 * address is first bound without it.
 */
static bool is_free_address(const struct endpoint *endpoint)
{
	const int on = 1;
	int fd = socket(endpoint->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (endpoint->storage.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	bool bound = bind(fd, (const struct sockaddr *)&endpoint->storage, endpoint->size) == 0 && listen(fd, 1) == 0;
	int error = errno;
	close(fd);
	errno = error;
	return bound;
}

static bool is_open_address(const struct sockets *sockets, const char *address)
{
	for (size_t i = 0; i < sockets->count; i++)
		if (strcmp(sockets->items[i].address, address) == 0)
			return true;
	return false;
}

/* Where an address is in the config, for faults. */
struct socket_origin {
	const struct config *config;
	const char *option;
	unsigned line;
	gid_t group;
	mode_t mode; /* of a UNIX socket */
};

/* The control socket, or one of the console. As we hold the lock on run_dir, an old socket is nobody's. */
static enum status open_unix(const char *path, const struct endpoint *endpoint, const struct socket_origin *origin,
			     int *out_fd)
{
	int fd = -1;
	if (unlink(path) < 0 && errno != ENOENT)
		return STATUS_SYSTEM;
	mode_t mask = umask(0177);
	enum status status = listener_open_socket(endpoint, &fd);
	umask(mask);
	TRY(status);
	if (chown(path, (uid_t)-1, origin->group) < 0 || chmod(path, origin->mode) < 0) {
		close(fd);
		return STATUS_SYSTEM;
	}
	*out_fd = fd;
	return STATUS_OK;
}

static enum status open_socket(const struct sockets *sockets, const char *address, const struct socket_origin *origin,
			       int *out_fd)
{
	struct endpoint endpoint;
	TRY(endpoint_parse(span_of(address), &endpoint));
	if (is_unix(address))
		return open_unix(address + sizeof(UNIX_PREFIX) - 1, &endpoint, origin, out_fd);
	if (!is_open_address(sockets, address) && !is_free_address(&endpoint))
		return STATUS_SYSTEM;
	return listener_open_socket(&endpoint, out_fd);
}

static enum status append_socket(struct sockets *sockets, const char *address, unsigned slot, int fd)
{
	struct socket_entry *items = realloc(sockets->items, (sockets->count + 1) * sizeof(*items));
	if (items == NULL)
		return STATUS_NO_MEMORY;
	sockets->items = items;
	struct socket_entry entry = { strdup(address), slot, fd, sockets->last_number + 1, true };
	if (entry.address == NULL)
		return STATUS_NO_MEMORY;
	sockets->last_number++;
	items[sockets->count++] = entry;
	return STATUS_OK;
}

static enum status want_address(struct sockets *sockets, const char *address, unsigned slot,
				const struct socket_origin *origin, FILE *faults)
{
	struct socket_entry *entry = sockets_find(sockets, address, slot);
	int fd = -1;
	if (entry && entry->wanted) {
		fprintf(faults, "%s:%u: %s: \"%s\" is used twice\n", origin->config->file, origin->line, origin->option,
			address);
		return STATUS_INVALID;
	}
	if (entry) {
		entry->wanted = true;
		return STATUS_OK;
	}
	enum status status = open_socket(sockets, address, origin, &fd);
	if (status != STATUS_OK) {
		fprintf(faults, "%s:%u: %s: can't listen on \"%s\": %s\n", origin->config->file, origin->line,
			origin->option, address, status == STATUS_SYSTEM ? strerror(errno) : status_text(status));
		return status;
	}
	status = append_socket(sockets, address, slot, fd);
	if (status != STATUS_OK)
		close(fd);
	return status;
}

static enum status want_slot(struct sockets *sockets, const struct config *config, unsigned slot, FILE *faults)
{
	for (size_t i = 0; i < config->listener.count; i++) {
		const struct config_listener *listener = &config->listener.items[i];
		const struct socket_origin origin = { config, "listener.address", listener->line, (gid_t)-1, 0 };
		for (size_t k = 0; k < listener->address.count; k++)
			TRY(want_address(sockets, listener->address.items[k], slot, &origin, faults));
	}
	return STATUS_OK;
}

/* Where an address stays, the sockets of gates that no longer exist are wanted too: other gates take them over. */
static void want_surplus(struct sockets *sockets, unsigned gates)
{
	for (size_t i = 0; i < sockets->count; i++) {
		struct socket_entry *entry = &sockets->items[i];
		const struct socket_entry *first = sockets_find(sockets, entry->address, 1);
		if (entry->slot > gates && first && first->wanted)
			entry->wanted = true;
	}
}

/* "" where there is no control socket. STATUS_NO_MEMORY. */
static enum status control_address(const struct config *config, char **out_address)
{
	char *address = NULL;
	if (asprintf(&address, "%s%s", config->admin.socket[0] ? UNIX_PREFIX : "", config->admin.socket) < 0)
		return STATUS_NO_MEMORY;
	*out_address = address;
	return STATUS_OK;
}

/* A file has one group: with a second one all may connect, and the admin role turns others away (admin/caller.h). */
static mode_t control_mode(const struct identities *identities)
{
	if (identities->operator_group != (gid_t)-1)
		return 0666;
	return identities->admin_group == (gid_t)-1 ? 0600 : 0660;
}

static enum status want_admin(struct sockets *sockets, const struct config *config, const struct identities *identities,
			      FILE *faults)
{
	const struct socket_origin control = { config, "admin.socket", config->admin.line, identities->admin_group,
					       control_mode(identities) };
	const struct socket_origin http = { config, "admin.http", config->admin.line, (gid_t)-1, 0 };
	char *address;
	TRY(control_address(config, &address));
	enum status status = address[0] ? want_address(sockets, address, 0, &control, faults) : STATUS_OK;
	free(address);
	TRY(status);
	return config->admin.http[0] ? want_address(sockets, config->admin.http, 0, &http, faults) : STATUS_OK;
}

/* Whoever reaches a UNIX socket of the console is a stranger, as on a loopback address. */
static enum status want_console(struct sockets *sockets, const struct config *config, FILE *faults)
{
	const struct socket_origin origin = { config, "console.address", config->console.line, (gid_t)-1, 0666 };
	const struct config_list *addresses = &config->console.address;
	for (size_t i = 0; i < addresses->count; i++)
		TRY(want_address(sockets, addresses->items[i], 0, &origin, faults));
	return STATUS_OK;
}

static enum status want_all(struct sockets *sockets, const struct config *config, unsigned gates,
			    const struct identities *identities, FILE *faults)
{
	for (unsigned slot = 1; slot <= gates; slot++)
		TRY(want_slot(sockets, config, slot, faults));
	want_surplus(sockets, gates);
	TRY(want_console(sockets, config, faults));
	return want_admin(sockets, config, identities, faults);
}

enum status sockets_open(struct sockets *sockets, const struct config *config, unsigned gates,
			 const struct identities *identities, FILE *faults)
{
	size_t before = sockets->count;
	for (size_t i = 0; i < before; i++)
		sockets->items[i].wanted = false;
	enum status status = want_all(sockets, config, gates, identities, faults);
	if (status == STATUS_OK)
		return status;
	while (sockets->count > before)
		drop_socket(&sockets->items[--sockets->count]);
	for (size_t i = 0; i < before; i++)
		sockets->items[i].wanted = true;
	return status;
}

void sockets_trim(struct sockets *sockets)
{
	size_t kept = 0;
	for (size_t i = 0; i < sockets->count; i++)
		if (sockets->items[i].wanted)
			sockets->items[kept++] = sockets->items[i];
		else
			drop_socket(&sockets->items[i]);
	sockets->count = kept;
}

void sockets_close_gates(struct sockets *sockets)
{
	for (size_t i = 0; i < sockets->count; i++)
		sockets->items[i].wanted = sockets->items[i].slot == 0;
	sockets_trim(sockets);
}

/* ---- handing over */

enum status sockets_hand_over(const struct sockets *sockets, const struct config *config, struct handover *list)
{
	char *address;
	TRY(control_address(config, &address));
	const struct socket_entry *control = sockets_find(sockets, address, 0);
	const struct socket_entry *http = sockets_find(sockets, config->admin.http, 0);
	free(address);
	if (control)
		TRY(handover_add(list, TO(ROLE_ADMIN), control->fd, "control"));
	if (http)
		TRY(handover_add(list, TO(ROLE_ADMIN), http->fd, "http"));
	return STATUS_OK;
}

enum status sockets_hand_over_console(const struct sockets *sockets, const struct config *config, struct handover *list)
{
	const struct config_list *addresses = &config->console.address;
	for (size_t i = 0; i < addresses->count; i++) {
		const struct socket_entry *entry = sockets_find(sockets, addresses->items[i], 0);
		if (entry)
			TRY(handover_add(list, TO(ROLE_CONSOLE), entry->fd, "console:%zu", i));
	}
	return STATUS_OK;
}

void sockets_close(struct sockets *sockets)
{
	for (size_t i = 0; i < sockets->count; i++)
		drop_socket(&sockets->items[i]);
	free(sockets->items);
	*sockets = (struct sockets){ 0 };
}

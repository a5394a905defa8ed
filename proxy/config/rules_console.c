/* The rules of the section console. */
#include <string.h>

#include "config/load.h"
#include "config/values.h"

#define UNIX_PREFIX "unix:"
#define ADDRESSES_MAXIMUM 16 /* as the role listens on so many */

static bool is_named(const struct config_list *list, const char *address, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list->items[i], address) == 0)
			return true;
	return false;
}

static bool is_taken(const struct config *config, const char *address, size_t index)
{
	for (size_t i = 0; i < config->listener.count; i++) {
		const struct config_list *list = &config->listener.items[i].address;
		if (is_named(list, address, list->count))
			return true;
	}
	return is_named(&config->console.address, address, index) || strcmp(config->admin.http, address) == 0;
}

/* A socket that is left over there is nobody's, as one subgate alone has the folder (supervise/sockets.c). */
static bool is_in_run_dir(const struct config *config, const char *path)
{
	struct span folder = span_of(config->global.run_dir);
	struct span name = span_of(path);
	if (!span_starts_with(name, folder) || name.size <= folder.size + 1 || name.data[folder.size] != '/')
		return false;
	name = span_slice(name, folder.size + 1, name.size);
	return !span_contains_byte(name, '/') && strcmp(path, config->admin.socket) != 0;
}

static void check_address(struct load *load, size_t index)
{
	const struct config *config = load->config;
	const char *address = config->console.address.items[index];
	bool is_unix = strncmp(address, UNIX_PREFIX, sizeof(UNIX_PREFIX) - 1) == 0;
	if (is_unix && !is_in_run_dir(config, address + sizeof(UNIX_PREFIX) - 1))
		load_fault(load, "console", "", "address",
			   "\"%.80s\" is no socket in run_dir; expected one such as \"unix:%.80s/console.sock\"",
			   address, config->global.run_dir);
	else if (is_unix && config->console.tls)
		load_fault(load, "console", "", "address",
			   "\"%.80s\" with TLS; expected tls = false, and TLS at the web server in front", address);
	else if (!is_unix && !value_is_endpoint(span_of(address)))
		load_fault(load, "console", "", "address",
			   "\"%.80s\" is not an address and a port; expected one such as \"0.0.0.0:8443\"", address);
	else if (!is_unix && !config->console.tls && !value_is_loopback_endpoint(span_of(address)))
		load_fault(load, "console", "", "tls",
			   "passwords would cross the network to \"%.80s\" in the clear; expected a loopback address, "
			   "a UNIX socket, or tls = true",
			   address);
	else if (is_taken(config, address, index))
		load_fault(load, "console", "", "address", "\"%.80s\" is listened on already", address);
}

void rules_check_console(struct load *load)
{
	const struct config_list *addresses = &load->config->console.address;
	if (addresses->count > ADDRESSES_MAXIMUM)
		load_fault(load, "console", "", "address", "%zu addresses; expected %d at most", addresses->count,
			   ADDRESSES_MAXIMUM);
	for (size_t i = 0; i < addresses->count; i++)
		check_address(load, i);
}

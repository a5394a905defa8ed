/* Lists of networks. Each owns its array. */
#include "gate/networks.h"

#include <stdlib.h>

enum status networks_read(const struct config_list *list, struct networks *out_networks)
{
	struct networks networks = { .items = calloc(list->count ? list->count : 1, sizeof(*networks.items)),
				     .count = list->count };
	if (networks.items == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < list->count; i++) {
		enum status status = network_parse(span_of(list->items[i]), &networks.items[i]);
		if (status != STATUS_OK) {
			networks_free(&networks);
			return status;
		}
	}
	*out_networks = networks;
	return STATUS_OK;
}

void networks_free(struct networks *networks)
{
	free(networks->items);
	*networks = (struct networks){ 0 };
}

bool networks_contain(const struct networks *networks, const struct endpoint *client)
{
	char address[ENDPOINT_TEXT_SIZE];
	endpoint_format(client, address);
	for (size_t i = 0; i < networks->count; i++) {
		if (network_contains(&networks->items[i], span_of(address)))
			return true;
	}
	return false;
}

/* Owns nothing: guests are their connections'. Looks at each, as a socket has some hundreds at most. */
#include "console/crowd.h"

#include <string.h>

static void fill_networks(struct guest *guest, struct span address)
{
	for (unsigned width = 0; width < NETWORK_WIDTHS; width++)
		if (!network_of_client_in(address, width, guest->networks[width]))
			guest->networks[width][0] = '\0';
}

static unsigned count_same(const struct crowd *crowd, const struct guest *like, unsigned width)
{
	unsigned count = 0;
	for (const struct guest *guest = crowd->first; guest; guest = guest->next)
		count += strcmp(guest->networks[width], like->networks[width]) == 0;
	return count;
}

bool crowd_has_room(const struct crowd *crowd, struct span address, unsigned maximum)
{
	struct guest guest = { 0 };
	fill_networks(&guest, address);
	for (unsigned width = 0; width < NETWORK_WIDTHS; width++)
		if (guest.networks[width][0] && count_same(crowd, &guest, width) >= maximum * network_shares(width))
			return false;
	return true;
}

void crowd_add(struct crowd *crowd, struct guest *guest, struct span address)
{
	fill_networks(guest, address);
	guest->next = crowd->first;
	guest->at = &crowd->first;
	if (guest->next)
		guest->next->at = &guest->next;
	crowd->first = guest;
}

void crowd_remove(struct guest *guest)
{
	if (guest->at == NULL)
		return;
	*guest->at = guest->next;
	if (guest->next)
		guest->next->at = guest->at;
	guest->at = NULL;
}

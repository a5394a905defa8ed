/* The number of gates. Asks the machine for its cores. */
#include "role/role.h"

#include <unistd.h>

unsigned role_gate_count(const struct config *config)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (config->global.gates)
		return (unsigned)config->global.gates;
	return cores > 1 ? (unsigned)(cores + 1) / 2 : 1;
}

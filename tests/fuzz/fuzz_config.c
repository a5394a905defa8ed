/*
 * Hostile configuration text: faults and nothing else. What loads is dumped
 * and loaded again, and must then dump the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

static char *dump(const struct config *config, size_t *out_size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, out_size);
	if (!out)
		abort();
	config_dump(config, out);
	fclose(out);
	return text;
}

static void load_again(const char *text, size_t size)
{
	struct config *config = NULL;
	size_t again_size;
	if (config_load((struct span){ text, size }, "/etc/fuzz.conf", stderr, &config) != STATUS_OK)
		abort();
	char *again = dump(config, &again_size);
	if (again_size != size || memcmp(again, text, size) != 0)
		abort();
	free(again);
	config_free(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	struct config *config = NULL;
	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	if (!nowhere)
		abort();
	if (config_load((struct span){ (const char *)data, size }, "/etc/fuzz.conf", nowhere, &config) != STATUS_OK)
		return 0;
	size_t text_size;
	char *text = dump(config, &text_size);
	config_free(&config);
	load_again(text, text_size);
	free(text);
	return 0;
}

/*
 * What libFuzzer is otherwise: runs a target once over each file of the folders named, and over the empty input. So
 * `make unit` builds every target with the compiler of the product, and what was once found stays found.
 */
#include <assert.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAXIMUM (1 << 20) /* bytes: libFuzzer makes none that are longer */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay_file(const char *folder, const char *name)
{
	static uint8_t input[INPUT_MAXIMUM];
	char path[4096];
	assert(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
	FILE *file = fopen(path, "rb");
	if (!file) {
		perror(path);
		exit(1);
	}
	size_t size = fread(input, 1, sizeof input, file);
	fclose(file);
	printf("[ RUN      ] %s\n", path);
	fflush(stdout);                           /* the line stands in the log when the target aborts */
	uint8_t *exact = malloc(size ? size : 1); /* a sanitizer sees reads beyond its end */
	assert(exact);
	memcpy(exact, input, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	printf("[       OK ] %s\n", path);
}

static void replay_folder(const char *folder)
{
	DIR *entries = opendir(folder);
	if (!entries)
		return; /* a target without seeds */
	for (struct dirent *entry = readdir(entries); entry; entry = readdir(entries)) {
		if (entry->d_name[0] != '.')
			replay_file(folder, entry->d_name);
	}
	closedir(entries);
}

int main(int argc, char **argv)
{
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		replay_folder(argv[i]);
	return 0;
}

/* The threads of the audit's keepers, which nobody joins: a test that takes their folder away waits for their end. */
#ifndef TESTS_KEEPER_THREADS_H
#define TESTS_KEEPER_THREADS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static inline bool is_keeper_thread(const char *id)
{
	char path[300], name[32] = "";
	snprintf(path, sizeof(path), "/proc/self/task/%.200s/comm", id);
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return false;
	bool is_read = fgets(name, sizeof(name), file) != NULL;
	fclose(file);
	return is_read && (strcmp(name, "audit-look\n") == 0 || strcmp(name, "audit-tidy\n") == 0);
}

static inline unsigned count_keeper_threads(void)
{
	const struct dirent *entry;
	unsigned count = 0;
	DIR *tasks = opendir("/proc/self/task");
	assert_non_null(tasks);
	while ((entry = readdir(tasks)) != NULL)
		count += entry->d_name[0] != '.' && is_keeper_thread(entry->d_name);
	closedir(tasks);
	return count;
}

/* None for a while: one that has only just begun has no name yet. */
static inline void wait_for_no_keeper(void)
{
	unsigned calm = 0;
	for (unsigned i = 0; i < 30000 && calm < 50; i++) {
		calm = count_keeper_threads() ? 0 : calm + 1;
		usleep(1000);
	}
	assert_int_equal(calm, 50);
}

#endif

/* Configurations as tests load them: from a text, with the faults that are told. */
#ifndef TESTS_CONFIG_TRIAL_H
#define TESTS_CONFIG_TRIAL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

#define FILE_NAME "/etc/subgate/subgate.conf"
#define FAULTS_SIZE 65536 /* bytes */

/* The least that loads; further lines come after it, from line 4 on. */
#define LEAST                                             \
	"listener in { address = {\"127.0.0.1:465\"} }\n" \
	"auth { backends = {\"app_password\"} }\n"        \
	"relay r { host = \"127.0.0.1\" tls = none auth = none }\n"

static char faults[FAULTS_SIZE];

static inline struct config *load_span(struct span text)
{
	struct config *config = NULL;
	memset(faults, 0, sizeof(faults));
	FILE *out = fmemopen(faults, sizeof(faults) - 1, "w");
	enum status status = config_load(text, FILE_NAME, out, &config);
	fclose(out);
	assert_int_equal(status == STATUS_OK, config != NULL);
	assert_int_equal(status == STATUS_OK, faults[0] == '\0');
	return config;
}

static inline struct config *load_text(const char *text)
{
	struct config *config = load_span(span_of(text));
	if (!config)
		print_error("%s", faults);
	assert_non_null(config);
	return config;
}

/* Faults without "FILE:" at each line's beginning. */
static inline void assert_faults(const char *expected)
{
	static char shortened[FAULTS_SIZE];
	size_t used = 0;
	shortened[0] = '\0';
	struct span rest = span_of(faults), line;
	while (span_cut(&rest, '\n', &line) && line.size) {
		assert_true(span_starts_with(line, SPAN(FILE_NAME ":")));
		line = span_slice(line, sizeof(FILE_NAME ":") - 1, line.size);
		used += (size_t)snprintf(shortened + used, sizeof(shortened) - used, "%.*s\n", SPAN_ARGS(line));
	}
	assert_string_equal(shortened, expected);
}

#endif

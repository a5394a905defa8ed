/*
 * Writes and reads a birth. Owns the texts of an environment until it is freed. What it reads is bounded, and any
 * variable may be missing.
 */
#include "role/birth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBERS_VARIABLE "SUBGATE_PROCESS"
#define IDENTITY_VARIABLE "SUBGATE_IDENTITY"
#define CONFIG_VARIABLE "SUBGATE_CONFIG"
#define REDIS_VARIABLE "SUBGATE_REDIS"
#define GROUPS_VARIABLE "SUBGATE_GROUPS"

/* ---- writing */

static enum status set_variable(struct birth_environment *environment, const char *name, const char *value)
{
	if (environment->count == BIRTH_VARIABLES)
		return STATUS_TOO_LARGE;
	char *text = NULL;
	if (asprintf(&text, "%s=%s", name, value) < 0)
		return STATUS_NO_MEMORY;
	environment->variables[environment->count++] = text;
	return STATUS_OK;
}

static enum status set_numbers(struct birth_environment *environment, const struct birth *birth)
{
	char text[96];
	snprintf(text, sizeof(text), "%u %u %u %u %d", birth->instance, birth->index, birth->seat, birth->seats,
		 (int)birth->parent);
	return set_variable(environment, NUMBERS_VARIABLE, text);
}

static enum status set_groups(struct birth_environment *environment, const struct birth *birth)
{
	char text[32];
	snprintf(text, sizeof(text), "%u %u", birth->admin_group, birth->operator_group);
	return set_variable(environment, GROUPS_VARIABLE, text);
}

static enum status set_descriptors(struct birth_environment *environment, const struct handover *list)
{
	struct buf text BUF_AUTO;
	buf_init(&text, HANDOVER_TEXT_MAXIMUM);
	TRY(handover_write(list, &text));
	TRY(buf_append_byte(&text, '\0'));
	return set_variable(environment, HANDOVER_VARIABLE, buf_span(&text).data);
}

/* All that roles see of the supervisor's environment: libraries read these variables, and none holds a secret. */
static enum status pass_on(struct birth_environment *environment)
{
	static const char *const names[] = { "TZ", "LANG", "LC_ALL", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);
		if (value)
			TRY(set_variable(environment, names[i], value));
	}
	return STATUS_OK;
}

static enum status set_all(struct birth_environment *environment, const struct birth *birth,
			   const struct handover *list)
{
	char identity[IDENTITY_TEXT_SIZE];
	identity_write(&birth->identity, identity);
	TRY(set_numbers(environment, birth));
	TRY(set_variable(environment, IDENTITY_VARIABLE, identity));
	TRY(set_variable(environment, CONFIG_VARIABLE, birth->config_file));
	TRY(set_variable(environment, REDIS_VARIABLE, birth->redis_server));
	TRY(set_groups(environment, birth));
	TRY(set_descriptors(environment, list));
	return pass_on(environment);
}

enum status birth_write(const struct birth *birth, const struct handover *list,
			struct birth_environment *out_environment)
{
	struct birth_environment environment = { 0 };
	enum status status = set_all(&environment, birth, list);
	if (status == STATUS_OK)
		*out_environment = environment;
	else
		birth_environment_free(&environment);
	return status;
}

void birth_environment_free(struct birth_environment *environment)
{
	for (size_t i = 0; i < environment->count; i++)
		free(environment->variables[i]);
	*environment = (struct birth_environment){ 0 };
}

/* ---- reading */

static enum status take_number(struct span *rest, uint64_t maximum, uint64_t *out_number)
{
	struct span part;
	if (!span_cut(rest, ' ', &part))
		return STATUS_INVALID;
	TRY(span_to_u64(part, out_number));
	return *out_number <= maximum ? STATUS_OK : STATUS_INVALID;
}

static enum status read_numbers(const char *text, struct birth *birth)
{
	struct span rest = span_of(text);
	uint64_t numbers[5];
	for (size_t i = 0; i < 5; i++)
		TRY(take_number(&rest, INT32_MAX, &numbers[i]));
	if (!span_is_empty(rest))
		return STATUS_INVALID;
	birth->instance = (uint32_t)numbers[0];
	birth->index = (unsigned)numbers[1];
	birth->seat = (unsigned)numbers[2];
	birth->seats = (unsigned)numbers[3];
	birth->parent = (pid_t)numbers[4];
	return STATUS_OK;
}

static enum status read_groups(const char *text, struct birth *birth)
{
	struct span rest = span_of(text);
	uint64_t admins, operators;
	TRY(take_number(&rest, UINT32_MAX, &admins));
	TRY(take_number(&rest, UINT32_MAX, &operators));
	birth->admin_group = (gid_t)admins;
	birth->operator_group = (gid_t)operators;
	return span_is_empty(rest) ? STATUS_OK : STATUS_INVALID;
}

enum status birth_read(struct birth *out_birth, struct handover *out_list)
{
	const char *numbers = getenv(NUMBERS_VARIABLE);
	const char *identity = getenv(IDENTITY_VARIABLE);
	const char *descriptors = getenv(HANDOVER_VARIABLE);
	const char *groups = getenv(GROUPS_VARIABLE);
	struct birth birth = { .config_file = getenv(CONFIG_VARIABLE), .redis_server = getenv(REDIS_VARIABLE) };
	struct handover list = { 0 };
	if (numbers == NULL || identity == NULL || descriptors == NULL || birth.config_file == NULL ||
	    birth.redis_server == NULL || groups == NULL)
		return STATUS_INVALID;
	TRY(read_numbers(numbers, &birth));
	TRY(read_groups(groups, &birth));
	TRY(identity_read(span_of(identity), &birth.identity));
	TRY(handover_read(span_of(descriptors), &list));
	*out_birth = birth;
	*out_list = list;
	return STATUS_OK;
}

/*
 * What browsers send and we read ourselves. The first byte says what the rest is: a field of a request's header, or the
 * query or the body of a command, whose arguments are then judged for each role; or a form, whose fields pages show.
 * What somebody may ask about themselves alone is about them, and what is found in a field is a part of it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api_private.h"
#include "admin/commands.h"
#include "base/json_text.h"
#include "console/head.h"
#include "console/pages/form.h"
#include "console/pages/template.h"

#define USER "anna@example.com"

static void expect_within(struct span part, struct span whole)
{
	assert(part.size == 0 || (part.data >= whole.data && part.data + part.size <= whole.data + whole.size));
}

static void read_fields(struct span text)
{
	char address[HEAD_ADDRESS_SIZE] = "", again[HEAD_ADDRESS_SIZE];
	struct span cookie = head_find_cookie(text, SPAN("__Host-subgate"));
	expect_within(cookie, text);
	assert(!span_contains_byte(cookie, ';') && !span_contains_byte(cookie, '\r') &&
	       !span_contains_byte(cookie, '\n'));
	head_is_json(text);
	if (!head_find_forwarded(text, address))
		return;
	bool is_same = head_find_forwarded(span_of(address), again);
	assert(is_same && strcmp(address, again) == 0);
}

/* Arguments as they came, or as api_read_query took them; may be NULL. */
static void judge_arguments(const struct admin_command *command, const json_t *arguments)
{
	for (enum access_role role = ACCESS_USER; arguments && role < ACCESS_ROLES; role++) {
		json_t *copy = json_deep_copy(arguments);
		enum access_verdict verdict = access_judge(command, role, USER, copy);
		const char *user = json_string_value(json_object_get(copy, "user"));
		if (role == ACCESS_USER && verdict == ACCESS_ALLOWED)
			assert(access_is_own(command) && user && strcmp(user, USER) == 0);
		if (command->role == ROLE_KINDS) /* subgatectl's own: nobody's here */
			assert(verdict == ACCESS_HIDDEN);
		else
			assert(role != ACCESS_ADMIN || verdict == ACCESS_ALLOWED);
		assert(role != ACCESS_USER || verdict != ACCESS_FORBIDDEN);
		json_decref(copy);
	}
}

/* "name=value&name=value", as the library would have cut it. */
static void read_query(const struct admin_command *command, struct span text)
{
	const char *error = NULL;
	struct buf list BUF_AUTO;
	struct span pair, name;
	buf_init(&list, 1U << 20);
	while (text.size > 0 && span_cut(&text, '&', &pair)) {
		if (!span_contains_byte(pair, '='))
			name = pair, pair = (struct span){ 0 };
		else
			span_cut(&pair, '=', &name);
		if (codec_list_add(&list, name) != STATUS_OK || codec_list_add(&list, pair) != STATUS_OK)
			return;
	}
	json_t *arguments = api_read_query(command, codec_list_of(&list), &error);
	assert((arguments == NULL) == (error != NULL));
	judge_arguments(command, arguments);
	json_decref(arguments);
}

static void read_body(const struct admin_command *command, struct span text)
{
	const char *error = NULL;
	json_t *arguments = api_read_body(text, &error);
	assert((arguments == NULL) == (error != NULL));
	assert(arguments == NULL || json_object_get(arguments, "command") == NULL);
	judge_arguments(command, arguments);
	json_decref(arguments);
}

static struct span find_nothing(const void *context, struct span key)
{
	(void)context;
	(void)key;
	return (struct span){ 0 };
}

/* What a page shows of a form leaves neither its text nor its attribute. */
static void show_form(struct span text)
{
	static const struct template_words none = { find_nothing, find_nothing, NULL };
	struct buf html BUF_AUTO;
	json_t *fields = NULL;
	buf_init(&html, 1U << 20);
	if (form_read(text, &fields) != STATUS_OK)
		return;
	assert(json_object_size(fields) <= FORM_FIELDS);
	assert(template_render(SPAN("{{user}} {{label}} {{user|query}} {{user|time}}"), fields, &none, &html) ==
	       STATUS_OK);
	struct span shown = buf_span(&html);
	for (size_t i = 0; i < shown.size; i++)
		assert(strchr("<>\"'", shown.data[i]) == NULL);
	json_decref(fields);
}

static const struct admin_command *pick_command(unsigned number)
{
	unsigned count = 0;
	while (admin_commands[count].name)
		count++;
	const struct admin_command *command = &admin_commands[number % count];
	return command->role == ROLE_KINDS ? admin_commands : command;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct span text = { (const char *)data + 2, size - 2 };
	if (data[0] == 'h')
		read_fields(text);
	else if (data[0] == 'q')
		read_query(pick_command(data[1]), text);
	else if (data[0] == 'b')
		read_body(pick_command(data[1]), text);
	else if (data[0] == 'f')
		show_form(text);
	else
		api_find_command(text);
	return 0;
}

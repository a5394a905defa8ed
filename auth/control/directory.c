/*
 * "directory test": what each directory says of a name and what a login would make of it, step by step. No password is
 * tried.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/control/control.h"
#include "auth/identity.h"
#include "base/text.h"
#include "config/profiles.h"

#define LISTED_MAXIMUM 100 /* groups, and addresses, that are shown */
#define STEP_SIZE 1024     /* bytes */

/* One at a time. */
struct directory_test {
	struct control_call call;
	struct directory_ask *waiting;
	size_t directory; /* being asked */
	char name[NAME_SIZE];
	json_t *steps;
};

static void add_step(struct directory_test *test, const char *directory, struct span step)
{
	char text[STEP_SIZE];
	snprintf(text, sizeof(text), "%.*s", SPAN_ARGS(step));
	text_blank_controls(text, strlen(text));
	json_t *row = json_pack("{ss ss}", "directory", directory, "step", text);
	if (row == NULL) /* no UTF-8 */
		row = json_pack("{ss ss}", "directory", directory, "step", "(text that is no UTF-8)");
	json_array_append_new(test->steps, row);
}

static void add_list(struct directory_test *test, const char *directory, const char *what, const struct buf *list)
{
	struct codec_list rest = codec_list_of(list);
	struct span item;
	char text[STEP_SIZE];
	for (size_t i = 0; codec_list_next(&rest, &item); i++) {
		if (i == LISTED_MAXIMUM) {
			snprintf(text, sizeof(text), "and %zu more", codec_list_count(rest) + 1);
			add_step(test, directory, span_of(text));
			return;
		}
		snprintf(text, sizeof(text), "%s: %.*s", what, SPAN_ARGS(item));
		add_step(test, directory, span_of(text));
	}
}

static void free_test(struct directory_test *test)
{
	test->call.auth->directory_test = NULL;
	directory_forget(&test->waiting);
	json_decref(test->steps);
	free(test);
}

static void finish_test(struct directory_test *test, const char *result)
{
	auth_control_answer(&test->call,
			    json_pack("{ss ss sO}", "user", test->name, "result", result, "steps", test->steps));
	free_test(test);
}

static void ask_next(struct directory_test *test);

/* What a login would get, but for its password. */
static void conclude_test(struct directory_test *test, const struct ldap_request *answer)
{
	char text[256];
	switch (answer->verdict) {
	case VERDICT_GRANTED:
		finish_test(test, "may log in");
		break;
	case VERDICT_NONE:
		test->directory++;
		ask_next(test);
		break;
	case VERDICT_UNAVAILABLE:
	case VERDICT_THROTTLED:
		snprintf(text, sizeof(text), "gets 454: %s", answer->reason);
		finish_test(test, text);
		break;
	case VERDICT_WRONG:
	case VERDICT_DISABLED:
	case VERDICT_MUST_CHANGE:
	case VERDICT_APP_PASSWORD:
	default:
		snprintf(text, sizeof(text), "can't log in: %s", answer->reason);
		finish_test(test, text);
		break;
	}
}

static void show_person(struct directory_test *test, const char *directory, const struct ldap_request *answer)
{
	struct identity identity IDENTITY_AUTO;
	identity_init(&identity);
	add_list(test, directory, "group", &answer->identity.groups);
	if (identity_copy(&answer->identity, &identity) == STATUS_OK &&
	    identity_lend_senders(test->call.auth->role->config, &identity) == STATUS_OK)
		add_list(test, directory, "may send as", &identity.senders);
}

static void on_answer(void *context, const struct ldap_request *answer)
{
	struct directory_test *test = context;
	const struct config_ldap *config = &test->call.auth->role->config->ldap.items[test->directory];
	const char *directory = config->name;
	struct codec_list rest = codec_list_of(&answer->steps);
	struct span step;
	test->waiting = NULL;
	while (codec_list_next(&rest, &step))
		add_step(test, directory, step);
	if (answer->verdict == VERDICT_GRANTED || answer->verdict == VERDICT_DISABLED)
		show_person(test, directory, answer);
	else
		add_step(test, directory, span_of(answer->reason));
	conclude_test(test, answer);
}

/* What the configuration says of where and how they are looked for. */
static void show_section(struct directory_test *test)
{
	const struct config_ldap *config = &test->call.auth->role->config->ldap.items[test->directory];
	char text[STEP_SIZE];
	snprintf(text, sizeof(text), "profile %s: the name is in %s, groups in %s", profiles_text(config->profile),
		 config->user_attribute, config->group_attribute[0] ? config->group_attribute : "none");
	add_step(test, config->name, span_of(text));
}

static void ask_next(struct directory_test *test)
{
	struct auth *auth = test->call.auth;
	if (test->directory == auth->directory_count) {
		finish_test(test, "can't log in: in no directory");
		return;
	}
	show_section(test);
	if (directory_explain(auth->directories[test->directory], test->name, on_answer, test, &test->waiting) !=
	    STATUS_OK)
		finish_test(test, "gets 454: the directory has too many questions");
}

static void begin_test(const struct control_call *call, const char *name)
{
	struct directory_test *test = calloc(1, sizeof(*test));
	if (test == NULL) {
		auth_control_refuse(call, "out of memory");
		return;
	}
	test->call = *call;
	test->steps = json_array();
	snprintf(test->name, sizeof(test->name), "%s", name);
	call->auth->directory_test = test;
	ask_next(test);
}

void auth_control_test_directory(const struct control_call *call, const json_t *arguments)
{
	const char *user = auth_control_text(arguments, "user");
	char name[NAME_SIZE];
	if (call->auth->directory_test)
		auth_control_refuse(call, "another test is under way; try again");
	else if (call->auth->directory_count == 0)
		auth_control_refuse(call, "there is no ldap section");
	else if (user == NULL || name_canonical(span_of(user), name) != STATUS_OK)
		auth_control_refuse(call, "that can't be a user's name");
	else
		begin_test(call, name);
}

void auth_control_drop_test(struct auth *auth)
{
	if (auth->directory_test)
		free_test(auth->directory_test);
}

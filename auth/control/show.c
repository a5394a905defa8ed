/*
 * "user show": what is known of somebody, gathered step by step: the directory's entry, the configuration, their app
 * passwords, a lock, refusals for wrong guesses, and the sessions that the relay has. What can't be known now is left
 * out.
 */
#include <stdlib.h>

#include "auth/control/control.h"
#include "auth/control/user.h"
#include "base/clock.h"
#include "base/text.h"
#include "quota/quota.h"

#define ROWS_MAXIMUM 500  /* of each list */
#define PAGES_MAXIMUM 20  /* of the throttled */
#define TEXT_MAXIMUM 4096 /* bytes of one value */

/* ---- rows */

static json_t *make_text(struct span text)
{
	struct buf shown BUF_AUTO;
	buf_init(&shown, TEXT_MAXIMUM);
	if (text_escape(text, &shown) != STATUS_OK)
		return NULL;
	return json_stringn(buf_span(&shown).data ? buf_span(&shown).data : "", buf_size(&shown));
}

static void put_texts(json_t *answer, const char *list, const char *key, struct codec_list items)
{
	json_t *rows = json_array();
	struct span item;
	while (codec_list_next(&items, &item) && json_array_size(rows) < ROWS_MAXIMUM)
		json_array_append_new(rows, json_pack("{so}", key, make_text(item)));
	json_object_set_new(answer, list, rows);
}

static void put_app_passwords(const struct user_command *command)
{
	const struct app_password_store *store = command->call.auth->store;
	const struct app_password *password = store ? store_first(store, span_of(command->user_id)) : NULL;
	json_t *rows = json_array();
	for (; password && json_array_size(rows) < ROWS_MAXIMUM; password = store_next(password))
		json_array_append_new(rows, json_pack("{ss ss sI sI}", "id", password->id, "label",
						      app_password_text(password, APP_PASSWORD_LABEL), "created",
						      (json_int_t)password->created_s, "expires",
						      (json_int_t)password->expires_s));
	json_object_set_new(command->answer, "app_passwords", rows);
}

/* ---- the sessions, last of all */

static void finish_show(struct user_command *command)
{
	json_t *answer = command->answer;
	command->answer = NULL;
	user_command_answer(command, answer);
}

static void ask_relay(struct user_command *command)
{
	struct auth *auth = command->call.auth;
	const struct door_sessions_asked message = { .request = ++auth->last_asked,
						     .user_id = span_of(command->user_id) };
	if (auth->relay && door_send_sessions_asked(auth->relay, &message) == STATUS_OK)
		command->asked = message.request;
	else
		finish_show(command);
}

void user_show_take_sessions(struct auth *auth, const struct door_sessions_told *message)
{
	struct user_command *command = auth->user_commands;
	while (command && command->asked != message->request)
		command = command->next;
	if (command == NULL)
		return;
	put_texts(command->answer, "sessions", "session", message->sessions);
	finish_show(command);
}

void user_show_lose_relay(struct auth *auth)
{
	struct user_command *next;
	for (struct user_command *command = auth->user_commands; command; command = next) {
		next = command->next;
		if (command->asked)
			finish_show(command);
	}
}

/* ---- refusals for wrong guesses */

static void add_throttled(void *context, const struct guess_row *row)
{
	struct user_command *command = context;
	if (row->is_user && span_equal(row->name, span_of(command->user)))
		json_array_append_new(command->throttled,
				      json_pack("{so sI sI}", "typed", make_text(row->typed), "failures",
						(json_int_t)row->failures, "until",
						(json_int_t)(clock_wall_us() / 1000000 + row->left_ms / 1000)));
}

static void on_throttled(void *context, bool has_answered, int64_t next, size_t cleared);

static void look_at_throttled(struct user_command *command, uint64_t from)
{
	if (guesses_list(command->call.auth->guesses, from, add_throttled, on_throttled, command) != STATUS_OK)
		ask_relay(command);
}

static void on_throttled(void *context, bool has_answered, int64_t next, size_t cleared)
{
	struct user_command *command = context;
	(void)cleared;
	if (has_answered && next > 0 && ++command->pages < PAGES_MAXIMUM)
		look_at_throttled(command, (uint64_t)next);
	else
		ask_relay(command);
}

/* ---- the lock */

static void put_lock(const struct user_command *command, const struct lock *lock)
{
	bool is_locked =
		lock || locks_hold(command->call.auth->locks, span_of(command->user_id), span_of(command->user));
	json_object_set_new(command->answer, "locked", json_string(is_locked ? "yes" : "no"));
	if (lock && lock->since_s)
		json_object_set_new(command->answer, "since", json_integer((json_int_t)lock->since_s));
	if (lock && lock->reason.size)
		json_object_set_new(command->answer, "reason", make_text(lock->reason));
}

/* Without Redis, what is known here. */
static void on_read(void *context, enum status status, const struct lock *lock)
{
	struct user_command *command = context;
	(void)status;
	put_lock(command, lock);
	command->throttled = json_array();
	json_object_set_new(command->answer, "throttled", command->throttled);
	look_at_throttled(command, 0);
}

static void look_at_lock(struct user_command *command)
{
	if (lock_call_read(&command->reading, command->call.auth->locks, span_of(command->user_id), on_read, command) !=
	    STATUS_OK)
		on_read(command, STATUS_UNAVAILABLE, NULL);
}

/* ---- what the directory and the configuration say */

static const char *describe_state(const struct user_command *command)
{
	if (command->user[0] == '\0')
		return "known by this id";
	if (command->result == LOOKUP_AWAY)
		return "the directory can't be asked";
	if (command->result == LOOKUP_NO_ENTRY)
		return "not in a directory";
	return command->lookup.refusal[0] ? command->lookup.refusal : "in the directory";
}

static enum status put_quota(struct user_command *command)
{
	const struct config *config = command->call.auth->role->config;
	struct span *groups = NULL;
	size_t count = 0;
	struct quota_limits limits;
	TRY(identity_list_groups(&command->identity, &groups, &count));
	json_object_set_new(command->answer, "quota",
			    json_string(quota_limits_for(config, span_of(command->user), groups, count, &limits)));
	json_object_set_new(command->answer, "messages_per_day", json_integer((json_int_t)limits.messages_per_day));
	if (limits.shared)
		json_object_set_new(command->answer, "shared_quota", json_string(limits.shared->name));
	free(groups);
	return STATUS_OK;
}

static enum status put_identity(struct user_command *command)
{
	struct identity *identity = &command->identity;
	TRY(identity_lend_senders(command->call.auth->role->config, identity));
	TRY(put_quota(command));
	put_texts(command->answer, "groups", "group", codec_list_of(&identity->groups));
	put_texts(command->answer, "senders", "sender", codec_list_of(&identity->senders));
	return STATUS_OK;
}

static void run_show(struct user_command *command)
{
	command->answer = json_pack("{ss ss ss}", "user", command->user, "user_id", command->user_id, "state",
				    describe_state(command));
	if (command->answer == NULL || (command->user[0] && put_identity(command) != STATUS_OK)) {
		user_command_refuse(command, "out of memory");
		return;
	}
	put_app_passwords(command);
	look_at_lock(command);
}

void auth_control_show_user(const struct control_call *call, const json_t *arguments)
{
	user_command_begin(call, arguments, true, run_show);
}

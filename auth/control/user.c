/* "user lock", "unlock" and "forget", and who is meant by any command about a user. */
#include "auth/control/user.h"

#include <stdlib.h>
#include <string.h>

#include "auth/control/control.h"
#include "auth/endings.h"
#include "base/ascii.h"
#include "base/clock.h"
#include "base/log.h"

#define SCARCE "too few replicas of Redis have it yet: if its primary fails now, that is forgotten"

/* ---- life */

static void free_command(struct user_command *command)
{
	*command->at = command->next;
	if (command->next)
		command->next->at = command->at;
	lookup_end(&command->lookup);
	identity_free(&command->identity);
	json_decref(command->answer);
	free(command);
}

void auth_control_drop_user_commands(struct auth *auth)
{
	while (auth->user_commands)
		free_command(auth->user_commands);
}

void user_command_refuse(struct user_command *command, const char *error)
{
	auth_control_refuse(&command->call, error);
	free_command(command);
}

void user_command_answer(struct user_command *command, json_t *answer)
{
	auth_control_answer(&command->call, answer);
	free_command(command);
}

static void answer_command(struct user_command *command, const char *state)
{
	user_command_answer(
		command, json_pack("{ss ss ss}", "user", command->user, "user_id", command->user_id, "state", state));
}

/* ---- who is meant */

static bool begins_id(const struct config *config, struct span kind)
{
	if (span_equal(kind, SPAN("name")) || span_equal(kind, SPAN("service")))
		return true;
	for (size_t i = 0; i < config->ldap.count; i++)
		if (span_equal(kind, span_of(config->ldap.items[i].name)))
			return true;
	return false;
}

static bool is_id(const struct config *config, const char *text)
{
	struct span rest = span_of(text), kind;
	return rest.size <= IDENTITY_ID_MAXIMUM && span_contains_byte(rest, ':') && span_cut(&rest, ':', &kind) &&
	       begins_id(config, kind) && !span_is_empty(rest);
}

static void on_looked_up(void *context, enum lookup_result result, const struct identity *identity)
{
	struct user_command *command = context;
	command->result = result;
	if (result == LOOKUP_AWAY && !command->takes_any)
		user_command_refuse(command, "the directory can't be asked who that is; an id works without it");
	else if (identity_copy(identity, &command->identity) != STATUS_OK)
		user_command_refuse(command, "out of memory");
	else {
		snprintf(command->user, sizeof(command->user), "%s", identity->user);
		snprintf(command->user_id, sizeof(command->user_id), "%s", identity->id);
		command->run(command);
	}
}

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (ascii_is_control(*text))
			return false;
	return true;
}

/* NULL, and answered: there is no memory, or the request is wrong. */
static struct user_command *make_command(const struct control_call *call, const json_t *arguments,
					 void (*run)(struct user_command *command))
{
	const char *reason = auth_control_text(arguments, "reason");
	if (reason && (span_of(reason).size > LOCK_REASON_MAXIMUM || !is_printable(reason))) {
		auth_control_refuse(call, "a reason has at most 200 bytes and no control characters");
		return NULL;
	}
	struct user_command *command = calloc(1, sizeof(*command));
	if (command == NULL) {
		auth_control_refuse(call, "out of memory");
		return NULL;
	}
	command->call = *call;
	command->run = run;
	identity_init(&command->identity);
	snprintf(command->reason, sizeof(command->reason), "%s", reason ? reason : "");
	command->next = call->auth->user_commands;
	command->at = &call->auth->user_commands;
	if (command->next)
		command->next->at = &command->next;
	call->auth->user_commands = command;
	return command;
}

void user_command_begin(const struct control_call *call, const json_t *arguments, bool takes_any,
			void (*run)(struct user_command *command))
{
	const char *given = auth_control_text(arguments, "user");
	char name[NAME_SIZE];
	struct user_command *command = make_command(call, arguments, run);
	if (command == NULL)
		return;
	command->takes_any = takes_any;
	if (given && is_id(call->auth->role->config, given)) {
		snprintf(command->user_id, sizeof(command->user_id), "%s", given);
		command->run(command);
	} else if (given == NULL || name_canonical(span_of(given), name) != STATUS_OK) {
		user_command_refuse(command, "user must be a name of 1 to 255 bytes without control characters");
	} else {
		lookup_begin(&call->auth->chain.parts, name, on_looked_up, command, &command->lookup);
	}
}

/* ---- lock */

static const char *explain_redis(enum status status)
{
	return status == STATUS_UNAVAILABLE ? "Redis is away; nothing was changed"
					    : "Redis does not answer; whether it was done is not known";
}

static void record_lock(const struct user_command *command)
{
	struct door *relay = command->call.auth->relay;
	const struct door_user_locked message = { .user = span_of(command->user),
						  .user_id = span_of(command->user_id),
						  .reason = span_of(command->reason) };
	if (relay == NULL || door_send_user_locked(relay, &message) != STATUS_OK)
		log_warning("user %s is locked, and there is no relay to record it", command->user_id);
}

static void on_locked(void *context, enum status status, const struct lock *lock)
{
	struct user_command *command = context;
	(void)lock;
	if (status == STATUS_OK)
		record_lock(command);
	if (status != STATUS_OK)
		user_command_refuse(command, explain_redis(status));
	else if (!endings_tell(command->call.auth, EVENT_LOCK, span_of(command->user_id), (struct span){ 0 }))
		user_command_refuse(command, "locked, but running sessions can't be ended now");
	else if (command->changing.is_scarce)
		user_command_refuse(command, "locked, but " SCARCE);
	else
		answer_command(command, "locked");
}

static void run_lock(struct user_command *command)
{
	const struct lock lock = { .user_id = span_of(command->user_id),
				   .user = span_of(command->user),
				   .reason = span_of(command->reason),
				   .since_s = clock_wall_us() / 1000000 };
	enum status status = lock_call_set(&command->changing, command->call.auth->locks, &lock, on_locked, command);
	if (status != STATUS_OK)
		user_command_refuse(command, explain_redis(status));
}

void auth_control_lock_user(const struct control_call *call, const json_t *arguments)
{
	user_command_begin(call, arguments, false, run_lock);
}

/* ---- unlock */

static void on_unlocked(void *context, enum status status, const struct lock *lock)
{
	struct user_command *command = context;
	(void)lock;
	if (status != STATUS_OK)
		user_command_refuse(command, explain_redis(status));
	else if (!endings_tell(command->call.auth, EVENT_UNLOCK, span_of(command->user_id), (struct span){ 0 }))
		user_command_refuse(command, "unlocked here, but other nodes can't be told now");
	else if (command->changing.is_scarce)
		user_command_refuse(command, "unlocked, but " SCARCE);
	else
		answer_command(command, "unlocked");
}

static void run_unlock(struct user_command *command);

/* False: that is what was looked for already, or nobody knows the name. */
static bool turn_to_name(struct user_command *command)
{
	struct identity by_name;
	identity_init(&by_name);
	if (command->user[0] == '\0' || identity_set_id(&by_name, "name", span_of(command->user)) != STATUS_OK ||
	    strcmp(by_name.id, command->user_id) == 0)
		return false;
	snprintf(command->user_id, sizeof(command->user_id), "%s", by_name.id);
	return true;
}

/* Where the id isn't locked, the name may be. */
static void on_read(void *context, enum status status, const struct lock *lock)
{
	struct user_command *command = context;
	if (status == STATUS_OK && lock == NULL && turn_to_name(command)) {
		run_unlock(command);
		return;
	}
	if (status == STATUS_OK && lock == NULL) {
		user_command_refuse(command, "not locked");
		return;
	}
	if (status == STATUS_OK)
		status = lock_call_unset(&command->changing, command->call.auth->locks, lock, on_unlocked, command);
	if (status != STATUS_OK)
		user_command_refuse(command, explain_redis(status));
}

static void run_unlock(struct user_command *command)
{
	enum status status = lock_call_read(&command->reading, command->call.auth->locks, span_of(command->user_id),
					    on_read, command);
	if (status != STATUS_OK)
		user_command_refuse(command, explain_redis(status));
}

void auth_control_unlock_user(const struct control_call *call, const json_t *arguments)
{
	user_command_begin(call, arguments, false, run_unlock);
}

/* ---- forget */

static void run_forget(struct user_command *command)
{
	if (endings_tell(command->call.auth, EVENT_FORGET, span_of(command->user_id), (struct span){ 0 }))
		answer_command(command, "forgotten");
	else
		user_command_refuse(command, "too many changes wait for Redis");
}

void auth_control_forget_user(const struct control_call *call, const json_t *arguments)
{
	user_command_begin(call, arguments, false, run_forget);
}

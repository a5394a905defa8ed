/* Owns the requests under way: those of this turn of the loop, and changes that the disk is to see. */
#include "admin/token_commands.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_text.h"

/* Bytes of an answer with a token in it. */
#define ANSWER_MAXIMUM 4096U

/* A change that the disk is to see. `text` is the new token's, or empty. */
struct pending {
	struct pending *next;
	struct token_commands *commands;
	uint64_t request;
	struct token token;
	struct secret text;
};

/* A request that came in this turn of the loop. */
struct asked {
	struct asked *next;
	uint64_t request;
	json_t *arguments;
};

struct token_commands {
	struct token_store *store;
	struct timer *timer;
	struct asked *asked;
	token_commands_answer *answer;
	void *context;
	struct pending *pending;
};

struct own_command {
	const char *name;
	void (*run)(struct token_commands *commands, uint64_t request, const json_t *arguments);
};

/* ---- answers */

static void answer_fields(const struct token_commands *commands, uint64_t request, json_t *fields)
{
	char *text = fields ? json_write(fields) : NULL;
	commands->answer(commands->context, request,
			 text ? span_of(text) : SPAN("{\"ok\":false,\"error\":\"out of memory\"}"));
	free(text);
	json_decref(fields);
}

static void refuse_request(const struct token_commands *commands, uint64_t request, const char *error)
{
	answer_fields(commands, request, json_pack("{s:b, s:s}", "ok", 0, "error", error));
}

/* The token is never in jansson's memory, which nobody wipes; its text needs no escaping. */
static void answer_created(const struct pending *pending)
{
	const struct token_commands *commands = pending->commands;
	struct buf text BUF_AUTO;
	buf_init_sensitive(&text, ANSWER_MAXIMUM);
	json_t *fields = json_pack("{s:b, s:s, s:s, s:s, s:I}", "ok", 1, "id", pending->token.id, "label",
				   pending->token.label, "role", access_role_text(pending->token.role), "expires",
				   (json_int_t)pending->token.expires_s);
	char *head = fields ? json_write(fields) : NULL;
	json_decref(fields);
	struct span rest = span_of(head);
	enum status status = head ? buf_append(&text, span_slice(rest, 0, rest.size - 1)) : STATUS_NO_MEMORY;
	free(head);
	if (status == STATUS_OK)
		status = buf_printf(&text, ",\"token\":\"%.*s\"}", SPAN_ARGS(secret_reveal(&pending->text)));
	if (status == STATUS_OK)
		commands->answer(commands->context, pending->request, buf_span(&text));
	else
		refuse_request(commands, pending->request, "out of memory; revoke the token, which nobody has seen");
}

/* ---- changes */

static void drop_pending(struct pending *pending)
{
	struct pending **at = &pending->commands->pending;
	while (*at != pending)
		at = &(*at)->next;
	*at = pending->next;
	secret_wipe(&pending->text);
	free(pending);
}

static const char *text_of_failure(enum status status)
{
	switch (status) {
	case STATUS_NOT_FOUND:
		return "no token has this id";
	case STATUS_TOO_LARGE:
		return "there are too many tokens; revoke some";
	case STATUS_INVALID:
		return "the file of tokens can't be read; the log says why";
	case STATUS_OK:
	case STATUS_AGAIN:
	case STATUS_END:
	case STATUS_NO_MEMORY:
	case STATUS_REFUSED:
	case STATUS_UNAVAILABLE:
	case STATUS_TIMEOUT:
	case STATUS_SYSTEM:
	default:
		return "the tokens can't be changed now; the log says why";
	}
}

static void on_changed(void *context, enum status status)
{
	struct pending *pending = context;
	if (status != STATUS_OK)
		refuse_request(pending->commands, pending->request, text_of_failure(status));
	else if (secret_is_empty(&pending->text))
		answer_fields(pending->commands, pending->request, json_pack("{s:b}", "ok", 1));
	else
		answer_created(pending);
	drop_pending(pending);
}

/* Takes `text` over. */
static void begin_change(struct token_commands *commands, uint64_t request, enum token_change change,
			 const struct token *token, struct secret *text)
{
	struct pending *pending = calloc(1, sizeof(*pending));
	if (pending == NULL) {
		secret_wipe(text);
		refuse_request(commands, request, "out of memory");
		return;
	}
	*pending = (struct pending){ commands->pending, commands, request, *token, *text };
	*text = (struct secret){ 0 };
	commands->pending = pending;
	enum status status = token_store_change(commands->store, change, token, on_changed, pending);
	if (status == STATUS_OK)
		return;
	refuse_request(commands, request, text_of_failure(status));
	drop_pending(pending);
}

/* ---- create */

static const char *text_member(const json_t *arguments, const char *name)
{
	const char *text = json_string_value(json_object_get(arguments, name));
	return text ? text : "";
}

static const char *read_token(const json_t *arguments, struct token *out_token)
{
	const char *role = text_member(arguments, "role"), *label = text_member(arguments, "label");
	const char *from = text_member(arguments, "from");
	json_int_t expires = json_integer_value(json_object_get(arguments, "expires"));
	uint64_t now_s = clock_wall_us() / 1000000;
	bool is_admin = strcmp(role, "administrator") == 0;
	if (is_admin)
		out_token->role = ACCESS_ADMIN;
	else if (!access_role_find(span_of(role), &out_token->role) || out_token->role == ACCESS_USER)
		return "role must be auditor, operator or administrator";
	if (strlen(label) > TOKEN_LABEL_MAXIMUM)
		return "label must have 64 bytes at most";
	if (*from && !token_is_from(span_of(from)))
		return "from must be networks, such as 192.0.2.0/24,2001:db8::/32";
	if (expires <= (json_int_t)now_s || expires >= UINT32_MAX)
		return "expires must be a time to come, in seconds since 1970";
	out_token->created_s = now_s;
	out_token->expires_s = (uint64_t)expires;
	snprintf(out_token->label, sizeof(out_token->label), "%s", label);
	snprintf(out_token->from, sizeof(out_token->from), "%s", from);
	return NULL;
}

static void create_api_token(struct token_commands *commands, uint64_t request, const json_t *arguments)
{
	struct token token = { 0 };
	struct secret text SECRET_AUTO = { 0 };
	const char *error = read_token(arguments, &token);
	if (error == NULL && token_make(&token, &text) != STATUS_OK)
		error = "no token can be made: out of memory or random bytes";
	if (error)
		refuse_request(commands, request, error);
	else
		begin_change(commands, request, TOKEN_ADD, &token, &text);
}

/* ---- list, revoke */

static json_t *describe_token(const struct token *token, uint64_t now_s)
{
	json_t *row = json_pack("{s:s, s:s, s:s, s:I, s:I, s:b}", "id", token->id, "label", token->label, "role",
				access_role_text(token->role), "created", (json_int_t)token->created_s, "expires",
				(json_int_t)token->expires_s, "expired", token_is_over(token, now_s));
	if (row && token->from[0])
		json_object_set_new(row, "from", json_string(token->from));
	if (row && token->used_s) {
		json_object_set_new(row, "last_used", json_integer((json_int_t)token->used_s));
		json_object_set_new(row, "last_used_from", json_string(token->used_from));
	}
	return row;
}

static void list_api_tokens(struct token_commands *commands, uint64_t request, const json_t *arguments)
{
	const struct token_table *tokens = token_store_all(commands->store);
	json_t *list = json_array();
	uint64_t now_s = clock_wall_us() / 1000000;
	bool whole = list;
	(void)arguments;
	for (size_t i = 0; i < tokens->count && whole; i++)
		whole = json_array_append_new(list, describe_token(&tokens->items[i], now_s)) == 0;
	if (whole)
		answer_fields(commands, request, json_pack("{s:b, s:o}", "ok", 1, "api_tokens", list));
	else
		refuse_request(commands, request, "out of memory");
	if (!whole)
		json_decref(list);
}

static void revoke_api_token(struct token_commands *commands, uint64_t request, const json_t *arguments)
{
	struct token token = { 0 };
	struct secret none = { 0 };
	const char *id = text_member(arguments, "id");
	if (strlen(id) >= sizeof(token.id)) {
		refuse_request(commands, request, text_of_failure(STATUS_NOT_FOUND));
		return;
	}
	memcpy(token.id, id, strlen(id) + 1);
	begin_change(commands, request, TOKEN_REMOVE, &token, &none);
}

/* ---- public */

static const struct own_command own_commands[] = {
#define ADMIN_COMMAND(function, words, ...) { words, function },
#include "door/commands.def"
};

static void run_asked(struct token_commands *commands, uint64_t request, const json_t *arguments)
{
	const char *name = text_member(arguments, "command");
	if (commands->store == NULL) {
		refuse_request(commands, request,
			       "there is no console, whose API a token is for: give `console` an address");
		return;
	}
	for (size_t i = 0; i < sizeof(own_commands) / sizeof(own_commands[0]); i++) {
		if (strcmp(own_commands[i].name, name) != 0)
			continue;
		own_commands[i].run(commands, request, arguments);
		return;
	}
	refuse_request(commands, request, "unknown command");
}

static struct asked *take_asked(struct token_commands *commands)
{
	struct asked *asked = commands->asked;
	if (asked)
		commands->asked = asked->next;
	return asked;
}

static void free_asked(struct asked *asked)
{
	json_decref(asked->arguments);
	free(asked);
}

static void run_all(void *context)
{
	struct token_commands *commands = context;
	struct asked *asked;
	while ((asked = take_asked(commands))) {
		run_asked(commands, asked->request, asked->arguments);
		free_asked(asked);
	}
}

enum status token_commands_take(struct token_commands *commands, uint64_t request, struct span json)
{
	struct asked *asked = calloc(1, sizeof(*asked));
	if (asked == NULL)
		return STATUS_NO_MEMORY;
	*asked = (struct asked){ commands->asked, request, json_read(json) };
	commands->asked = asked;
	timer_set(commands->timer, 0);
	return STATUS_OK;
}

enum status token_commands_create(struct loop *loop, struct token_store *store, token_commands_answer *answer,
				  void *context, struct token_commands **out_commands)
{
	struct token_commands *commands = calloc(1, sizeof(*commands));
	if (commands == NULL)
		return STATUS_NO_MEMORY;
	*commands = (struct token_commands){ .store = store, .answer = answer, .context = context };
	enum status status = timer_make(loop, run_all, commands, &commands->timer);
	if (status == STATUS_OK)
		*out_commands = commands;
	else
		token_commands_free(&commands);
	return status;
}

/* Its store's threads are gone: no change is answered any more. */
void token_commands_free(struct token_commands **commands)
{
	struct asked *asked;
	if (*commands == NULL)
		return;
	while ((*commands)->pending)
		drop_pending((*commands)->pending);
	while ((asked = take_asked(*commands)))
		free_asked(asked);
	timer_free(&(*commands)->timer);
	free(*commands);
	*commands = NULL;
}

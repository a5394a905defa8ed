/* Sessions of the API: their beginning by a password, what a request needs to be one's, and their end. */
#include <stdlib.h>
#include <string.h>

#include "admin/api_private.h"
#include "base/base64.h"
#include "base/json_text.h"
#include "base/log.h"

/* Bytes of one field of a login's body. */
#define NAME_AND_PASSWORD_MAXIMUM 1024
/* Requests of one session. */
static const struct pace_limit session_limit = { .burst = 100, .a_second = 20 };

/* ---- logging in */

/* SASL PLAIN (RFC 4616), in base64. */
static enum status write_plain(struct span name, struct span password, struct buf *out_text)
{
	struct buf plain BUF_AUTO;
	buf_init_sensitive(&plain, 4 * NAME_AND_PASSWORD_MAXIMUM);
	if (span_is_empty(name) || span_is_empty(password) || name.size > NAME_AND_PASSWORD_MAXIMUM ||
	    password.size > NAME_AND_PASSWORD_MAXIMUM || span_contains_byte(name, '\0') ||
	    span_contains_byte(password, '\0'))
		return STATUS_INVALID;
	TRY(buf_append_byte(&plain, '\0'));
	TRY(buf_append(&plain, name));
	TRY(buf_append_byte(&plain, '\0'));
	TRY(buf_append(&plain, password));
	return base64_encode(buf_span(&plain), out_text);
}

static struct span text_member(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	return (struct span){ json_string_value(value), json_string_length(value) };
}

void api_pass_login(struct api *api, const struct door_console_asked *asked, const char *mechanism, struct span initial)
{
	struct api_call *call = api_begin_call(api, asked, API_LOGS_IN, NULL);
	if (call == NULL)
		return;
	call->has_code = strcmp(mechanism, "PLAIN") != 0;
	const struct door_sasl_start message = {
		.request = call->number,
		.session = call->number & ~API_NUMBERS,
		.mechanism = span_of(mechanism),
		.has_initial = 1,
		.initial = initial,
		.client = { .address = span_of(call->address), .listener = SPAN("console") },
	};
	if (api->handler->login(api->context, &message) != STATUS_OK)
		api_fail_call(api, api_find_call(api, call->number), 503, "nobody can log in now");
}

void api_log_in(struct api *api, const struct door_console_asked *asked)
{
	struct buf initial BUF_AUTO;
	json_t *body = json_read(asked->body);
	buf_init_sensitive(&initial, 8 * NAME_AND_PASSWORD_MAXIMUM);
	enum status status = write_plain(text_member(body, "user"), text_member(body, "password"), &initial);
	json_decref(body);
	if (!config_console_has_login(api->config, "password"))
		api_answer_error(api, asked->request, 403, "people log in at the provider here, not by a password");
	else if (status == STATUS_OK)
		api_pass_login(api, asked, "PLAIN", buf_span(&initial));
	else
		api_answer_error(api, asked->request, status == STATUS_INVALID ? 400 : 503,
				 "expected {\"user\": …, \"password\": …}");
}

static void record_login(struct api *api, const struct person *person, const struct api_call *call)
{
	const struct door_command_record message = {
		.uid = CALLER_NO_UID,
		.name = span_of(person->user),
		.command = SPAN("console login"),
		.object = span_of(call->address),
		.options = call->has_code ? SPAN("oidc") : (struct span){ 0 },
		.user = span_of(person->user),
		.result = SPAN("done"),
	};
	if (api->handler->record(api->context, &message) != STATUS_OK)
		log_warning("console login by %s: the audit misses that", person->user);
}

static json_t *describe_person(const struct api *api, const struct person *person, const char *proof)
{
	return json_pack("{s:b, s:s, s:s, s:s, s:I, s:I}", "ok", 1, "user", person->user, "role",
			 access_role_text(person->role), "csrf_token", proof, "seconds_left",
			 (json_int_t)(people_left_ms(&api->people, person, api_now_ms(api)) / 1000), "idle_seconds",
			 (json_int_t)(api->people.idle_limit_ms / 1000));
}

static void answer_login(struct api *api, uint64_t request, const struct person *person, const struct secret *token)
{
	char proof[PEOPLE_PROOF_SIZE + 1];
	json_t *fields = people_make_proof(secret_reveal(token), proof) == STATUS_OK
				 ? describe_person(api, person, proof)
				 : NULL;
	char *text = fields ? json_write(fields) : NULL;
	json_decref(fields);
	if (text == NULL) {
		api_answer_error(api, request, 503, "out of memory");
		return;
	}
	const struct door_console_answered answer = {
		.request = request, .code = 200, .token = secret_reveal(token), .body = span_of(text)
	};
	api_answer(api, &answer);
	free(text);
}

static void copy_text(char *out_text, size_t size, struct span text)
{
	snprintf(out_text, size, "%.*s", SPAN_ARGS(text));
}

static enum status open_session(struct api *api, const struct door_person *said, struct secret *out_token)
{
	struct person person = { .rights = said->rights };
	if (said->user.size >= sizeof(person.user) || said->user_id.size >= sizeof(person.user_id) ||
	    said->login.size >= sizeof(person.login) || said->app_password_id.size >= sizeof(person.app_password_id))
		return STATUS_TOO_LARGE;
	copy_text(person.user, sizeof(person.user), said->user);
	copy_text(person.user_id, sizeof(person.user_id), said->user_id);
	copy_text(person.login, sizeof(person.login), said->login);
	copy_text(person.app_password_id, sizeof(person.app_password_id), said->app_password_id);
	person.is_fleeting = said->groups.encoded.size > sizeof(person.groups);
	person.groups_size = person.is_fleeting ? 0 : said->groups.encoded.size;
	if (person.groups_size)
		memcpy(person.groups, said->groups.encoded.data, person.groups_size);
	TRY(access_find_role(&api->config->console, said->user, said->groups, &person.role));
	return people_begin(&api->people, &person, api_now_ms(api), out_token);
}

void api_take_person(struct api *api, const struct door_person *said)
{
	struct secret token SECRET_AUTO = { 0 };
	struct api_call **at = api_find_call(api, said->request);
	if (*at == NULL || (*at)->state != API_LOGS_IN)
		return;
	enum status status = open_session(api, said, &token);
	if (status != STATUS_OK) {
		log_warning("a login to the console is refused for now: %s", status_text(status));
		api_fail_call(api, at, 503, "nobody can log in now");
		return;
	}
	const struct person *person = api->people.first; /* the newest */
	uint64_t request = (*at)->request;
	record_login(api, person, *at);
	api_drop_call(api, at);
	answer_login(api, request, person, &token);
}

/* It is about a name and a password that nobody gave. */
static void refuse_code(struct api *api, struct api_call **at, unsigned code)
{
	static const char *const errors[] = { "the provider's answer was not accepted", "this account may not log in",
					      "nobody can log in at the provider now" };
	static const char *const reasons[] = { "refused", "disabled", "away" };
	unsigned which = code == 401 ? 0 : code == 403 ? 1 : 2;
	uint64_t request = (*at)->request;
	api_drop_call(api, at);
	api_answer_json(api, request, code,
			json_pack("{s:b, s:s, s:s}", "ok", 0, "error", errors[which], "reason", reasons[which]));
}

/* The reply is that of a mail client: its code decides, and people read the text after the codes. */
void api_take_refusal(struct api *api, const struct door_sasl_done *done)
{
	struct api_call **at = api_find_call(api, done->request);
	struct span code, rest = done->reply;
	char text[256];
	if (*at == NULL || (*at)->state != API_LOGS_IN)
		return;
	bool is_cut = span_cut(&rest, ' ', &code);
	is_cut = is_cut && span_cut(&rest, ' ', &code);
	snprintf(text, sizeof(text), "%.*s", SPAN_ARGS(is_cut ? rest : done->reply));
	bool is_later = !span_starts_with(done->reply, SPAN("5"));
	bool is_wrong = span_starts_with(done->reply, SPAN("535")) || span_starts_with(done->reply, SPAN("50"));
	unsigned answer = is_later ? 503 : is_wrong ? 401 : 403;
	if ((*at)->has_code)
		refuse_code(api, at, answer);
	else
		api_fail_call(api, at, answer, text);
}

/* ---- requests of somebody who is logged in */

struct person *api_find_session(struct api *api, const struct door_console_asked *asked)
{
	uint64_t now_ms = api_now_ms(api);
	return asked->is_unattended ? people_look_up(&api->people, asked->token, now_ms)
				    : people_find(&api->people, asked->token, now_ms);
}

static struct person *find_person(struct api *api, const struct door_console_asked *asked, bool changes)
{
	char proof[PEOPLE_PROOF_SIZE + 1];
	struct person *person = api_find_session(api, asked);
	if (person == NULL) {
		const struct door_console_answered answer = {
			.request = asked->request,
			.code = 401,
			.ends = asked->token.size > 0,
			.body = SPAN("{\"ok\":false,\"error\":\"" WRONG_TOKEN "\"}"),
		};
		api_answer(api, &answer);
		return NULL;
	}
	if (!pace_take(&person->asks, &session_limit, 1, api_now_ms(api))) {
		api_answer_error(api, asked->request, 429, "too many requests; try again in a moment");
		return NULL;
	}
	if (!changes)
		return person;
	if (people_make_proof(asked->token, proof) == STATUS_OK && secret_equal(asked->proof, span_of(proof)))
		return person;
	api_answer_error(api, asked->request, 403, "the header X-CSRF-Token is missing or wrong");
	return NULL;
}

bool api_find_asker(struct api *api, const struct door_console_asked *asked, bool changes, struct api_asker *out_asker)
{
	struct api_asker asker = { 0 };
	if (!span_is_empty(asked->bearer)) {
		asker.token = api_find_token(api, asked);
		asker.user = asker.token ? asker.token->label : NULL;
		asker.role = asker.token ? asker.token->role : ACCESS_USER;
	} else {
		asker.person = find_person(api, asked, changes);
		asker.user = asker.person ? asker.person->user : NULL;
		asker.role = asker.person ? asker.person->role : ACCESS_USER;
	}
	if (asker.user == NULL)
		return false;
	*out_asker = asker;
	return true;
}

static json_t *describe_token(const struct token *token)
{
	return json_pack("{s:b, s:s, s:s, s:s, s:I}", "ok", 1, "api_token", token->id, "label", token->label, "role",
			 access_role_text(token->role), "expires", (json_int_t)token->expires_s);
}

void api_show_session(struct api *api, const struct door_console_asked *asked)
{
	char proof[PEOPLE_PROOF_SIZE + 1];
	struct api_asker asker;
	if (!api_find_asker(api, asked, false, &asker))
		return;
	json_t *fields = NULL;
	if (asker.token)
		fields = describe_token(asker.token);
	else if (people_make_proof(asked->token, proof) == STATUS_OK)
		fields = describe_person(api, asker.person, proof);
	api_answer_json(api, asked->request, 200, fields);
}

void api_log_out(struct api *api, const struct door_console_asked *asked)
{
	struct api_asker asker;
	if (!api_find_asker(api, asked, true, &asker))
		return;
	if (asker.token) {
		api_answer_error(api, asked->request, 422, "a token is no session; revoke it");
		return;
	}
	people_end(&api->people, asker.person);
	const struct door_console_answered answer = {
		.request = asked->request, .code = 200, .ends = 1, .body = SPAN("{\"ok\":true}")
	};
	api_answer(api, &answer);
}

/* What the files of the API share. */
#ifndef ADMIN_API_PRIVATE_H
#define ADMIN_API_PRIVATE_H

#include "admin/api.h"
#include "admin/tickets.h"
#include "base/buf.h"
#include "base/log_pace.h"
#include "base/network.h"

enum api_state {
	API_LEAVES,   /* auth says where its browser logs in */
	API_LOGS_IN,  /* auth judges a password */
	API_IS_ASKED, /* auth says whether the right holds */
	API_RUNS,     /* the command's role answers */
};

/* One request under way. Invariant: in api->calls until it is answered. */
struct api_call {
	struct api_call *next;
	struct api *api;
	uint64_t number;  /* in what is passed on */
	uint64_t request; /* the console's */
	enum api_state state;
	unsigned char digest[HASH_SHA256_SIZE]; /* of its session */
	const struct admin_command *command;    /* once it IS_ASKED */
	struct buf arguments;                   /* JSON, sensitive; while it LEAVES, its ticket */
	struct caller caller;
	char user[NAME_SIZE];                                        /* whose it is; of a token its label */
	char token[TOKEN_ID_SIZE];                                   /* or empty */
	enum access_role role;                                       /* theirs, once it IS_ASKED */
	bool is_trial;                                               /* it is answered before it RUNS */
	bool has_code;                                               /* they log in by OpenID Connect */
	char address[NETWORK_TEXT_SIZE], network[NETWORK_TEXT_SIZE]; /* the latter is what limits count */
	uint64_t until_ms;                                           /* an answer comes by then */
};

/* Users, or addresses, share a place by chance, and then its limit. */
#define OWN_CHANGES_PLACES 1024U
#define STRANGERS_PLACES 1024U

struct token_use;

struct api {
	struct loop *loop;
	const struct config *config;
	const struct api_handler *handler;
	void *context;
	struct people people;
	struct tickets tickets; /* of logins at a provider */
	struct log_pace strays; /* lines of the log: what came back of them otherwise than it should */
	struct api_call *calls;
	size_t call_count;
	uint64_t last_number;
	struct pace taken;                           /* requests without a session */
	struct pace strangers[STRANGERS_PLACES];     /* the same, by a digest of the address */
	struct pace own_changes[OWN_CHANGES_PLACES]; /* by a digest of who and which command */
	struct timer *sweep;
	struct token_store *tokens;                         /* NULL: none is right */
	struct token_use *uses;                             /* of tokens, since they were last told of */
	struct timer *telling;                              /* of these */
	struct pace wrong[STRANGERS_PLACES], wrong_records; /* tokens, by a digest of the address; records of them */
};

/* The asker: a person by their session, or a program by its token. */
struct api_asker {
	const char *user; /* of a token its label */
	enum access_role role;
	struct person *person;     /* NULL: a program */
	const struct token *token; /* NULL: a person */
};

#define WRONG_TOKEN "log in first"
#define NOT_HERE "there is no such thing"

/* ---- api_calls.c */

uint64_t api_now_ms(const struct api *api);
/* NULL, and answered: there is no room. `asker` is whose call it is; NULL while they log in. */
struct api_call *api_begin_call(struct api *api, const struct door_console_asked *asked, enum api_state state,
				const struct api_asker *asker);
/* The console's word goes into records, as an address or not at all. */
struct span api_address_of(const struct door_console_asked *asked);
/* Where it stands in the list; *at is NULL if there is none. */
struct api_call **api_find_call(struct api *api, uint64_t number);
void api_drop_call(struct api *api, struct api_call **at);
void api_fail_call(struct api *api, struct api_call **at, unsigned code, const char *error);
void api_sweep_calls(void *context); /* the api's timer */

/* ---- api_login.c */

void api_log_in(struct api *api, const struct door_console_asked *asked);
/* Has auth judge it: what SASL_START holds. */
void api_pass_login(struct api *api, const struct door_console_asked *asked, const char *mechanism,
		    struct span initial);
void api_log_out(struct api *api, const struct door_console_asked *asked);
/* Whose session it is, which counts as used if they asked themselves; NULL: nobody's. */
struct person *api_find_session(struct api *api, const struct door_console_asked *asked);
void api_show_session(struct api *api, const struct door_console_asked *asked);
/* False, and answered: there is no session or token of this text, or a session's change lacks its proof. */
bool api_find_asker(struct api *api, const struct door_console_asked *asked, bool changes, struct api_asker *out_asker);

/* ---- api_provider.c */

void api_begin_login(struct api *api, const struct door_console_asked *asked);
void api_finish_login(struct api *api, const struct door_console_asked *asked);

/* ---- api_bearer.c */

bool api_bearer_is_valid(const struct api *api, const struct door_console_asked *asked);
/* NULL, and answered: it is wrong, or asks too much. */
const struct token *api_find_token(struct api *api, const struct door_console_asked *asked);
void api_tell_uses(void *context); /* the api's timer */
void api_drop_uses(struct api *api);

/* ---- api_command.c */

void api_run_command(struct api *api, const struct door_console_asked *asked, const struct admin_command *command);

/* ---- api_answer.c: ends the call, if there is one; `request` is the console's */

void api_answer_json(struct api *api, uint64_t request, unsigned code, json_t *fields); /* takes it over */
void api_answer_error(struct api *api, uint64_t request, unsigned code, const char *error);
/* The text of a role's answer, {"ok":…}. */
void api_answer_text(struct api *api, uint64_t request, struct span json);
void api_answer(struct api *api, const struct door_console_answered *answer);

/* ---- api_openapi.c */

/* What there is, in the words of OpenAPI 3.1, from the table of commands. */
void api_show_description(struct api *api, const struct door_console_asked *asked);

/* ---- api_arguments.c */

/* From a query, or from a body; NULL, and *out_error says why. */
json_t *api_read_query(const struct admin_command *command, struct codec_list query, const char **out_error);
json_t *api_read_body(struct span body, const char **out_error);
/* NULL: no command has this path. */
const struct admin_command *api_find_command(struct span path);

#endif

/*
 * API tokens: for programs that use the console's API. Each is known by a salted digest alone; what it holds beside its
 * id are 256 random bits, so that one round of a fast hash is enough. A file of them begins with a line that names its
 * version; each further line is one token as a JSON object. Pure.
 *
 * A line that can't be read is no token, and stays in the file as it is.
 */
#ifndef ADMIN_TOKEN_TABLE_H
#define ADMIN_TOKEN_TABLE_H

#include "admin/access.h"
#include "base/buf.h"
#include "base/network.h"
#include "base/secret.h"

#define TOKENS_MAXIMUM 1000
#define TOKEN_ID_SIZE 9        /* bytes, the NUL included: eight hexadecimal digits */
#define TOKEN_LABEL_MAXIMUM 64 /* bytes */
#define TOKEN_FROM_MAXIMUM 512 /* bytes of a list of networks */
#define TOKEN_HEX_SIZE 65      /* bytes of 256 bits as text, the NUL included */

struct token {
	char id[TOKEN_ID_SIZE];
	char label[TOKEN_LABEL_MAXIMUM + 1];
	char from[TOKEN_FROM_MAXIMUM + 1]; /* "192.0.2.0/24,2001:db8::/32"; "": from anywhere */
	enum access_role role;
	char salt[TOKEN_HEX_SIZE], digest[TOKEN_HEX_SIZE];
	uint64_t created_s, expires_s;
	uint64_t used_s; /* 0: never */
	char used_from[NETWORK_TEXT_SIZE];
};

/* Zeroed: none. */
struct token_table {
	struct token *items; /* in the order in which they were made */
	size_t count;
	struct buf strange; /* lines that can't be read, each with its end */
	size_t strange_count, strange_line;
};

void token_table_init(struct token_table *tokens);
void token_table_free(struct token_table *tokens); /* leaves it initialized and empty */
/* An empty text is none. STATUS_INVALID: another version, or no such file; STATUS_NO_MEMORY. */
MUST_USE enum status token_table_read(struct span text, struct token_table *out_tokens);
MUST_USE enum status token_table_write(const struct token_table *tokens, struct buf *out_text);

/* NULL: there is none of this id. */
struct token *token_table_find(const struct token_table *tokens, struct span id);
/* STATUS_TOO_LARGE: there are too many; STATUS_REFUSED: one has its id. */
MUST_USE enum status token_table_add(struct token_table *tokens, const struct token *token);
void token_table_remove(struct token_table *tokens, const struct token *token);

/* Gives it an id and a salt and digest; the text is for its holder alone: "subgate_1f3a9c22_…". */
MUST_USE enum status token_make(struct token *token, struct secret *out_text);
/* The id that a text of a stranger's names; empty where it has not the shape of one of ours. */
struct span token_id_of(struct span text);
bool token_is_right(const struct token *token, struct span text); /* in constant time */
bool token_is_over(const struct token *token, uint64_t now_s);
/* An unknown address is outside of every network. */
bool token_allows_address(const struct token *token, struct span address);
/* Whether it is a list of networks, as `from` has it. */
bool token_is_from(struct span text);

#endif

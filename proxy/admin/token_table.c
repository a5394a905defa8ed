/* Owns the tokens of a file, and its lines that are none. */
#include "admin/token_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/hash.h"
#include "base/json_text.h"

#define FIRST_LINE "subgate api-tokens 1"
#define PREFIX "subgate_"
#define ID_BYTES 4
#define SALT_BYTES 16
#define SECRET_BYTES 32
#define TEXT_SIZE (sizeof(PREFIX) - 1 + 2 * ID_BYTES + 1 + 2 * SECRET_BYTES)
#define LINE_MAXIMUM 4096U

/* ---- a token's text */

static enum status digest_text(const struct token *token, struct span text, char out_hex[TOKEN_HEX_SIZE])
{
	unsigned char mac[HASH_SHA256_SIZE];
	TRY(hash_hmac_sha256(span_of(token->salt), text, mac));
	hash_to_hex(mac, sizeof(mac), out_hex);
	return STATUS_OK;
}

static bool is_hex(struct span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (!((text.data[i] >= '0' && text.data[i] <= '9') || (text.data[i] >= 'a' && text.data[i] <= 'f')))
			return false;
	return true;
}

struct span token_id_of(struct span text)
{
	const size_t from = sizeof(PREFIX) - 1, to = from + 2 * ID_BYTES;
	struct span id = span_slice(text, from, to), rest = span_slice(text, to + 1, text.size);
	bool fits = text.size == TEXT_SIZE && span_starts_with(text, SPAN(PREFIX)) && text.data[to] == '_';
	return fits && is_hex(id) && is_hex(rest) ? id : (struct span){ 0 };
}

enum status token_make(struct token *token, struct secret *out_text)
{
	struct secret secret SECRET_AUTO = { 0 };
	struct buf text BUF_AUTO;
	unsigned char bytes[SALT_BYTES];
	buf_init_sensitive(&text, TEXT_SIZE);
	TRY(hash_random(bytes, ID_BYTES));
	hash_to_hex(bytes, ID_BYTES, token->id);
	TRY(hash_random(bytes, SALT_BYTES));
	hash_to_hex(bytes, SALT_BYTES, token->salt);
	TRY(secret_random_hex(SECRET_BYTES, &secret));
	TRY(buf_printf(&text, PREFIX "%s_", token->id));
	TRY(buf_append(&text, secret_reveal(&secret)));
	TRY(digest_text(token, buf_span(&text), token->digest));
	return secret_from_span(buf_span(&text), out_text);
}

bool token_is_right(const struct token *token, struct span text)
{
	char digest[TOKEN_HEX_SIZE];
	return digest_text(token, text, digest) == STATUS_OK && secret_equal(span_of(digest), span_of(token->digest));
}

bool token_is_over(const struct token *token, uint64_t now_s)
{
	return now_s >= token->expires_s;
}

/* ---- networks */

bool token_is_from(struct span text)
{
	struct network network;
	struct span item;
	if (text.size > TOKEN_FROM_MAXIMUM)
		return false;
	while (span_cut(&text, ',', &item))
		if (network_parse(item, &network) != STATUS_OK)
			return false;
	return true;
}

bool token_allows_address(const struct token *token, struct span address)
{
	struct network network;
	struct span rest = span_of(token->from), item;
	if (span_is_empty(rest))
		return true;
	while (span_cut(&rest, ',', &item))
		if (network_parse(item, &network) == STATUS_OK && network_contains(&network, address))
			return true;
	return false;
}

/* ---- a line */

static bool copy_member(const json_t *line, const char *name, size_t size, char *out_text)
{
	const json_t *value = json_object_get(line, name);
	const char *text = json_string_value(value);
	if (text == NULL || json_string_length(value) >= size || strlen(text) != json_string_length(value))
		return false;
	memcpy(out_text, text, strlen(text) + 1);
	return true;
}

static bool copy_time(const json_t *line, const char *name, uint64_t *out_time)
{
	const json_t *value = json_object_get(line, name);
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*out_time = (uint64_t)json_integer_value(value);
	return true;
}

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (ascii_is_control(*text))
			return false;
	return true;
}

/* STATUS_INVALID, STATUS_NO_MEMORY. */
static enum status read_line(struct span text, struct token *out_token)
{
	struct token token = { 0 };
	char role[16];
	json_t *line = NULL;
	TRY(json_parse(text, &line));
	bool whole = copy_member(line, "id", sizeof(token.id), token.id) && strlen(token.id) == TOKEN_ID_SIZE - 1 &&
		     copy_member(line, "label", sizeof(token.label), token.label) && is_plain(token.label) &&
		     copy_member(line, "role", sizeof(role), role) && access_role_find(span_of(role), &token.role) &&
		     copy_member(line, "from", sizeof(token.from), token.from) &&
		     (token.from[0] == '\0' || token_is_from(span_of(token.from))) &&
		     copy_member(line, "salt", sizeof(token.salt), token.salt) &&
		     copy_member(line, "digest", sizeof(token.digest), token.digest) &&
		     strlen(token.digest) == 2 * HASH_SHA256_SIZE && copy_time(line, "created", &token.created_s) &&
		     copy_time(line, "expires", &token.expires_s) && copy_time(line, "used", &token.used_s) &&
		     copy_member(line, "used_from", sizeof(token.used_from), token.used_from) &&
		     is_plain(token.used_from);
	json_decref(line);
	if (!whole)
		return STATUS_INVALID;
	*out_token = token;
	return STATUS_OK;
}

static enum status write_line(const struct token *token, struct buf *out_text)
{
	json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s}", "id", token->id, "label",
				 token->label, "role", access_role_text(token->role), "from", token->from, "created",
				 (json_int_t)token->created_s, "expires", (json_int_t)token->expires_s, "used",
				 (json_int_t)token->used_s, "used_from", token->used_from, "salt", token->salt,
				 "digest", token->digest);
	char *text = line ? json_write(line) : NULL;
	json_decref(line);
	enum status status = text ? buf_append_text(out_text, text) : STATUS_NO_MEMORY;
	free(text);
	return status == STATUS_OK ? buf_append_byte(out_text, '\n') : status;
}

/* ---- a file */

void token_table_init(struct token_table *tokens)
{
	*tokens = (struct token_table){ 0 };
	buf_init(&tokens->strange, 4U << 20);
}

void token_table_free(struct token_table *tokens)
{
	free(tokens->items);
	buf_free(&tokens->strange);
	token_table_init(tokens);
}

static enum status keep_strange(struct token_table *tokens, struct span line, size_t number)
{
	tokens->strange_count++;
	tokens->strange_line = number;
	TRY(buf_append(&tokens->strange, line));
	return buf_append_byte(&tokens->strange, '\n');
}

static enum status take_line(struct token_table *tokens, struct span line, size_t number)
{
	struct token token;
	enum status status = line.size > LINE_MAXIMUM ? STATUS_INVALID : read_line(line, &token);
	if (status == STATUS_OK)
		status = token_table_add(tokens, &token);
	return status == STATUS_OK || status == STATUS_NO_MEMORY ? status : keep_strange(tokens, line, number);
}

enum status token_table_read(struct span text, struct token_table *out_tokens)
{
	struct token_table tokens;
	struct span line;
	enum status status = STATUS_OK;
	token_table_init(&tokens);
	if (!span_is_empty(text) && (!span_cut(&text, '\n', &line) || !span_equal(line, SPAN(FIRST_LINE))))
		return STATUS_INVALID;
	for (size_t number = 2; status == STATUS_OK && text.size > 0 && span_cut(&text, '\n', &line); number++)
		if (!span_is_empty(line))
			status = take_line(&tokens, line, number);
	if (status == STATUS_OK)
		*out_tokens = tokens;
	else
		token_table_free(&tokens);
	return status;
}

enum status token_table_write(const struct token_table *tokens, struct buf *out_text)
{
	TRY(buf_append(out_text, SPAN(FIRST_LINE "\n")));
	for (size_t i = 0; i < tokens->count; i++)
		TRY(write_line(&tokens->items[i], out_text));
	return buf_append(out_text, buf_span(&tokens->strange));
}

/* ---- all of them */

struct token *token_table_find(const struct token_table *tokens, struct span id)
{
	for (size_t i = 0; i < tokens->count; i++)
		if (span_equal(span_of(tokens->items[i].id), id))
			return &tokens->items[i];
	return NULL;
}

enum status token_table_add(struct token_table *tokens, const struct token *token)
{
	if (tokens->count >= TOKENS_MAXIMUM)
		return STATUS_TOO_LARGE;
	if (token_table_find(tokens, span_of(token->id)))
		return STATUS_REFUSED;
	struct token *items = realloc(tokens->items, (tokens->count + 1) * sizeof(*items));
	if (items == NULL)
		return STATUS_NO_MEMORY;
	tokens->items = items;
	items[tokens->count++] = *token;
	return STATUS_OK;
}

void token_table_remove(struct token_table *tokens, const struct token *token)
{
	size_t at = (size_t)(token - tokens->items);
	tokens->count--;
	memmove(&tokens->items[at], &tokens->items[at + 1], (tokens->count - at) * sizeof(*tokens->items));
}

/*
 * Tokens of the API and what the admin role keeps. The first byte says what the rest is: a token as a stranger sends
 * it, which names an id of ours or none; the list of networks that one holds in; a file of tokens, or of sessions,
 * which comes out as it went in once it was written. No file makes a session younger than its clocks say.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "admin/people_file.h"
#include "admin/token_table.h"

static void read_text(struct span text)
{
	struct token token = { .salt = "aa",
			       .digest = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" };
	struct span id = token_id_of(text);
	assert(id.size == 0 || (id.size == TOKEN_ID_SIZE - 1 && id.data > text.data && text.size == 81));
	assert(!token_is_right(&token, text));
}

static void read_networks(struct span text)
{
	struct token token = { 0 };
	if (!token_is_from(text) || span_contains_byte(text, '\0'))
		return;
	snprintf(token.from, sizeof(token.from), "%.*s", SPAN_ARGS(text));
	assert(strlen(token.from) == text.size && text.size > 0);
	assert(!token_allows_address(&token, SPAN("")) && !token_allows_address(&token, SPAN("none")));
}

static void read_file(struct span text)
{
	struct token_table tokens, again;
	struct buf first BUF_AUTO, second BUF_AUTO;
	buf_init(&first, 16U << 20);
	buf_init(&second, 16U << 20);
	if (token_table_read(text, &tokens) != STATUS_OK)
		return;
	enum status status = token_table_write(&tokens, &first);
	assert(status == STATUS_OK);
	status = token_table_read(buf_span(&first), &again);
	assert(status == STATUS_OK && again.count == tokens.count && again.strange_count == tokens.strange_count);
	status = token_table_write(&again, &second);
	assert(status == STATUS_OK && span_equal(buf_span(&first), buf_span(&second)));
	for (size_t i = 0; i < tokens.count; i++)
		assert(tokens.items[i].role < ACCESS_ROLES && token_table_find(&tokens, span_of(tokens.items[i].id)));
	token_table_free(&tokens);
	token_table_free(&again);
}

static void read_sessions(struct span text)
{
	const struct people_clock now = { 1000000, 2000000 };
	struct people people = { .session_limit_ms = 60000, .idle_limit_ms = 30000 }, again = people;
	struct buf first BUF_AUTO, second BUF_AUTO;
	size_t strange = 0;
	buf_init(&first, 16U << 20);
	buf_init(&second, 16U << 20);
	if (people_read(text, &now, &people, &strange) != STATUS_OK)
		return;
	for (const struct person *person = people.first; person; person = person->next)
		assert(person->begun_ms <= now.monotonic_ms && now.monotonic_ms - person->begun_ms < 60000 &&
		       now.monotonic_ms - person->used_ms < 30000 && person->user[0] && person->user_id[0]);
	enum status status = people_write(&people, &now, &first);
	assert(status == STATUS_OK);
	status = people_read(buf_span(&first), &now, &again, &strange);
	assert(status == STATUS_OK && again.count == people.count && strange == 0);
	status = people_write(&again, &now, &second);
	assert(status == STATUS_OK && span_equal(buf_span(&first), buf_span(&second)));
	people_end_all(&people);
	people_end_all(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct span text = { (const char *)data + 1, size - 1 };
	if (data[0] == 't')
		read_text(text);
	else if (data[0] == 'n')
		read_networks(text);
	else if (data[0] == 's')
		read_sessions(text);
	else
		read_file(text);
	return 0;
}

/* Tokens of the API: their text, their file, and the store that follows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/shelf.h"
#include "admin/token_store.h"
#include "with_loop.h"

#define FIRST "subgate api-tokens 1\n"
#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define LINE(id, role)                                                                                        \
	"{\"id\":\"" id "\",\"label\":\"l\",\"role\":\"" role "\",\"from\":\"\",\"created\":1,\"expires\":9," \
	"\"used\":0,\"used_from\":\"\",\"salt\":\"aa\",\"digest\":\"" DIGEST "\"}\n"

/* ---- one token */

static void make_token(struct token *token, struct secret *text)
{
	*token = (struct token){ .role = ACCESS_OPERATOR, .label = "ansible", .created_s = 1, .expires_s = 10 };
	assert_int_equal(token_make(token, text), STATUS_OK);
}

static void a_token_is_right_as_it_was_made_alone(void **state)
{
	(void)state;
	struct token token, other;
	struct secret text = { 0 }, others = { 0 };
	char changed[128];
	make_token(&token, &text);
	make_token(&other, &others);
	struct span whole = secret_reveal(&text);
	assert_int_equal(whole.size, 81);
	assert_true(span_equal(token_id_of(whole), span_of(token.id)));
	assert_true(token_is_right(&token, whole));
	assert_false(token_is_right(&other, whole));
	assert_false(token_is_right(&token, secret_reveal(&others)));
	for (size_t i = 0; i < whole.size; i++) {
		memcpy(changed, whole.data, whole.size);
		changed[i] = changed[i] == '0' ? '1' : '0';
		assert_false(token_is_right(&token, (struct span){ changed, whole.size }));
	}
	assert_false(token_is_over(&token, 9));
	assert_true(token_is_over(&token, 10));
	secret_wipe(&text);
	secret_wipe(&others);
}

static void a_text_of_another_shape_names_no_token(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"subgate_",
		"subgate_1f3a9c22",
		"subgate_1f3a9c22_" DIGEST "0",
		"subgate_1F3A9C22_" DIGEST,
		"Subgate_1f3a9c22_" DIGEST,
		"subgate_1f3a9c22-" DIGEST,
		"subgate_../../22_" DIGEST,
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(token_id_of(span_of(texts[i])).size, 0);
	assert_int_equal(token_id_of(SPAN("subgate_1f3a9c22_" DIGEST)).size, 8);
}

static void a_token_holds_within_its_networks(void **state)
{
	(void)state;
	struct token token = { .from = "192.0.2.0/24,2001:db8::/32" };
	assert_true(token_allows_address(&token, SPAN("192.0.2.7")));
	assert_true(token_allows_address(&token, SPAN("2001:db8::7")));
	assert_false(token_allows_address(&token, SPAN("192.0.3.7")));
	assert_false(token_allows_address(&token, SPAN("")));
	assert_true(token_is_from(span_of(token.from)));
	assert_false(token_is_from(SPAN("")));
	assert_false(token_is_from(SPAN("192.0.2.0/24,")));
	assert_false(token_is_from(SPAN("office")));
	assert_true(token_allows_address(&(struct token){ 0 }, SPAN("")));
}

/* ---- a file */

static void a_line_that_is_none_is_skipped_and_kept(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"{}\n",
		"[]\n",
		"nonsense\n",
		LINE("1f3a9c2", "operator"),
		LINE("1f3a9c22", "user "),
		LINE("1f3a9c22", "root"),
		LINE("00000001", "admin"), /* there before */
		"{\"id\":\"1f3a9c22\",\"id\":\"1f3a9c23\"}\n",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[4096];
		struct token_table tokens;
		struct buf again BUF_AUTO;
		buf_init(&again, 65536);
		snprintf(text, sizeof(text), FIRST LINE("00000001", "auditor") "%s" LINE("00000002", "admin"), bad[i]);
		assert_int_equal(token_table_read(span_of(text), &tokens), STATUS_OK);
		assert_int_equal(tokens.count, 2);
		assert_int_equal(tokens.strange_count, 1);
		assert_int_equal(tokens.strange_line, 3);
		assert_int_equal(token_table_find(&tokens, SPAN("00000001"))->role, ACCESS_AUDITOR);
		assert_int_equal(token_table_write(&tokens, &again), STATUS_OK);
		assert_true(span_ends_with_nocase(buf_span(&again), span_of(bad[i])));
		token_table_free(&tokens);
	}
}

static void a_file_of_another_version_is_none(void **state)
{
	(void)state;
	struct token_table tokens;
	assert_int_equal(token_table_read(SPAN("subgate api-tokens 2\n"), &tokens), STATUS_INVALID);
	assert_int_equal(token_table_read(SPAN(LINE("00000001", "admin")), &tokens), STATUS_INVALID);
	assert_int_equal(token_table_read(SPAN("\n"), &tokens), STATUS_INVALID);
	assert_int_equal(token_table_read(SPAN(""), &tokens), STATUS_OK);
	token_table_free(&tokens);
	assert_int_equal(token_table_read(SPAN(FIRST), &tokens), STATUS_OK);
	token_table_free(&tokens);
}

/* ---- the store */

struct trial {
	struct loop *loop;
	struct jobs *disk;
	struct token_store *store;
	char folder[64];
	int fd;
	enum status changed;
	unsigned changes;
};

static void begin_store(struct trial *trial)
{
	static const struct jobs_settings disk = {
		.name = "disk", .kind = LIFE_DISK, .threads = 1, .queue_maximum = 16
	};
	assert_int_equal(jobs_create(trial->loop, &disk, &trial->disk), STATUS_OK);
	assert_int_equal(token_store_create(trial->loop, trial->disk, trial->fd, &trial->store), STATUS_OK);
}

static void end_store(struct trial *trial)
{
	assert_true(jobs_free(&trial->disk));
	token_store_free(&trial->store);
}

static int begin_trial(void **state)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	snprintf(trial->folder, sizeof(trial->folder), "/tmp/tokens-XXXXXX");
	assert_non_null(mkdtemp(trial->folder));
	trial->fd = open(trial->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(loop_create(&trial->loop), STATUS_OK);
	begin_store(trial);
	*state = trial;
	return 0;
}

static int end_trial(void **state)
{
	static const char *const names[] = { "api-tokens", "api-tokens.lock", "api-tokens.next" };
	struct trial *trial = *state;
	end_store(trial);
	loop_free(trial->loop);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(trial->fd, names[i], 0);
	close(trial->fd);
	assert_int_equal(rmdir(trial->folder), 0);
	free(trial);
	return 0;
}

static void note_change(void *context, enum status status)
{
	struct trial *trial = context;
	trial->changed = status;
	trial->changes++;
}

static bool is_changed(void *context)
{
	return ((struct trial *)context)->changes > 0;
}

static enum status change_token(struct trial *trial, enum token_change what, const struct token *token)
{
	trial->changes = 0;
	assert_int_equal(token_store_change(trial->store, what, token, note_change, trial), STATUS_OK);
	run_until(trial->loop, is_changed, trial);
	assert_int_equal(trial->changes, 1);
	return trial->changed;
}

static void put_file(const struct trial *trial, const char *text)
{
	struct shelf_mark mark;
	assert_int_equal(shelf_replace(trial->fd, "api-tokens", span_of(text), &mark), STATUS_OK);
}

static void what_is_changed_is_there_after_a_restart(void **state)
{
	struct trial *trial = *state;
	struct token token, other;
	struct secret text = { 0 };
	struct stat info;
	make_token(&token, &text);
	assert_int_equal(change_token(trial, TOKEN_ADD, &token), STATUS_OK);
	secret_wipe(&text);
	make_token(&other, &text);
	assert_int_equal(change_token(trial, TOKEN_ADD, &other), STATUS_OK);
	other.used_s = 7;
	snprintf(other.used_from, sizeof(other.used_from), "192.0.2.1");
	assert_int_equal(change_token(trial, TOKEN_USED, &other), STATUS_OK);
	assert_int_equal(change_token(trial, TOKEN_REMOVE, &token), STATUS_OK);
	assert_int_equal(change_token(trial, TOKEN_REMOVE, &token), STATUS_NOT_FOUND);
	assert_int_equal(fstatat(trial->fd, "api-tokens", &info, 0), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	end_store(trial);
	begin_store(trial);
	const struct token_table *tokens = token_store_all(trial->store);
	assert_int_equal(tokens->count, 1);
	assert_true(token_is_right(&tokens->items[0], secret_reveal(&text)));
	assert_int_equal(tokens->items[0].used_s, 7);
	assert_string_equal(tokens->items[0].used_from, "192.0.2.1");
	secret_wipe(&text);
}

static bool has_another(void *context)
{
	const struct trial *trial = context;
	return token_table_find(token_store_all(trial->store), SPAN("00000002")) != NULL;
}

static bool has_none(void *context)
{
	const struct trial *trial = context;
	return token_store_all(trial->store)->count == 0;
}

static void a_file_that_others_replaced_is_followed(void **state)
{
	struct trial *trial = *state;
	struct token token = { 0 };
	put_file(trial, FIRST LINE("00000001", "auditor") "a line of another version\n" LINE("00000002", "operator"));
	run_until(trial->loop, has_another, trial);
	memcpy(token.id, "00000001", 9);
	assert_int_equal(change_token(trial, TOKEN_REMOVE, &token), STATUS_OK);
	assert_int_equal(token_store_all(trial->store)->count, 1);
	assert_int_equal(token_store_all(trial->store)->strange_count, 1); /* it stays */
	/* A revocation that another admin made meanwhile is not undone by a change here. */
	put_file(trial, FIRST LINE("00000003", "auditor"));
	memcpy(token.id, "00000003", 9);
	assert_int_equal(change_token(trial, TOKEN_USED, &token), STATUS_OK);
	assert_null(token_table_find(token_store_all(trial->store), SPAN("00000002")));
}

static void a_file_that_cannot_be_read_lets_nobody_in(void **state)
{
	struct trial *trial = *state;
	struct token token = { .id = "00000002" };
	put_file(trial, FIRST LINE("00000002", "operator"));
	run_until(trial->loop, has_another, trial);
	put_file(trial, "subgate api-tokens 2\n");
	run_until(trial->loop, has_none, trial);
	assert_int_equal(change_token(trial, TOKEN_REMOVE, &token), STATUS_INVALID);
	put_file(trial, FIRST LINE("00000002", "operator"));
	run_until(trial->loop, has_another, trial);
	unlinkat(trial->fd, "api-tokens", 0);
	assert_int_equal(symlinkat("/etc/passwd", trial->fd, "api-tokens"), 0);
	run_until(trial->loop, has_none, trial);
}

static void two_admins_lose_nothing_of_each_other_s(void **state)
{
	struct trial *trial = *state, second = { .loop = trial->loop, .fd = trial->fd };
	struct token token;
	struct secret text = { 0 };
	begin_store(&second);
	for (unsigned i = 0; i < 20; i++) {
		make_token(&token, &text);
		secret_wipe(&text);
		assert_int_equal(change_token(i % 2 ? trial : &second, TOKEN_ADD, &token), STATUS_OK);
	}
	assert_int_equal(token_store_all(trial->store)->count, 20);
	end_store(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_right_as_it_was_made_alone),
		cmocka_unit_test(a_text_of_another_shape_names_no_token),
		cmocka_unit_test(a_token_holds_within_its_networks),
		cmocka_unit_test(a_line_that_is_none_is_skipped_and_kept),
		cmocka_unit_test(a_file_of_another_version_is_none),
		cmocka_unit_test_setup_teardown(what_is_changed_is_there_after_a_restart, begin_trial, end_trial),
		cmocka_unit_test_setup_teardown(a_file_that_others_replaced_is_followed, begin_trial, end_trial),
		cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_lets_nobody_in, begin_trial, end_trial),
		cmocka_unit_test_setup_teardown(two_admins_lose_nothing_of_each_other_s, begin_trial, end_trial),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

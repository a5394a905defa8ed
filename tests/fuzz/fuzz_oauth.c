/*
 * Answers of token endpoints, any bytes: what is taken as a token could stand in a line of AUTH, and what is said in
 * the log is one printable line that quotes no secret. The first line is the HTTP status. The same bytes are read as
 * what an administrator pastes, and as a token file.
 */
#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "auth/oauth/answer.h"
#include "auth/oauth/client.h"
#include "auth/oauth/consent.h"
#include "base/mask.h"

static const struct span secrets[] = { { "refresh-token-1", 15 }, { "client secret", 13 } };
static const struct answer_secrets all = { secrets, 2 };

static void expect_line(const char *text, size_t size)
{
	assert(strnlen(text, size) < size);
	for (const char *c = text; *c; c++)
		assert(*c >= ' ' && *c <= '~');
	for (size_t i = 0; i < all.count; i++)
		assert(!mask_quotes(span_of(text), secrets[i]));
}

static void expect_token(const struct secret *token)
{
	struct span text = secret_reveal(token);
	assert(text.size <= ANSWER_TOKEN_MAXIMUM);
	for (size_t i = 0; i < text.size; i++)
		assert(text.data[i] > ' ' && text.data[i] <= '~');
}

static void play_answers(long status, struct span body)
{
	struct token_answer tokens;
	struct device_answer device;
	token_answer_read(status, body, all, &tokens);
	assert((tokens.result == ANSWER_GIVEN) == !secret_is_empty(&tokens.access));
	assert(tokens.result != ANSWER_GIVEN || tokens.lifetime_s > 0);
	expect_token(&tokens.access);
	expect_token(&tokens.refresh);
	expect_line(tokens.error, sizeof(tokens.error));
	expect_line(tokens.reason, sizeof(tokens.reason));
	token_answer_wipe(&tokens);
	device_answer_read(status, body, all, &device);
	assert((device.result == ANSWER_GIVEN) == !secret_is_empty(&device.device_code));
	expect_token(&device.device_code);
	assert(strnlen(device.user_code, sizeof(device.user_code)) < sizeof(device.user_code));
	assert(strnlen(device.uri, sizeof(device.uri)) < sizeof(device.uri));
	expect_line(device.reason, sizeof(device.reason));
	device_answer_wipe(&device);
}

static void play_paste(struct span text)
{
	static char state[] = "state-1";
	const struct consent consent = { .state = { state, sizeof(state) - 1 } };
	struct buf code BUF_AUTO;
	buf_init(&code, CONSENT_URL_MAXIMUM);
	(void)(consent_read_answer(&consent, text, &code) == STATUS_OK);
}

static void play_file(struct span bytes)
{
	static int fd = -1;
	struct token_record record = { 0 };
	if (fd < 0)
		fd = memfd_create("token", MFD_CLOEXEC);
	assert(fd >= 0 && ftruncate(fd, 0) == 0);
	assert(pwrite(fd, bytes.data, bytes.size, 0) == (ssize_t)bytes.size);
	if (token_file_read(fd, &record) == STATUS_OK)
		secret_wipe(&record.token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = { (const char *)data, size }, line;
	struct service_account account;
	const char *fault = NULL;
	uint64_t status = 0;
	if (!span_cut(&rest, '\n', &line) || span_to_u64(line, &status) != STATUS_OK)
		status = 200;
	play_answers((long)(status % 1000), rest);
	play_paste(rest);
	play_file(rest);
	if (service_account_read(rest, &account, &fault) == STATUS_OK)
		service_account_wipe(&account);
	return 0;
}

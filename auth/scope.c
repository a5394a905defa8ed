/* Scopes: a password's lists, and what they have in common with its user's. */
#include "auth/scope.h"

#include "smtp/address.h"

void scope_init(struct scope *scope)
{
	*scope = (struct scope){ 0 };
	buf_init(&scope->senders, 2 * CHANGE_LIST_MAXIMUM * sizeof(uint32_t));
	buf_init(&scope->recipients, 2 * CHANGE_LIST_MAXIMUM * sizeof(uint32_t));
}

void scope_free(struct scope *scope)
{
	buf_free(&scope->senders);
	buf_free(&scope->recipients);
}

static enum status take_list(const char *lines, struct buf *out_list)
{
	struct span rest = span_of(lines), item;
	while (rest.size > 0 && span_cut(&rest, '\n', &item))
		TRY(codec_list_add(out_list, item));
	return STATUS_OK;
}

enum status scope_take(struct scope *scope, const struct app_password *password)
{
	TRY(take_list(app_password_text(password, APP_PASSWORD_SENDERS), &scope->senders));
	TRY(take_list(app_password_text(password, APP_PASSWORD_RECIPIENTS), &scope->recipients));
	scope->messages_per_day = password->messages_per_day;
	return STATUS_OK;
}

/* ---- senders in common */

static bool is_domain(struct span pattern)
{
	return span_starts_with(pattern, SPAN("@"));
}

/* Whether all that `narrow` allows is allowed by `wide`. */
static bool covers_pattern(struct span wide, struct span narrow, struct span delimiter)
{
	if (span_equal(wide, SPAN("*")))
		return true;
	if (is_domain(narrow) || span_equal(narrow, SPAN("*")))
		return span_equal_nocase(wide, narrow);
	return address_matches(narrow, wide, delimiter);
}

static bool is_covered(struct codec_list list, struct span pattern, struct span delimiter)
{
	struct span wide;
	while (codec_list_next(&list, &wide))
		if (covers_pattern(wide, pattern, delimiter))
			return true;
	return false;
}

static enum status add_covered(struct codec_list from, struct codec_list by, struct span delimiter, struct buf *out)
{
	struct span pattern;
	while (codec_list_next(&from, &pattern))
		if (is_covered(by, pattern, delimiter))
			TRY(codec_list_add(out, pattern));
	return STATUS_OK;
}

enum status scope_narrow(const struct scope *scope, struct span delimiter, struct identity *identity)
{
	struct buf common BUF_AUTO;
	const struct codec_list mine = codec_list_of(&scope->senders), theirs = codec_list_of(&identity->senders);
	buf_init(&common, IDENTITY_LIST_MAXIMUM);
	if (buf_size(&scope->senders) == 0)
		return STATUS_OK;
	TRY(add_covered(mine, theirs, delimiter, &common));
	TRY(add_covered(theirs, mine, delimiter, &common));
	buf_clear(&identity->senders);
	return buf_append(&identity->senders, buf_span(&common));
}

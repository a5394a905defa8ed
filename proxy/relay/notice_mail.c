/* What administrators read. Owns nothing; a mail that can't be written is logged by own_mail.c, or here. */
#include "relay/notice_mail.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "role/role.h"

#define TEXT_MAXIMUM (NOTICE_TEXT_MAXIMUM + 2048U) /* bytes */

/* Notices begin as their log lines do, in lower case and without a full stop. */
static enum status write_sentence(struct span text, struct buf *out)
{
	if (span_is_empty(text))
		return STATUS_OK;
	char first = text.data[0];
	bool is_ended = strchr(".!?\n", text.data[text.size - 1]) != NULL;
	if (first >= 'a' && first <= 'z')
		first = (char)(first - 'a' + 'A');
	TRY(buf_append_byte(out, first));
	TRY(buf_append(out, span_slice(text, 1, text.size)));
	return buf_append(out, is_ended ? SPAN("\n") : SPAN(".\n"));
}

static enum status write_text(const struct notice_mail *self, const struct notice *notice, struct buf *text)
{
	char time[CLOCK_TEXT_SIZE];
	clock_format_seconds(notice->time_us / 1000000, time);
	if (span_is_empty(notice->user))
		TRY(write_sentence(notice->subject, text));
	else
		TRY(buf_printf(text, "%.*s: %.*s.\n", SPAN_ARGS(notice->user), SPAN_ARGS(notice->subject)));
	if (!span_is_empty(notice->text)) {
		TRY(buf_append(text, SPAN("\n")));
		TRY(write_sentence(notice->text, text));
	}
	if (!span_is_empty(notice->user))
		TRY(buf_printf(text, "\nUser: %.*s", SPAN_ARGS(notice->user)));
	TRY(buf_printf(text, "\nKind: %s (%s)\nSeen: %s by Subgate on %s\n", notice_kind_text(notice->kind),
		       notice_severity_text(notice->severity), time, self->services->role->node));
	return buf_append(text, SPAN("\nThe same notice comes once an hour at most. The audit has the details.\n"));
}

static enum status write_subject(const struct notice *notice, struct buf *subject)
{
	TRY(buf_printf(subject, "[Subgate %s] ", notice_severity_text(notice->severity)));
	if (!span_is_empty(notice->user))
		TRY(buf_printf(subject, "%.*s: ", SPAN_ARGS(notice->user)));
	return buf_append(subject, notice->subject);
}

void notice_mail_take(void *context, const struct notice *notice)
{
	const struct notice_mail *self = context;
	const struct config_list *administrators = &self->services->config->notify.administrators;
	struct buf subject BUF_AUTO, text BUF_AUTO;
	buf_init(&subject, TEXT_MAXIMUM);
	buf_init(&text, TEXT_MAXIMUM);
	if (administrators->count == 0)
		return;
	if (write_subject(notice, &subject) != STATUS_OK || write_text(self, notice, &text) != STATUS_OK) {
		log_error("a notice of %s can't be mailed: out of memory", notice_kind_text(notice->kind));
		return;
	}
	for (size_t i = 0; i < administrators->count; i++) {
		const struct own_letter letter = { .to = span_of(administrators->items[i]),
						   .subject = buf_span(&subject),
						   .text = buf_span(&text),
						   .language = SPAN("en") };
		own_mail_send(self->own, &letter);
	}
}

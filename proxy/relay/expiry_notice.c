/* Looks a moment after the start, when Redis answers, and then each hour. Owns what it knows of each certificate. */
#include "relay/expiry_notice.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "relay/records.h"
#include "role/role.h"

#define FIRST_MS 3000
#define LOOK_MS 3600000 /* an hour */
#define DAY_S 86400ULL
#define TOLD_USER "subgate certificates" /* as no user is called */
#define WORD_SIZE 24                     /* bytes: "expiry:", 16 digits, a NUL */
#define TEXT_SIZE 512                    /* bytes */

struct expiring {
	struct expiry_notice *notice;
	char *name; /* of the configuration's section */
	uint64_t at_s;
	uint64_t told_until_s; /* by this process; 0: not yet */
};

struct expiry_notice {
	struct services *services;
	struct told *told;
	struct timer *timer;
	struct expiring *items;
	size_t count;
};

/* ---- telling */

static void take_first(void *context, bool is_first)
{
	const struct expiring *item = context;
	struct services *services = item->notice->services;
	bool has_ended = item->at_s <= clock_wall_us() / 1000000;
	char time[CLOCK_TEXT_SIZE], subject[TEXT_SIZE];
	if (!is_first)
		return;
	clock_format_seconds(item->at_s, time);
	snprintf(subject, sizeof(subject), "the certificate of %.200s %s at %s", item->name,
		 has_ended ? "has ended" : "ends", time);
	log_warning("%s", subject);
	records_certificate_expiring(services->audit, span_of(subject));
	const struct notice notice = {
		.kind = NOTICE_CERTIFICATE_EXPIRING,
		.severity = has_ended ? NOTICE_ALARM : NOTICE_WARNING,
		.subject = span_of(subject),
		.text = SPAN(
			"from then on mail programs refuse to connect. Whatever renews it (certbot, acme.sh, lego, "
			"or a person) has not done so; once its files are replaced, the new one is taken over by "
			"itself, and the log of subgate says if something is wrong with it"),
	};
	notices_raise(&services->notices, &notice);
}

/* Nodes with the same certificate have the same word for it. */
static enum status write_word(const struct expiring *item, char out_word[WORD_SIZE])
{
	unsigned char digest[HASH_SHA256_SIZE];
	char text[TEXT_SIZE];
	snprintf(text, sizeof(text), "%" PRIu64 " %.400s", item->at_s, item->name);
	TRY(hash_sha256(span_of(text), digest));
	memcpy(out_word, "expiry:", 7);
	hash_to_hex(digest, 8, out_word + 7);
	return STATUS_OK;
}

static void ask_whether_told(struct expiring *item, uint64_t now_s)
{
	char word[WORD_SIZE];
	item->told_until_s = now_s + DAY_S;
	if (write_word(item, word) != STATUS_OK ||
	    told_ask(item->notice->told, SPAN(TOLD_USER), span_of(word), now_s + DAY_S, take_first, item) != STATUS_OK)
		take_first(item, true);
}

static void look_at_expiring(void *context)
{
	struct expiry_notice *notice = context;
	uint64_t now_s = clock_wall_us() / 1000000;
	timer_set(notice->timer, LOOK_MS);
	for (size_t i = 0; i < notice->count; i++) {
		struct expiring *item = &notice->items[i];
		if (item->at_s <= now_s + EXPIRY_NOTICE_S && now_s >= item->told_until_s)
			ask_whether_told(item, now_s);
	}
}

/* ---- life */

static enum status add_line(struct expiry_notice *notice, struct span line)
{
	struct span number;
	uint64_t at_s = 0;
	if (!span_cut(&line, ' ', &number))
		return STATUS_INVALID;
	TRY(span_to_u64(number, &at_s));
	char *name = span_to_string(line);
	if (name == NULL)
		return STATUS_NO_MEMORY;
	notice->items[notice->count++] = (struct expiring){ .notice = notice, .name = name, .at_s = at_s };
	return STATUS_OK;
}

static enum status read_lines(struct expiry_notice *notice, struct span text)
{
	struct span rest = text, line;
	size_t count = 0;
	while (span_cut(&rest, '\n', &line))
		count++;
	notice->items = calloc(count + 1, sizeof(*notice->items));
	if (notice->items == NULL)
		return STATUS_NO_MEMORY;
	while (span_cut(&text, '\n', &line))
		if (line.size)
			TRY(add_line(notice, line));
	return STATUS_OK;
}

enum status expiry_notice_create(struct services *services, struct told *told, struct expiry_notice **out_notice)
{
	struct secret text SECRET_AUTO = { 0 };
	enum status status = role_take_secret(services->role, "expiries", &text);
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		return status;
	struct expiry_notice *notice = calloc(1, sizeof(*notice));
	if (notice == NULL)
		return STATUS_NO_MEMORY;
	*notice = (struct expiry_notice){ .services = services, .told = told };
	status = timer_make(services->loop, look_at_expiring, notice, &notice->timer);
	if (status == STATUS_OK)
		status = read_lines(notice, secret_reveal(&text));
	if (status != STATUS_OK) {
		expiry_notice_free(&notice);
		return status;
	}
	timer_set(notice->timer, FIRST_MS);
	*out_notice = notice;
	return STATUS_OK;
}

void expiry_notice_drain(struct expiry_notice *notice)
{
	if (notice)
		timer_clear(notice->timer);
}

void expiry_notice_free(struct expiry_notice **notice_at)
{
	struct expiry_notice *notice = *notice_at;
	if (notice == NULL)
		return;
	*notice_at = NULL;
	timer_free(&notice->timer);
	for (size_t i = 0; i < notice->count; i++)
		free(notice->items[i].name);
	free(notice->items);
	free(notice);
}

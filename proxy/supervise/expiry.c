/* Reads the certificates' ends once a generation. The watch looks each hour, and warns once a day. */
#include "supervise/expiry.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "net/tls_look.h"
#include "supervise/memory_file.h"

#define DAY_S 86400ULL
#define LOOK_MS 3600000 /* an hour */
#define TEXT_MAXIMUM (1U << 20)

struct expiry_watch {
	struct loop *loop;
	struct timer *timer;
	struct stats *stats;
	const struct expiries *expiries; /* borrowed; NULL: none yet */
	uint64_t warned_day;             /* since 1970; 0: never */
};

/* ---- the list */

static enum status add_expiry(const struct secret_file *file, uint64_t at_s, struct expiries *expiries)
{
	const char *dot = strrchr(file->label, '.');
	struct expiry *items = realloc(expiries->items, (expiries->count + 1) * sizeof(*items));
	if (items == NULL)
		return STATUS_NO_MEMORY;
	expiries->items = items;
	char *name = span_to_string(span_slice(span_of(file->label), 0, dot ? (size_t)(dot - file->label) : SIZE_MAX));
	if (name == NULL)
		return STATUS_NO_MEMORY;
	items[expiries->count++] = (struct expiry){ name, at_s };
	return STATUS_OK;
}

static enum status read_expiry(const struct secret_file *file, const struct handover *files, struct expiries *expiries)
{
	struct secret content SECRET_AUTO = { 0 };
	uint64_t at_s = 0;
	TRY(secret_from_fd(handover_find(files, file->name), &content));
	/* What is no certificate is told by whoever makes a server of it. */
	if (tls_look_at_expiry(secret_reveal(&content), &at_s) != STATUS_OK)
		return STATUS_OK;
	return add_expiry(file, at_s, expiries);
}

enum status expiries_list(const struct config *config, const struct handover *files, struct expiries *out_expiries)
{
	struct secret_files list SECRET_FILES_AUTO = { 0 };
	struct expiries expiries = { 0 };
	enum status status = secret_files_list(config, true, &list);
	for (size_t i = 0; status == STATUS_OK && i < list.count; i++)
		if (secret_content_is_ours(list.items[i].content))
			status = read_expiry(&list.items[i], files, &expiries);
	if (status == STATUS_OK)
		*out_expiries = expiries;
	else
		expiries_free(&expiries);
	return status;
}

void expiries_free(struct expiries *expiries)
{
	for (size_t i = 0; i < expiries->count; i++)
		free(expiries->items[i].name);
	free(expiries->items);
	*expiries = (struct expiries){ 0 };
}

enum status expiries_hand_over(const struct expiries *expiries, struct handover *list)
{
	struct buf text BUF_AUTO;
	int fd = -1;
	buf_init(&text, TEXT_MAXIMUM);
	for (size_t i = 0; i < expiries->count; i++)
		TRY(buf_printf(&text, "%" PRIu64 " %s\n", expiries->items[i].at_s, expiries->items[i].name));
	TRY(memory_file_seal("expiries", buf_span(&text), &fd));
	return handover_give(list, TO(ROLE_RELAY), fd, "expiries");
}

void expiry_describe(uint64_t at_s, uint64_t now_s, char out_text[EXPIRY_TEXT_SIZE])
{
	char time[CLOCK_TEXT_SIZE];
	clock_format_seconds(at_s, time);
	uint64_t days = at_s > now_s ? (at_s - now_s) / DAY_S : 0;
	if (at_s <= now_s)
		snprintf(out_text, EXPIRY_TEXT_SIZE, "has ended at %s", time);
	else
		snprintf(out_text, EXPIRY_TEXT_SIZE, "ends at %s, in %" PRIu64 " day%s", time, days,
			 days == 1 ? "" : "s");
}

/* ---- the watch */

static void look_at_expiries(void *context)
{
	struct expiry_watch *watch = context;
	uint64_t now_s = clock_wall_us() / 1000000;
	bool is_new_day = now_s / DAY_S != watch->warned_day;
	char text[EXPIRY_TEXT_SIZE];
	timer_set(watch->timer, LOOK_MS);
	for (size_t i = 0; is_new_day && i < watch->expiries->count; i++) {
		const struct expiry *expiry = &watch->expiries->items[i];
		if (expiry->at_s > now_s + EXPIRY_WARNING_S)
			continue;
		expiry_describe(expiry->at_s, now_s, text);
		log_warning("certificates: that of %s %s", expiry->name, text);
		watch->warned_day = now_s / DAY_S;
	}
}

enum status expiry_watch_create(struct loop *loop, struct stats *stats, struct expiry_watch **out_watch)
{
	struct expiry_watch *watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return STATUS_NO_MEMORY;
	*watch = (struct expiry_watch){ .loop = loop, .stats = stats };
	enum status status = timer_make(loop, look_at_expiries, watch, &watch->timer);
	if (status == STATUS_OK)
		*out_watch = watch;
	else
		free(watch);
	return status;
}

/* A label has the number of its section; 0 is that of tls. */
static void set_metric(const struct expiry_watch *watch, const struct config *config)
{
	uint64_t ends[STATS_LABELS] = { 0 };
	for (size_t i = 0; i < watch->expiries->count; i++) {
		const struct expiry *expiry = &watch->expiries->items[i];
		if (strcmp(expiry->name, "tls") == 0)
			ends[0] = expiry->at_s;
		for (size_t k = 0; k < config->certificate.count && k + 1 < STATS_LABELS; k++)
			if (strncmp(expiry->name, "certificate ", 12) == 0 &&
			    strcmp(expiry->name + 12, config->certificate.items[k].name) == 0)
				ends[k + 1] = expiry->at_s;
	}
	for (unsigned label = 0; label < STATS_LABELS; label++)
		stats_set(watch->stats, COUNTER_CERTIFICATE_EXPIRY, label, ends[label]);
}

void expiry_watch_follow(struct expiry_watch *watch, const struct config *config, const struct expiries *expiries)
{
	watch->expiries = expiries;
	set_metric(watch, config);
	look_at_expiries(watch);
}

void expiry_watch_free(struct expiry_watch **watch)
{
	if (*watch == NULL)
		return;
	timer_free(&(*watch)->timer);
	free(*watch);
	*watch = NULL;
}

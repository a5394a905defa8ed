/* Owns the downloads; each one's supply is its visit's, then the library's, and tells when it is gone. */
#include "console/pages/download.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "console/asking.h"
#include "console/pages/csv.h"
#include "console/pages/form.h"
#include "console/supply.h"

/* Of all readers, and of one session: each holds a part until its reader has it, or has gone. */
#define DOWNLOADS_MAXIMUM 8U
#define DOWNLOADS_OF_A_SESSION 2U
/* Each of up to 500 records, found in up to 128 MiB of the audit. */
#define PARTS_MAXIMUM 40U
/* Whoever reads more slowly gets no further part, and loses their place, and the part with it, to the next. */
#define LIMIT_MS UINT64_C(600000)
/* Bytes of a part: what the door brings is 1 MiB at most, and quotes are doubled. */
#define PART_MAXIMUM (4U << 20)
#define QUERY_MAXIMUM 32768

enum download_format { DOWNLOAD_JSON, DOWNLOAD_CSV };

static const struct download_kind {
	const char *name, *type;
} kinds[] = {
	[DOWNLOAD_JSON] = { "json", "application/json" },
	[DOWNLOAD_CSV] = { "csv", "text/csv; charset=utf-8" },
};

/* What of the page's address is the search's. */
static const char *const criteria[] = { "user", "to", "from", "result", "client", "text", "id" };

/* Invariant: in pages->downloads; the visit waits, or there is a supply. */
struct download {
	struct download *next;
	struct pages *pages;
	uint64_t number, visit;
	const struct language *language;
	enum download_format format;
	struct secret token; /* of the session's cookie */
	char address[HEAD_ADDRESS_SIZE];
	json_t *query;
	struct supply *supply; /* NULL: the visit waits for the first part */
	unsigned parts;
	bool is_asked, has_records, is_handed_over; /* the supply has the last part */
	uint64_t until_ms;
};

/* ---- downloads under way */

static void end_download(struct download *download)
{
	struct download **at = &download->pages->downloads;
	while (*at != download)
		at = &(*at)->next;
	*at = download->next;
	if (download->supply)
		supply_leave(download->supply);
	secret_wipe(&download->token);
	json_decref(download->query);
	free(download);
}

static void end_late(struct pages *pages, uint64_t now_ms)
{
	struct download *next;
	for (struct download *download = pages->downloads; download; download = next) {
		next = download->next;
		if (download->supply && now_ms >= download->until_ms)
			end_download(download);
	}
}

static bool has_room(const struct pages *pages, struct span token)
{
	unsigned all = 0, of_session = 0;
	for (const struct download *download = pages->downloads; download; download = download->next) {
		all++;
		of_session += span_equal(secret_reveal(&download->token), token);
	}
	return all < DOWNLOADS_MAXIMUM && of_session < DOWNLOADS_OF_A_SESSION;
}

static struct download *find_download(const struct pages *pages, uint64_t number)
{
	struct download *download = pages->downloads;
	while (download && download->number != number)
		download = download->next;
	return download;
}

/* ---- questions */

static enum status add_criteria(const struct download *download, const char *older, struct buf *list)
{
	TRY(codec_list_add(list, SPAN("limit")));
	TRY(codec_list_add(list, SPAN("500")));
	for (size_t i = 0; i < sizeof(criteria) / sizeof(criteria[0]); i++) {
		const char *text = json_string_value(json_object_get(download->query, criteria[i]));
		if (text == NULL || *text == '\0')
			continue;
		TRY(codec_list_add(list, span_of(criteria[i])));
		TRY(codec_list_add(list, span_of(text)));
	}
	if (older == NULL)
		return STATUS_OK;
	TRY(codec_list_add(list, SPAN("older")));
	return codec_list_add(list, span_of(older));
}

static enum status ask_part(struct download *download)
{
	const struct pages_options *options = download->pages->options;
	struct buf list BUF_AUTO;
	buf_init(&list, QUERY_MAXIMUM);
	TRY(add_criteria(download, json_string_value(json_object_get(download->query, "older")), &list));
	const struct door_console_asked question = {
		.request = download->number,
		.address = span_of(download->address),
		.method = SPAN("GET"),
		.path = SPAN("/api/v1/audit/recent"),
		.query = codec_list_of(&list),
		.token = secret_reveal(&download->token),
	};
	TRY(options->ask(options->context, &question));
	download->parts++;
	download->is_asked = true;
	return STATUS_OK;
}

/* ---- parts */

static enum status add_record(struct download *download, const json_t *record, struct buf *part)
{
	if (download->format == DOWNLOAD_CSV)
		return csv_add_record(record, part);
	char *text = json_write(record);
	enum status status = text ? buf_append_text(part, download->has_records ? ",\n" : "\n") : STATUS_NO_MEMORY;
	if (status == STATUS_OK)
		status = buf_append_text(part, text);
	free(text);
	download->has_records = true;
	return status;
}

static enum status add_beginning(const struct download *download, struct buf *part)
{
	if (download->parts > 1)
		return STATUS_OK;
	return download->format == DOWNLOAD_CSV ? csv_add_head(part) : buf_append_text(part, "{\"records\":[");
}

/* A table has no place for it but a line. */
static enum status add_end(const struct download *download, bool is_cut, struct buf *part)
{
	if (download->format == DOWNLOAD_JSON)
		return buf_append_text(part, is_cut ? "\n],\"more\":true}\n" : "\n]}\n");
	json_t *line = is_cut ? json_pack("{s:s, s:s}", "type", "more", "reason", "there are older records") : NULL;
	enum status status = line ? csv_add_record(line, part) : is_cut ? STATUS_NO_MEMORY : STATUS_OK;
	json_decref(line);
	return status;
}

static enum status write_part(struct download *download, const json_t *answer, bool is_last, struct buf *part)
{
	size_t i;
	const json_t *record;
	TRY(add_beginning(download, part));
	json_array_foreach(json_object_get(answer, "records"), i, record)
	{
		TRY(add_record(download, record, part));
	}
	return is_last ? add_end(download, json_is_true(json_object_get(answer, "more")), part) : STATUS_OK;
}

/* Ends the download where it can't go on. The last part's reader keeps the place that bounds such parts. */
static void send_part(struct download *download, const json_t *answer)
{
	struct buf part BUF_AUTO;
	const char *older = json_string_value(json_object_get(answer, "older"));
	bool is_last = older == NULL || download->parts == PARTS_MAXIMUM;
	buf_init_sensitive(&part, PART_MAXIMUM);
	enum status status = write_part(download, answer, is_last, &part);
	if (status == STATUS_OK && !is_last && json_object_set_new(download->query, "older", json_string(older)) != 0)
		status = STATUS_NO_MEMORY;
	bool is_empty = buf_size(&part) == 0;
	if (status == STATUS_OK)
		supply_take(download->supply, &part);
	if (status == STATUS_OK && is_last) {
		download->is_handed_over = true;
		supply_end(download->supply, true);
	}
	if (status == STATUS_OK && !is_last && is_empty)
		status = ask_part(download);
	if (status != STATUS_OK)
		end_download(download);
}

static void ask_for_next(void *context)
{
	struct download *download = context;
	if (clock_monotonic_ms() >= download->until_ms || ask_part(download) != STATUS_OK)
		end_download(download);
}

static void lose_supply(void *context)
{
	struct download *download = context;
	download->supply = NULL;
	end_download(download);
}

static const struct supply_maker maker = { ask_for_next, lose_supply };

/* ---- the visit */

static void name_file(const struct download *download, struct visit *visit)
{
	char now[CLOCK_TEXT_SIZE];
	clock_format_seconds(clock_wall_us() / 1000000, now);
	snprintf(visit->answer.file, sizeof(visit->answer.file), "subgate-%.10s-%.2s%.2s%.2s.%s", now, now + 11,
		 now + 14, now + 17, kinds[download->format].name);
}

static void refuse_visit(struct download *download, struct visit *visit, unsigned code)
{
	if (code == MHD_HTTP_UNAUTHORIZED)
		page_send_on(visit, "/login", NULL, NULL, NULL);
	else if (code == MHD_HTTP_NOT_FOUND || code == MHD_HTTP_FORBIDDEN)
		page_show_fault(download->language, visit, MHD_HTTP_NOT_FOUND, "missing");
	else if (code == MHD_HTTP_BAD_REQUEST || code == MHD_HTTP_UNPROCESSABLE_CONTENT)
		page_show_fault(download->language, visit, MHD_HTTP_BAD_REQUEST, "search");
	else
		page_show_fault(download->language, visit, MHD_HTTP_SERVICE_UNAVAILABLE, "away");
}

/* The first part decides what the browser is answered. */
static void answer_visit(struct download *download, unsigned code, const json_t *answer)
{
	struct site *site = download->pages->options->site(download->pages->options->context);
	struct visit *visit = site_find(site, download->visit);
	struct supply *supply = NULL;
	const struct supply_place place = { site, site_wake, visit ? visit->connection : NULL };
	if (visit && code == MHD_HTTP_OK && supply_create(&place, PART_MAXIMUM, &maker, download, &supply) != STATUS_OK)
		code = MHD_HTTP_SERVICE_UNAVAILABLE;
	if (visit && supply == NULL)
		refuse_visit(download, visit, code);
	if (visit && supply) {
		visit->answer.code = MHD_HTTP_OK;
		visit->answer.type = kinds[download->format].type;
		visit->answer.supply = download->supply = supply;
		name_file(download, visit);
		send_part(download, answer);
	} else {
		end_download(download);
	}
	if (visit)
		site_answer(site, visit);
}

static void take_part(struct download *download, const struct door_console_answered *answered)
{
	json_t *answer = json_read(answered->body);
	unsigned code = answered->code;
	if (code == MHD_HTTP_OK && !json_is_array(json_object_get(answer, "records")))
		code = MHD_HTTP_SERVICE_UNAVAILABLE;
	download->is_asked = false;
	if (download->supply == NULL)
		answer_visit(download, code, answer);
	else if (code == MHD_HTTP_OK)
		send_part(download, answer);
	else
		end_download(download);
	json_decref(answer);
}

bool download_take_answer(struct pages *pages, const struct door_console_answered *answered)
{
	struct download *download = find_download(pages, answered->request);
	if (download && download->is_asked)
		take_part(download, answered);
	return download;
}

static enum MHD_Result keep_criterion(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	json_t *query = context;
	(void)kind;
	if (value && json_object_size(query) < FORM_FIELDS && strlen(value) <= FORM_FIELD_BYTES)
		json_object_set_new(query, name, json_string(value));
	return MHD_YES;
}

static struct download *make_download(struct pages *pages, const struct visit *visit, struct span token)
{
	end_late(pages, clock_monotonic_ms());
	struct download *download = has_room(pages, token) ? calloc(1, sizeof(*download)) : NULL;
	if (download == NULL)
		return NULL;
	download->pages = pages;
	download->number = page_next_number(pages);
	download->visit = visit->number;
	download->until_ms = clock_monotonic_ms() + LIMIT_MS;
	download->query = json_object();
	download->next = pages->downloads;
	pages->downloads = download;
	asking_find_address(visit, pages->options->has_tls, download->address);
	MHD_get_connection_values(visit->connection, MHD_GET_ARGUMENT_KIND, keep_criterion, download->query);
	const char *format = json_string_value(json_object_get(download->query, "format"));
	download->format = format && strcmp(format, "csv") == 0 ? DOWNLOAD_CSV : DOWNLOAD_JSON;
	json_object_del(download->query, "older");
	if (download->query && secret_from_span(token, &download->token) == STATUS_OK)
		return download;
	end_download(download);
	return NULL;
}

void download_begin(struct pages *pages, struct visit *visit, const struct language *language)
{
	struct span token = head_find_cookie(visit_field(visit, "Cookie"), SPAN(SESSION_COOKIE));
	if (span_is_empty(token)) {
		page_send_on(visit, "/login", NULL, NULL, NULL);
		return;
	}
	struct download *download = make_download(pages, visit, token);
	if (download) {
		download->language = language;
		if (ask_part(download) == STATUS_OK)
			return;
		end_download(download);
	}
	page_show_fault(language, visit, MHD_HTTP_SERVICE_UNAVAILABLE, "away");
	visit->answer.retry_after = 1;
}

void download_lose_admin(struct pages *pages)
{
	struct download *next;
	for (struct download *download = pages->downloads; download; download = next) {
		next = download->next;
		if (download->supply == NULL)
			answer_visit(download, MHD_HTTP_SERVICE_UNAVAILABLE, NULL);
		else if (!download->is_handed_over)
			end_download(download);
	}
}

void download_end_all(struct pages *pages)
{
	download_lose_admin(pages);
	while (pages->downloads)
		end_download(pages->downloads);
}

/*
 * A thread puts calls into the spool and makes them, one after the other, in order. One that fails is made again after
 * a while, twice as long each time; one that is refused lets the others go first, as they may well be taken. One that
 * is a day old is given up.
 */
#include "export/webhook.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/condition.h"
#include "base/hash.h"
#include "base/json_text.h"
#include "base/thread.h"
#include "base/utf8.h"
#include "export/webhook_spool.h"
#include "net/https.h"
#include "stats/life.h"

#define QUEUE_MAXIMUM 256 /* calls on their way to the spool */
#define STACK_SIZE (256U << 10)
#define REQUEST_MS 10000
#define ROUND_LIMIT_MS 20000 /* for one round: a request and the spool's disk */
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_LONGEST_MS 600000
#define REST_MS 1000        /* between two looks at the spool, which another process fills, too */
#define AGE_MAXIMUM_S 86400 /* of a call that goes on failing */
#define ID_SIZE 33          /* bytes: 32 hexadecimal digits and a NUL */
#define HEADER_SIZE 160

/* Shared, under `mutex`: from `queue` to `reason`. */
struct webhook {
	struct webhook_options options;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct wakeup *wakeup;
	char *queue[QUEUE_MAXIMUM];
	size_t queued;
	bool is_released, stop;
	uint64_t made, failed, lost;
	bool is_failing;
	char reason[HTTPS_REASON_SIZE];
	atomic_bool cancel;
	/* The loop's own. */
	bool was_failing;
	/* The thread's own. */
	struct webhook_spool spool;
	uint64_t backoff_ms, next_ms;
	bool is_locked_out; /* another process has the spool for too long */
	char *ended;        /* a call that needs no further one, and is not marked so yet; or NULL */
};

/* ---- a call's body */

/* No notice is lost for bytes that are not UTF-8, as of a text that was cut. NULL: out of memory. */
static json_t *text_of(struct span s)
{
	struct buf mended BUF_AUTO;
	buf_init(&mended, WEBHOOK_BODY_MAXIMUM);
	while (s.size) {
		size_t size = utf8_length(s);
		if (buf_append(&mended, size ? span_slice(s, 0, size) : SPAN("\xef\xbf\xbd")) != STATUS_OK)
			return NULL;
		s = span_slice(s, size ? size : 1, s.size);
	}
	return json_stringn(buf_size(&mended) ? buf_span(&mended).data : "", buf_size(&mended));
}

static char *write_body(const struct webhook *webhook, const struct webhook_call *call)
{
	unsigned char random[(ID_SIZE - 1) / 2];
	char id[ID_SIZE], time[CLOCK_TEXT_SIZE];
	if (hash_random(random, sizeof(random)) != STATUS_OK)
		return NULL;
	hash_to_hex(random, sizeof(random), id);
	clock_format_us(call->time_us, time);
	json_t *body = json_pack("{s:i, s:s, s:o, s:o, s:s, s:s, s:o, s:o}", "version", 1, "id", id, "kind",
				 text_of(call->kind), "severity", text_of(call->severity), "time", time, "node",
				 webhook->options.node, "subject", text_of(call->subject), "text", text_of(call->text));
	if (body && call->user.size && json_object_set_new(body, "user", text_of(call->user)) != 0) {
		json_decref(body);
		return NULL;
	}
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	json_decref(body);
	return text;
}

void webhook_post(struct webhook *webhook, const struct webhook_call *call)
{
	char *body = write_body(webhook, call);
	pthread_mutex_lock(&webhook->mutex);
	bool has_room = body && webhook->queued < QUEUE_MAXIMUM;
	if (has_room)
		webhook->queue[webhook->queued++] = body;
	else
		webhook->lost++;
	pthread_cond_signal(&webhook->changed);
	pthread_mutex_unlock(&webhook->mutex);
	if (!has_room)
		free(body);
}

/* ---- the thread */

static void note_lost(struct webhook *webhook, size_t count)
{
	pthread_mutex_lock(&webhook->mutex);
	webhook->lost += count;
	pthread_mutex_unlock(&webhook->mutex);
	if (count)
		wakeup_send(webhook->wakeup);
}

static void note_end(struct webhook *webhook, bool is_made, const char *reason)
{
	pthread_mutex_lock(&webhook->mutex);
	webhook->made += is_made;
	webhook->failed += !is_made;
	webhook->is_failing = !is_made;
	snprintf(webhook->reason, sizeof(webhook->reason), "%s", reason);
	pthread_mutex_unlock(&webhook->mutex);
	wakeup_send(webhook->wakeup);
}

/* The first one of the queue, which stays the thread's until drop_first; NULL: there is none. */
static char *look_at_first(struct webhook *webhook)
{
	pthread_mutex_lock(&webhook->mutex);
	char *body = webhook->queued ? webhook->queue[0] : NULL;
	pthread_mutex_unlock(&webhook->mutex);
	return body;
}

static void drop_first(struct webhook *webhook)
{
	pthread_mutex_lock(&webhook->mutex);
	free(webhook->queue[0]);
	webhook->queued--;
	memmove(webhook->queue, webhook->queue + 1, webhook->queued * sizeof(webhook->queue[0]));
	pthread_mutex_unlock(&webhook->mutex);
}

/* While another process has the spool, and doesn't give it back, they wait in the queue. */
static void spool_queue(struct webhook *webhook)
{
	const char *body;
	size_t lost = 0;
	webhook->is_locked_out = false;
	while (!webhook->is_locked_out && (body = look_at_first(webhook)) != NULL) {
		size_t dropped = 0;
		enum status status = webhook_spool_add(&webhook->spool, span_of(body), &dropped);
		webhook->is_locked_out = status == STATUS_AGAIN;
		lost += status == STATUS_OK ? dropped : !webhook->is_locked_out;
		if (!webhook->is_locked_out)
			drop_first(webhook);
	}
	note_lost(webhook, lost);
}

/* t=SECONDS,v1=HMAC-SHA256(secret, "SECONDS.BODY"): whoever checks the time, too, is not told an old call again. */
static enum status write_signature(const struct webhook *webhook, struct span body, char out_header[HEADER_SIZE])
{
	struct buf input BUF_AUTO;
	unsigned char mac[HASH_SHA256_SIZE];
	char hex[HASH_SHA256_HEX_SIZE];
	unsigned long long now = clock_wall_us() / 1000000;
	buf_init(&input, WEBHOOK_BODY_MAXIMUM + 64);
	TRY(buf_printf(&input, "%llu.", now));
	TRY(buf_append(&input, body));
	TRY(hash_hmac_sha256(secret_reveal(webhook->options.secret), buf_span(&input), mac));
	hash_to_hex(mac, sizeof(mac), hex);
	snprintf(out_header, HEADER_SIZE, "Subgate-Signature: t=%llu,v1=%s", now, hex);
	return STATUS_OK;
}

/* True: the receiver has it. */
static bool make_call(struct webhook *webhook, const char *body, bool *out_refused, char out_reason[HTTPS_REASON_SIZE])
{
	struct buf answer BUF_AUTO;
	char signature[HEADER_SIZE];
	long code = 0;
	buf_init(&answer, HTTPS_BODY_MAXIMUM);
	*out_refused = false;
	snprintf(out_reason, HTTPS_REASON_SIZE, "out of memory");
	if (write_signature(webhook, span_of(body), signature) != STATUS_OK)
		return false;
	const struct https_request request = {
		.url = webhook->options.url,
		.json = body,
		.headers = { "Content-Type: application/json", signature },
		.allow_clear = true, /* which the configuration allows on this machine alone */
		.cancel = &webhook->cancel,
		.ca_pem = webhook->options.ca_pem,
		.timeout_ms = REQUEST_MS,
	};
	if (https_ask(&request, &code, &answer, out_reason) != STATUS_OK)
		return false;
	snprintf(out_reason, HTTPS_REASON_SIZE, "it answers %ld", code);
	*out_refused = code >= 400 && code < 500;
	return code >= 200 && code < 300;
}

/* When it was written, in seconds; 0: it is no call (a line that a dead process left torn). */
static uint64_t time_of_call(const char *body)
{
	uint64_t written = 0;
	char text[CLOCK_TEXT_SIZE];
	json_t *call = json_read(span_of(body));
	const char *time = json_string_value(json_object_get(call, "time"));
	snprintf(text, sizeof(text), "%.19sZ", time ? time : "");
	enum status status = clock_read_seconds(span_of(text), &written);
	json_decref(call);
	return status == STATUS_OK ? written : 0;
}

/* Until it is marked, no other call is made: this one would be made again. */
static void mark_ended(struct webhook *webhook)
{
	enum status status = webhook->ended ? webhook_spool_done(&webhook->spool, span_of(webhook->ended)) : STATUS_OK;
	if (status == STATUS_AGAIN)
		return;
	if (status != STATUS_OK)
		webhook->next_ms = clock_monotonic_ms() + BACKOFF_LONGEST_MS; /* or it would be made again and again */
	free(webhook->ended);
	webhook->ended = NULL;
}

static void end_call(struct webhook *webhook, const char *body, bool is_made)
{
	webhook->ended = strdup(body);
	if (webhook->ended == NULL)
		webhook->next_ms = clock_monotonic_ms() + BACKOFF_LONGEST_MS;
	mark_ended(webhook);
	if (!is_made)
		note_lost(webhook, 1);
}

static void postpone_call(struct webhook *webhook, const char *body)
{
	size_t dropped = 0;
	if (webhook_spool_postpone(&webhook->spool, span_of(body), &dropped) == STATUS_OK)
		note_lost(webhook, dropped);
}

static void try_call(struct webhook *webhook, const char *body)
{
	bool is_refused;
	char reason[HTTPS_REASON_SIZE];
	uint64_t written = time_of_call(body);
	if (written == 0) {
		end_call(webhook, body, false);
		return;
	}
	bool is_made = make_call(webhook, body, &is_refused, reason);
	if (atomic_load(&webhook->cancel) && !is_made)
		return;
	note_end(webhook, is_made, reason);
	if (is_made || clock_wall_us() / 1000000 > written + AGE_MAXIMUM_S) {
		webhook->backoff_ms = 0;
		end_call(webhook, body, is_made);
		return;
	}
	uint64_t next = webhook->backoff_ms ? webhook->backoff_ms * 2 : BACKOFF_FIRST_MS;
	webhook->backoff_ms = next < BACKOFF_LONGEST_MS ? next : BACKOFF_LONGEST_MS;
	webhook->next_ms = clock_monotonic_ms() + webhook->backoff_ms;
	if (is_refused)
		postpone_call(webhook, body);
}

/* True: there may be more to do at once. */
static bool do_round(struct webhook *webhook, bool is_released)
{
	struct buf body BUF_AUTO;
	buf_init(&body, WEBHOOK_BODY_MAXIMUM + 16);
	spool_queue(webhook);
	mark_ended(webhook);
	if (webhook->ended)
		return false;
	if (is_released)
		webhook_spool_release(&webhook->spool);
	if (is_released || clock_monotonic_ms() < webhook->next_ms || !webhook_spool_hold(&webhook->spool))
		return false;
	if (webhook_spool_first(&webhook->spool, &body) != STATUS_OK || buf_append_byte(&body, '\0') != STATUS_OK)
		return false;
	try_call(webhook, buf_span(&body).data);
	return clock_monotonic_ms() >= webhook->next_ms;
}

static bool wait_for_round(struct webhook *webhook, bool has_more, bool *out_released)
{
	struct timespec until = condition_limit(REST_MS);
	pthread_mutex_lock(&webhook->mutex);
	if (!webhook->stop && !has_more && (webhook->queued == 0 || webhook->is_locked_out))
		pthread_cond_timedwait(&webhook->changed, &webhook->mutex, &until);
	bool stop = webhook->stop;
	*out_released = webhook->is_released;
	pthread_mutex_unlock(&webhook->mutex);
	return stop;
}

static void *run_webhook(void *context)
{
	struct webhook *webhook = context;
	struct life_thread *sign = life_join(LIFE_WEBHOOK);
	bool is_released = false, has_more;
	do {
		life_begin(sign, ROUND_LIMIT_MS);
		has_more = do_round(webhook, is_released);
		life_rest(sign);
	} while (!wait_for_round(webhook, has_more, &is_released));
	spool_queue(webhook);
	mark_ended(webhook);
	webhook_spool_release(&webhook->spool);
	return NULL;
}

/* ---- the loop's side */

static void on_woken(void *context)
{
	struct webhook *webhook = context;
	char reason[HTTPS_REASON_SIZE];
	pthread_mutex_lock(&webhook->mutex);
	uint64_t made = webhook->made, failed = webhook->failed, lost = webhook->lost;
	bool is_failing = webhook->is_failing;
	memcpy(reason, webhook->reason, sizeof(reason));
	webhook->made = webhook->failed = webhook->lost = 0;
	pthread_mutex_unlock(&webhook->mutex);
	stats_add(webhook->options.stats, COUNTER_WEBHOOK, 0, made);
	stats_add(webhook->options.stats, COUNTER_WEBHOOK, 1, failed);
	stats_add(webhook->options.stats, COUNTER_WEBHOOK, 2, lost);
	if (lost)
		webhook->options.on_news(webhook->options.context, false, "calls were lost");
	if (is_failing != webhook->was_failing)
		webhook->options.on_news(webhook->options.context, !is_failing,
					 is_failing ? reason : "calls are taken again");
	webhook->was_failing = is_failing;
}

static void free_webhook(struct webhook **webhook_at)
{
	struct webhook *webhook = *webhook_at;
	for (size_t i = 0; i < webhook->queued; i++)
		free(webhook->queue[i]);
	free(webhook->ended);
	wakeup_free(&webhook->wakeup);
	close(webhook->options.spool_fd);
	pthread_mutex_destroy(&webhook->mutex);
	pthread_cond_destroy(&webhook->changed);
	free(webhook);
	*webhook_at = NULL;
}

enum status webhook_create(const struct webhook_options *options, struct webhook **out_webhook)
{
	struct webhook *webhook = calloc(1, sizeof(*webhook));
	if (webhook == NULL) {
		close(options->spool_fd);
		return STATUS_NO_MEMORY;
	}
	webhook->options = *options;
	webhook->spool.fd = options->spool_fd;
	pthread_mutex_init(&webhook->mutex, NULL);
	condition_init(&webhook->changed);
	enum status status = https_open();
	if (status == STATUS_OK)
		status = wakeup_create(options->loop, on_woken, webhook, &webhook->wakeup);
	if (status == STATUS_OK)
		status = thread_start("webhook", STACK_SIZE, run_webhook, webhook, &webhook->thread);
	if (status != STATUS_OK) {
		free_webhook(&webhook);
		return status;
	}
	*out_webhook = webhook;
	return STATUS_OK;
}

void webhook_release(struct webhook *webhook)
{
	pthread_mutex_lock(&webhook->mutex);
	webhook->is_released = true;
	pthread_cond_signal(&webhook->changed);
	pthread_mutex_unlock(&webhook->mutex);
}

void webhook_free(struct webhook **webhook)
{
	if (*webhook == NULL)
		return;
	atomic_store(&(*webhook)->cancel, true);
	pthread_mutex_lock(&(*webhook)->mutex);
	(*webhook)->stop = true;
	pthread_cond_signal(&(*webhook)->changed);
	pthread_mutex_unlock(&(*webhook)->mutex);
	pthread_join((*webhook)->thread, NULL);
	free_webhook(webhook);
}

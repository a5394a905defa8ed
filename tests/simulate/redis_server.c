/* The Redis that all nodes share: played_redis.h, behind connections. */
#include <hiredis/hiredis.h>
#include <string.h>

#include "tests/simulate/played_redis.h"
#include "tests/simulate/servers.h"

#define ARGUMENTS_MAXIMUM 512

static struct played_redis data;
static int64_t clock_shift_us;
static uint64_t latest_us;
static bool drops_answers, was_flushed;
static struct sim_server server;

/* False: it ran the request, and its connection ends without an answer. Only scripts are so unlucky. */
static bool answer_request(struct sim_peer *peer, const redisReply *request)
{
	struct span arguments[ARGUMENTS_MAXIMUM];
	struct buf answer BUF_AUTO;
	assert(request->type == REDIS_REPLY_ARRAY && request->elements && request->elements <= ARGUMENTS_MAXIMUM);
	for (size_t i = 0; i < request->elements; i++)
		arguments[i] = (struct span){ request->element[i]->str, request->element[i]->len };
	buf_init(&answer, 16U << 20);
	uint64_t now_us = SIM_EPOCH_US + sim_now_us + (uint64_t)clock_shift_us;
	latest_us = now_us > latest_us ? now_us : latest_us;
	played_redis_command(&data, arguments, request->elements, now_us, &answer);
	if (drops_answers && span_starts_with(arguments[0], SPAN("EVAL")))
		return false;
	sim_peer_send(peer, buf_span(&answer));
	return true;
}

static void open_connection(struct sim_peer *peer)
{
	*sim_peer_context(peer) = redisReaderCreate();
}

static void take_requests(struct sim_peer *peer, struct span bytes)
{
	redisReader *reader = *sim_peer_context(peer);
	void *request = NULL;
	redisReaderFeed(reader, bytes.data, bytes.size);
	while (redisReaderGetReply(reader, &request) == REDIS_OK && request) {
		bool goes_on = answer_request(peer, request);
		freeReplyObject(request);
		request = NULL;
		if (!goes_on) {
			sim_peer_close(peer);
			return;
		}
	}
}

static void close_connection(struct sim_peer *peer)
{
	(void)peer;
}

void redis_server_begin(void)
{
	played_redis_begin(&data);
	server = (struct sim_server){ .address = REDIS_ADDRESS,
				      .on_open = open_connection,
				      .on_bytes = take_requests,
				      .on_closed = close_connection };
	sim_listen(&server);
}

void redis_server_step_clock(int64_t shift_us)
{
	clock_shift_us = shift_us;
}

void redis_server_freeze(void)
{
	server.is_frozen = true;
}

void redis_server_thaw(void)
{
	sim_thaw(&server);
}

void redis_server_stop(void)
{
	server.is_down = true;
	sim_cut_connections(&server);
}

void redis_server_start(void)
{
	server.is_down = false;
}

static void answer_again(void *context)
{
	(void)context;
	drops_answers = false;
}

void redis_server_drop_answers(void)
{
	drops_answers = true;
	sim_after(&sim_outside, sim_between(1000, 5 * SECOND_US), answer_again, NULL);
}

bool redis_server_was_flushed(void)
{
	return was_flushed;
}

void redis_server_flush(void)
{
	was_flushed = true;
	struct buf answer BUF_AUTO;
	const struct span flush = SPAN("FLUSHALL");
	buf_init(&answer, 1000);
	played_redis_command(&data, &flush, 1, SIM_EPOCH_US, &answer);
}

bool redis_server_is_well(void)
{
	return !server.is_down && !server.is_frozen && !drops_answers;
}

uint64_t redis_server_latest_s(void)
{
	return latest_us / SECOND_US;
}

/* A field of a hash, valid until `answer` is freed; empty: it is not there. */
static struct span read_field(const char *key, const char *field, struct buf *answer)
{
	const struct span get[] = { SPAN("HGET"), span_of(key), span_of(field) };
	struct span line;
	buf_init(answer, 1000);
	played_redis_command(&data, get, 3, latest_us, answer);
	struct span rest = buf_span(answer);
	return span_cut(&rest, '\n', &line) && span_cut(&rest, '\r', &line) ? line : (struct span){ 0 };
}

uint64_t redis_server_number(const char *key, const char *field)
{
	struct buf answer BUF_AUTO;
	uint64_t number = 0;
	(void)!span_to_u64(read_field(key, field, &answer), &number);
	return number;
}

bool redis_server_is_complete(void)
{
	struct buf answer BUF_AUTO;
	return !span_equal(read_field("subgate:marker", "state", &answer), SPAN("rebuilding"));
}

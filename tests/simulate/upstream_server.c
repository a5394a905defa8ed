/* The upstreams: SMTP as a relay of ours hears it, with the faults that real ones have, as often as their mood says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulate/books.h"
#include "tests/simulate/servers.h"

#define INPUT_MAXIMUM (1U << 20)

/* One connection. */
struct talk {
	struct sim_peer *peer;
	struct buf input;
	bool is_in_data, is_waiting; /* for its own reply to the dot */
	struct mail *mail;
};

static struct sim_server servers[UPSTREAMS];
static unsigned moods[UPSTREAMS];

static unsigned mood_of(struct talk *talk)
{
	return moods[sim_peer_server(talk->peer) - servers];
}

static void say(struct talk *talk, const char *line)
{
	char text[256];
	snprintf(text, sizeof(text), "%s\r\n", line);
	sim_peer_send(talk->peer, span_of(text));
}

/* True: something went wrong, and the dialog is over. */
static bool breaks_off(struct talk *talk)
{
	if (!sim_chance(mood_of(talk)))
		return false;
	sim_note("upstream %zu breaks off", (size_t)(sim_peer_server(talk->peer) - servers));
	if (sim_chance(300))
		say(talk, "421 4.3.0 Try again later");
	sim_peer_close(talk->peer);
	return true;
}

/* ---- the dot */

static void reply_to_dot(void *context)
{
	static const char *const refusals[] = { "554 5.6.0 No", "451 4.3.0 Not now",
						"550 5.4.5 Daily sending quota exceeded", "452 4.3.1 Full" };
	struct talk *talk = context;
	talk->is_waiting = false;
	if (sim_chance(mood_of(talk))) {
		if (sim_chance(500)) {
			say(talk, refusals[sim_draw(4)]);
			return;
		}
		/* It may have the message, and never says so. */
		if (sim_chance(500))
			books_take_accepted(talk->mail);
		sim_note("upstream says nothing of mail %u", talk->mail->number);
		if (sim_chance(800))
			sim_peer_close(talk->peer);
		return;
	}
	books_take_accepted(talk->mail);
	say(talk, "250 2.0.0 Accepted");
}

static uint64_t thinking_time(struct talk *talk)
{
	return sim_chance(mood_of(talk)) ? sim_between(SECOND_US, 200 * SECOND_US) : sim_between(100, 50000);
}

static bool take_data(struct talk *talk)
{
	static const char end[] = "\r\n.\r\n";
	struct span input = buf_span(&talk->input);
	const char *found = input.size == 0 ? NULL : memmem(input.data, input.size, end, sizeof(end) - 1);
	if (found == NULL)
		return false;
	size_t size = (size_t)(found - input.data);
	talk->mail = books_take_dot(span_slice(input, 0, size + 2));
	buf_consume(&talk->input, size + sizeof(end) - 1);
	talk->is_in_data = false;
	talk->is_waiting = true;
	sim_after(&sim_outside, thinking_time(talk), reply_to_dot, talk);
	return true;
}

/* ---- commands */

static void reply_to(struct talk *talk, struct span line)
{
	if (span_starts_with(line, SPAN("EHLO"))) {
		say(talk, "250-upstream.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n"
			  "250 SIZE 100000000");
	} else if (span_starts_with(line, SPAN("DATA"))) {
		talk->is_in_data = true;
		say(talk, "354 Go ahead");
	} else if (span_starts_with(line, SPAN("QUIT"))) {
		say(talk, "221 2.0.0 Bye");
		sim_peer_close(talk->peer);
	} else if (span_starts_with(line, SPAN("RCPT")) && sim_chance(mood_of(talk))) {
		say(talk, sim_chance(500) ? "550 5.1.1 No such user" : "451 4.2.1 Not now");
	} else {
		say(talk, "250 2.0.0 OK");
	}
}

static bool take_command(struct talk *talk)
{
	struct span input = buf_span(&talk->input);
	const char *end = input.size == 0 ? NULL : memmem(input.data, input.size, "\r\n", 2);
	if (end == NULL)
		return false;
	size_t size = (size_t)(end - input.data);
	char line[1024];
	snprintf(line, sizeof(line), "%.*s", (int)size, input.data);
	buf_consume(&talk->input, size + 2);
	if (breaks_off(talk))
		return false;
	reply_to(talk, span_of(line));
	return true;
}

static void open_talk(struct sim_peer *peer)
{
	struct talk *talk = calloc(1, sizeof(*talk));
	assert(talk);
	talk->peer = peer;
	buf_init(&talk->input, INPUT_MAXIMUM);
	*sim_peer_context(peer) = talk;
	if (!breaks_off(talk))
		say(talk, "220 upstream.example ESMTP");
}

static void take_bytes(struct sim_peer *peer, struct span bytes)
{
	struct talk *talk = *sim_peer_context(peer);
	enum status status = buf_append(&talk->input, bytes);
	assert(status == STATUS_OK);
	while (!talk->is_waiting && (talk->is_in_data ? take_data(talk) : take_command(talk)))
		;
}

static void close_talk(struct sim_peer *peer)
{
	(void)peer;
}

void upstream_servers_begin(void)
{
	static const char *const addresses[UPSTREAMS] = { "192.0.2.1:25", "192.0.2.2:25" };
	for (unsigned i = 0; i < UPSTREAMS; i++) {
		servers[i] = (struct sim_server){
			.address = addresses[i], .on_open = open_talk, .on_bytes = take_bytes, .on_closed = close_talk
		};
		sim_listen(&servers[i]);
	}
}

void upstream_servers_set_mood(unsigned index, unsigned faults_of_thousand)
{
	moods[index] = faults_of_thousand;
}

void upstream_server_stop(unsigned index)
{
	servers[index].is_down = true;
	sim_cut_connections(&servers[index]);
}

void upstream_server_start(unsigned index)
{
	servers[index].is_down = false;
}

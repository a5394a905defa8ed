/* Doors: frames in whole and in pieces, pacing, and what breaks a door. */
#include "tests/unit/door_fixture.h"

#define MANY 1000 /* frames */
#define LARGEST DOOR_FRAME_MAXIMUM

/* ---- frames */

static void frames_of_one_turn_go_out_in_one_write(void **state)
{
	struct doors_fixture f;
	char bytes[64];
	(void)state;
	begin_bare(&f);
	assert_int_equal(send_frame(f.a.door, 1, SPAN("one")), STATUS_OK);
	assert_int_equal(send_frame(f.a.door, 2, SPAN("")), STATUS_OK);
	assert_int_equal(recv(f.bare, bytes, sizeof(bytes), 0), -1);
	assert_int_equal(door_backlog(f.a.door), HEADER + 3 + HEADER);
	run_for(f.loop, 3);
	assert_int_equal(recv(f.bare, bytes, sizeof(bytes), 0), HEADER + 3 + HEADER);
	assert_int_equal(door_backlog(f.a.door), 0);
	end_doors(&f);
}

static void a_large_frame_does_not_wait_for_the_turns_end(void **state)
{
	struct doors_fixture f;
	char *piece = calloc(1, 65536);
	char byte;
	(void)state;
	begin_bare(&f);
	assert_int_equal(send_frame(f.a.door, 1, (struct span){ piece, 65536 }), STATUS_OK);
	assert_int_equal(recv(f.bare, &byte, 1, MSG_PEEK), 1);
	assert_int_equal(door_backlog(f.a.door), 0);
	free(piece);
	end_doors(&f);
}

static void a_frame_arrives_whole_and_byte_by_byte(void **state)
{
	struct doors_fixture f;
	char bytes[64];
	(void)state;
	begin_bare(&f);
	size_t size = make_frame(bytes, 7, SPAN("payload"));
	send_bare(&f, bytes, size);
	run_for(f.loop, 3);
	assert_int_equal(f.a.frames, 1);
	for (size_t i = 0; i < size; i++) {
		assert_int_equal(f.a.frames, 1);
		send_bare(&f, bytes + i, 1);
		run_for(f.loop, 2);
	}
	assert_int_equal(f.a.frames, 2);
	assert_int_equal(f.a.last_type, 7);
	assert_int_equal(f.a.last_size, 7);
	end_doors(&f);
}

static bool b_has_many(void *context)
{
	return ((struct doors_fixture *)context)->b.frames == MANY;
}

static void many_frames_of_every_size_arrive_unharmed(void **state)
{
	struct doors_fixture f;
	char *payload = malloc(8 * MANY);
	uint64_t sum = 0;
	(void)state;
	begin_doors(&f);
	memset(payload, 'x', 8 * MANY);
	for (size_t i = 0; i < MANY; i++) {
		size_t size = i * 7;
		sum += size * 'x';
		assert_int_equal(send_frame(f.a.door, 3, (struct span){ payload, size }), STATUS_OK);
	}
	run_until(f.loop, b_has_many, &f);
	assert_true(f.b.sum == sum);
	assert_int_equal(f.a.drained, 1);
	free(payload);
	end_doors(&f);
}

static bool b_has_hundred(void *context)
{
	return ((struct doors_fixture *)context)->b.frames == 100;
}

static enum status send_through(struct door *door, uint16_t type, struct span head, struct span rest)
{
	return door_send_through(door, type, buf_append(door_payload(door), head), rest);
}

static void what_goes_through_leaves_at_once_after_what_waits(void **state)
{
	struct doors_fixture f;
	char bytes[2 * HEADER + 16];
	(void)state;
	begin_bare(&f);
	assert_int_equal(send_frame(f.a.door, 1, SPAN("waits")), STATUS_OK);
	assert_int_equal(send_through(f.a.door, 2, SPAN("he"), SPAN("rest")), STATUS_OK);
	assert_int_equal(door_backlog(f.a.door), 0);
	assert_int_equal(recv(f.bare, bytes, sizeof(bytes), 0), HEADER + 5 + HEADER + 6);
	assert_memory_equal(bytes + HEADER, "waits", 5);
	assert_memory_equal(bytes + HEADER + 5, "\6\0\0\0\2\0herest", HEADER + 6);
	end_doors(&f);
}

#define THROUGH 40000U /* bytes: of several, the socket takes one in part */

static void what_goes_through_arrives_unharmed_however_full_the_socket_is(void **state)
{
	struct doors_fixture f;
	char *piece = malloc(THROUGH);
	uint64_t sum = 0;
	(void)state;
	begin_doors(&f);
	for (unsigned i = 0; i < 50; i++) {
		memset(piece, (int)i + 1, THROUGH);
		sum += 'h' + (uint64_t)(i + 1) * (THROUGH - i);
		assert_int_equal(send_through(f.a.door, 3, SPAN("h"), (struct span){ piece, THROUGH - i }), STATUS_OK);
		assert_int_equal(send_frame(f.a.door, 4, SPAN("")), STATUS_OK);
	}
	memset(piece, 0, THROUGH); /* what the socket did not take was copied */
	assert_true(door_backlog(f.a.door) > DOOR_PACE);
	run_until(f.loop, b_has_hundred, &f);
	assert_true(f.b.sum == sum);
	assert_int_equal(f.a.drained, 1);
	free(piece);
	end_doors(&f);
}

static bool both_have_one(void *context)
{
	struct doors_fixture *f = context;
	return f->a.frames == 1 && f->b.frames == 1;
}

static void the_largest_frame_goes_there_and_back(void **state)
{
	struct doors_fixture f;
	char *payload = calloc(1, LARGEST);
	(void)state;
	begin_doors(&f);
	f.b.answers = true;
	assert_int_equal(send_frame(f.a.door, 1, (struct span){ payload, LARGEST }), STATUS_OK);
	run_until(f.loop, both_have_one, &f);
	assert_int_equal(f.a.last_size, LARGEST);
	free(payload);
	end_doors(&f);
}

static void the_frames_before_a_hangup_are_still_handled(void **state)
{
	struct doors_fixture f;
	char bytes[64];
	(void)state;
	begin_bare(&f);
	send_bare(&f, bytes, make_frame(bytes, 7, SPAN("last words")));
	close(f.bare);
	f.bare = -1;
	/* Our own write finds out first that nobody is there. */
	assert_int_equal(send_frame(f.a.door, 1, SPAN("hello?")), STATUS_OK);
	run_until(f.loop, a_is_closed, &f);
	assert_int_equal(f.a.frames, 1);
	run_for(f.loop, 3);
	assert_int_equal(f.a.closed, 1);
	assert_int_equal(send_frame(f.a.door, 1, SPAN("x")), STATUS_UNAVAILABLE);
	end_doors(&f);
}

/* ---- pacing */

static void a_sender_of_bulk_is_told_when_to_go_on(void **state)
{
	struct doors_fixture f;
	char *piece = calloc(1, 65536);
	char *sink = malloc(65536);
	(void)state;
	begin_bare(&f);
	while (door_backlog(f.a.door) < 3 * DOOR_PACE)
		assert_int_equal(send_frame(f.a.door, 1, (struct span){ piece, 65536 }), STATUS_OK);
	run_for(f.loop, 3);
	assert_int_equal(f.a.drained, 0);
	while (door_backlog(f.a.door)) {
		while (recv(f.bare, sink, 65536, 0) > 0)
			continue;
		run_for(f.loop, 2);
	}
	assert_int_equal(f.a.drained, 1);
	free(piece);
	free(sink);
	end_doors(&f);
}

static void a_peer_that_never_reads_breaks_the_door_at_its_maximum(void **state)
{
	struct doors_fixture f;
	char *piece = calloc(1, LARGEST);
	enum status status = STATUS_OK;
	(void)state;
	begin_bare(&f);
	for (int i = 0; status == STATUS_OK && i < 100; i++)
		status = send_frame(f.a.door, 1, (struct span){ piece, LARGEST });
	assert_int_equal(status, STATUS_TOO_LARGE);
	assert_true(door_backlog(f.a.door) <= DOOR_BACKLOG_MAXIMUM);
	assert_int_equal(f.a.closed, 0);
	run_until(f.loop, a_is_closed, &f);
	free(piece);
	end_doors(&f);
}

/* ---- faults */

static void an_oversized_frame_can_not_be_sent(void **state)
{
	struct doors_fixture f;
	char *piece = calloc(1, LARGEST + 1);
	(void)state;
	begin_bare(&f);
	assert_int_equal(send_frame(f.a.door, 1, (struct span){ piece, LARGEST + 1 }), STATUS_TOO_LARGE);
	run_until(f.loop, a_is_closed, &f);
	end_doors(&f);
	begin_bare(&f);
	assert_int_equal(send_through(f.a.door, 1, SPAN("h"), (struct span){ piece, LARGEST }), STATUS_TOO_LARGE);
	run_until(f.loop, a_is_closed, &f);
	free(piece);
	end_doors(&f);
}

static void a_length_past_the_maximum_breaks_the_door(void **state)
{
	static const uint32_t sizes[] = { LARGEST + 1, UINT32_MAX };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct doors_fixture f;
		char bytes[HEADER] = { 0 };
		begin_bare(&f);
		memcpy(bytes, &sizes[i], sizeof(sizes[i]));
		send_bare(&f, bytes, sizeof(bytes));
		run_until(f.loop, a_is_closed, &f);
		assert_int_equal(f.a.frames, 0);
		end_doors(&f);
	}
}

static void a_refused_frame_breaks_the_door_before_the_next(void **state)
{
	struct doors_fixture f;
	char bytes[64];
	(void)state;
	begin_bare(&f);
	f.a.refuses = true;
	size_t size = make_frame(bytes, 1, SPAN("bad"));
	size += make_frame(bytes + size, 1, SPAN("next"));
	send_bare(&f, bytes, size);
	run_until(f.loop, a_is_closed, &f);
	assert_int_equal(f.a.frames, 1);
	assert_int_equal(f.a.closed, 1);
	end_doors(&f);
}

static void a_door_may_be_freed_in_its_callbacks(void **state)
{
	struct doors_fixture f;
	char bytes[64];
	(void)state;
	begin_bare(&f);
	f.a.frees = true;
	size_t size = make_frame(bytes, 1, SPAN("one"));
	size += make_frame(bytes + size, 1, SPAN("two"));
	send_bare(&f, bytes, size);
	run_for(f.loop, 5);
	assert_null(f.a.door);
	assert_int_equal(f.a.frames, 1);
	assert_int_equal(f.a.sum, 'o' + 'n' + 'e');
	assert_int_equal(f.a.closed, 0);
	end_doors(&f);

	begin_bare(&f);
	f.a.frees = true;
	close(f.bare);
	f.bare = -1;
	run_for(f.loop, 5);
	assert_null(f.a.door);
	assert_int_equal(f.a.closed, 1);
	end_doors(&f);
}

static void last_words_are_written_and_heard_without_a_turn_of_the_loop(void **state)
{
	struct doors_fixture f;
	(void)state;
	begin_doors(&f);
	assert_int_equal(send_frame(f.a.door, 7, SPAN("goodbye")), STATUS_OK);
	door_flush(f.a.door);
	assert_int_equal(door_backlog(f.a.door), 0);
	door_free(&f.a.door);
	f.b.frees = true;
	door_receive(f.b.door);
	assert_int_equal(f.b.frames, 1);
	assert_int_equal(f.b.last_type, 7);
	assert_null(f.b.door);
	end_doors(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_one_turn_go_out_in_one_write),
		cmocka_unit_test(a_large_frame_does_not_wait_for_the_turns_end),
		cmocka_unit_test(a_frame_arrives_whole_and_byte_by_byte),
		cmocka_unit_test(many_frames_of_every_size_arrive_unharmed),
		cmocka_unit_test(what_goes_through_leaves_at_once_after_what_waits),
		cmocka_unit_test(what_goes_through_arrives_unharmed_however_full_the_socket_is),
		cmocka_unit_test(the_largest_frame_goes_there_and_back),
		cmocka_unit_test(the_frames_before_a_hangup_are_still_handled),
		cmocka_unit_test(a_sender_of_bulk_is_told_when_to_go_on),
		cmocka_unit_test(a_peer_that_never_reads_breaks_the_door_at_its_maximum),
		cmocka_unit_test(an_oversized_frame_can_not_be_sent),
		cmocka_unit_test(a_length_past_the_maximum_breaks_the_door),
		cmocka_unit_test(a_refused_frame_breaks_the_door_before_the_next),
		cmocka_unit_test(a_door_may_be_freed_in_its_callbacks),
		cmocka_unit_test(last_words_are_written_and_heard_without_a_turn_of_the_loop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

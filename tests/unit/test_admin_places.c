/* Who stays and who gives way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "admin/places.h"

#define MAXIMUM 8
#define SHARE 5

static struct places places;
static struct place rows[64];
static unsigned row_count;

static int set_up(void **state)
{
	(void)state;
	places = (struct places){ .maximum = MAXIMUM, .share = SHARE };
	row_count = 0;
	return 0;
}

/* The new one's place, or NULL; whoever gives way for it has left. */
static struct place *take_place(uint64_t peer, struct place **out_leaver)
{
	struct place *leaver = NULL;
	if (places_make_room(&places, peer, &leaver) != STATUS_OK)
		return NULL;
	if (leaver)
		places_remove(&places, leaver);
	if (out_leaver)
		*out_leaver = leaver;
	struct place *place = &rows[row_count++];
	places_add(&places, place, peer);
	return place;
}

static void nobody_gives_way_while_there_is_room(void **state)
{
	(void)state;
	struct place *leaver;
	for (uint64_t peer = 1; peer <= MAXIMUM; peer++) {
		assert_non_null(take_place(peer, &leaver));
		assert_null(leaver);
	}
	assert_int_equal(places.count, MAXIMUM);
}

static void a_peer_beyond_its_share_gives_up_its_own_oldest(void **state)
{
	(void)state;
	struct place *leaver;
	for (unsigned i = 0; i < 40; i++) {
		assert_non_null(take_place(1, &leaver));
		assert_ptr_equal(leaver, i < SHARE ? NULL : &rows[i - SHARE]);
	}
	assert_int_equal(places.count, SHARE);
}

static void of_many_the_one_who_holds_most_gives_way(void **state)
{
	(void)state;
	struct place *leaver;
	take_place(2, NULL);
	take_place(3, NULL);
	take_place(3, NULL);
	for (int i = 0; i < SHARE; i++)
		take_place(1, NULL);
	take_place(4, &leaver);
	assert_int_equal(leaver->peer, 1);
	assert_int_equal(places.count, MAXIMUM);
}

static void silence_gives_way_before_those_who_were_served(void **state)
{
	(void)state;
	struct place *leaver;
	for (int i = 0; i < SHARE; i++)
		take_place(1, NULL)->state = i < 2 ? PLACE_SERVED : PLACE_SILENT;
	take_place(1, &leaver);
	assert_ptr_equal(leaver, &rows[2]);
	for (unsigned i = 3; i < row_count; i++)
		rows[i].state = PLACE_SERVED;
	take_place(1, &leaver);
	assert_ptr_equal(leaver, &rows[0]);
}

static void whoever_waits_for_an_answer_stays(void **state)
{
	(void)state;
	struct place *leaver;
	for (int i = 0; i < SHARE; i++)
		take_place(1, NULL)->state = PLACE_BUSY;
	assert_null(take_place(1, NULL)); /* its share is used up, and stays so */
	for (int i = SHARE; i < MAXIMUM; i++)
		take_place(2, NULL);
	assert_non_null(take_place(3, &leaver)); /* who holds most has none to give */
	assert_int_equal(leaver->peer, 2);
	for (unsigned i = 0; i < row_count; i++)
		rows[i].state = PLACE_BUSY;
	assert_null(take_place(4, NULL));
}

/* Against a model: a random crowd comes and goes. */
static void the_list_holds_together(void **state)
{
	(void)state;
	unsigned random = 7;
	for (unsigned turn = 0; turn < 20000; turn++) {
		struct place *leaver = NULL;
		random = random * 1103515245 + 12345;
		row_count = turn % 64;
		struct place *row = &rows[row_count];
		bool there = false;
		size_t count = 0;
		for (struct place *at = places.oldest; at; at = at->newer, count++)
			there |= at == row;
		assert_int_equal(count, places.count);
		assert_true(count <= MAXIMUM);
		if (there)
			places_remove(&places, row);
		else if (take_place(random >> 16 & 3, &leaver))
			row->state = (enum place_state)((random >> 20) % 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nobody_gives_way_while_there_is_room, set_up),
		cmocka_unit_test_setup(a_peer_beyond_its_share_gives_up_its_own_oldest, set_up),
		cmocka_unit_test_setup(of_many_the_one_who_holds_most_gives_way, set_up),
		cmocka_unit_test_setup(silence_gives_way_before_those_who_were_served, set_up),
		cmocka_unit_test_setup(whoever_waits_for_an_answer_stays, set_up),
		cmocka_unit_test_setup(the_list_holds_together, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

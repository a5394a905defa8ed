/* The hash map: what was put in is found, by numbers and by texts, with and without memory to grow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "failing_memory.h"

#define MANY 1000
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

struct thing {
	struct map_link link;
	uint64_t number;
	unsigned visits;
};

static struct thing things[MANY];

static struct thing *find_thing(const struct map *map, uint64_t number)
{
	struct map_link *link = map_first(map, map_hash_number(map, number));
	for (; link; link = map_next(link)) {
		struct thing *thing = MAP_OWNER(link, struct thing, link);
		if (thing->number == number)
			return thing;
	}
	return NULL;
}

static void add_things(struct map *map)
{
	memset(things, 0, sizeof(things));
	for (size_t i = 0; i < MANY; i++) {
		things[i].number = i;
		assert_int_equal(map_add(map, &things[i].link, map_hash_number(map, i)), STATUS_OK);
	}
	assert_int_equal(map->count, MANY);
}

static size_t longest_chain(const struct map *map)
{
	size_t longest = 0;
	for (size_t i = 0; i < map->bucket_count; i++) {
		size_t length = 0;
		for (const struct map_link *link = map->buckets[i]; link; link = link->next)
			length++;
		longest = length > longest ? length : longest;
	}
	return longest;
}

static void what_is_put_in_is_found_until_it_is_taken_out(void **state)
{
	struct map map;
	(void)state;
	assert_int_equal(map_init(&map), STATUS_OK);
	assert_null(find_thing(&map, 7)); /* nor is there a bucket yet */
	add_things(&map);
	for (size_t i = 0; i < MANY; i += 3)
		map_remove(&map, &things[i].link);
	for (size_t i = 0; i < MANY; i++)
		assert_ptr_equal(find_thing(&map, i), i % 3 ? &things[i] : NULL);
	assert_null(find_thing(&map, MANY));
	map_free(&map);
	assert_null(find_thing(&map, 7));
}

static void chains_are_short_whatever_the_numbers_step(void **state)
{
	static const uint64_t steps[] = { 1, 64, 1024, UINT64_C(1) << 32, UINT64_C(1) << 53 };
	(void)state;
	for (size_t i = 0; i < COUNT(steps); i++) {
		struct map map;
		assert_int_equal(map_init(&map), STATUS_OK);
		for (size_t j = 0; j < MANY; j++)
			assert_int_equal(map_add(&map, &things[j].link, map_hash_number(&map, j * steps[i])),
					 STATUS_OK);
		assert_in_range(longest_chain(&map), 1, 15);
		map_free(&map);
	}
}

static void two_things_of_one_hash_are_both_there(void **state)
{
	struct map map = { 0 };
	struct thing a = { .number = 1 }, b = { .number = 2 }, c = { .number = 3 };
	(void)state;
	assert_int_equal(map_add(&map, &a.link, 5), STATUS_OK);
	assert_int_equal(map_add(&map, &c.link, 5 + 64), STATUS_OK); /* of the same bucket */
	assert_int_equal(map_add(&map, &b.link, 5), STATUS_OK);
	struct map_link *first = map_first(&map, 5);
	assert_ptr_equal(first, &b.link);
	assert_ptr_equal(map_next(first), &a.link);
	assert_null(map_next(&a.link));
	map_free(&map);
}

static void texts_are_told_apart_and_their_case_where_it_counts(void **state)
{
	struct map map;
	(void)state;
	assert_int_equal(map_init(&map), STATUS_OK);
	assert_true(map_hash_text(&map, SPAN("Ann")) == map_hash_text(&map, SPAN("Ann")));
	assert_true(map_hash_text(&map, SPAN("Ann")) != map_hash_text(&map, SPAN("ann")));
	assert_true(map_hash_text(&map, SPAN("ann")) != map_hash_text(&map, SPAN("nan")));
	assert_true(map_hash_text(&map, SPAN("\0")) != map_hash_text(&map, SPAN("\0\0")));
	assert_true(map_hash_text_nocase(&map, SPAN("ANN@z.Example")) ==
		    map_hash_text_nocase(&map, SPAN("ann@Z.example")));
	assert_true(map_hash_text_nocase(&map, SPAN("[")) != map_hash_text_nocase(&map, SPAN("{")));
	map_free(&map);
}

static void each_map_has_hashes_of_its_own(void **state)
{
	struct map a, b;
	(void)state;
	assert_int_equal(map_init(&a), STATUS_OK);
	assert_int_equal(map_init(&b), STATUS_OK);
	assert_true(map_hash_number(&a, 1) != map_hash_number(&b, 1));
	assert_true(map_hash_numbers(&a, 1, 2) != map_hash_numbers(&b, 1, 2));
	assert_true(map_hash_numbers(&a, 1, 2) != map_hash_numbers(&a, 2, 1));
	assert_true(map_hash_text(&a, SPAN("ann")) != map_hash_text(&b, SPAN("ann")));
}

struct map_visit {
	struct map *map;
	bool takes_out;
};

static void visit_thing(void *context, struct map_link *link)
{
	const struct map_visit *visit = context;
	struct thing *thing = MAP_OWNER(link, struct thing, link);
	thing->visits++;
	if (visit->takes_out)
		map_remove(visit->map, link);
}

static void all_are_visited_once_and_may_leave(void **state)
{
	struct map map;
	(void)state;
	assert_int_equal(map_init(&map), STATUS_OK);
	add_things(&map);
	map_visit(&map, visit_thing, &(struct map_visit){ &map, false });
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(things[i].visits, 1);
	map_visit(&map, visit_thing, &(struct map_visit){ &map, true });
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(things[i].visits, 2);
	assert_int_equal(map.count, 0);
	map_free(&map);
}

#ifndef SUBGATE_SANITIZED

static void without_memory_a_map_takes_nothing_in_unless_it_has_buckets(void **state)
{
	struct map map;
	struct thing thing = { .number = 1 };
	(void)state;
	assert_int_equal(map_init(&map), STATUS_OK);
	memory_counts = memory_is_out = true;
	enum status without = map_add(&map, &thing.link, 1);
	enum status reserved = map_reserve(&map, 10);
	memory_is_out = false;
	assert_int_equal(without, STATUS_NO_MEMORY);
	assert_int_equal(reserved, STATUS_NO_MEMORY);
	assert_int_equal(map.count, 0);
	assert_int_equal(map_reserve(&map, 10), STATUS_OK);
	memory_is_out = true;
	add_things(&map); /* more than that: chains get longer */
	memory_is_out = false;
	memory_counts = false;
	for (size_t i = 0; i < MANY; i++)
		assert_ptr_equal(find_thing(&map, i), &things[i]);
	map_free(&map);
}

#endif

static void what_is_reserved_is_no_longer_asked_for(void **state)
{
	struct map map;
	(void)state;
	assert_int_equal(map_init(&map), STATUS_OK);
	assert_int_equal(map_reserve(&map, MANY), STATUS_OK);
	struct map_link **buckets = map.buckets;
	add_things(&map);
	assert_ptr_equal(map.buckets, buckets);
	assert_int_equal(map_reserve(&map, 1), STATUS_OK);
	assert_ptr_equal(map.buckets, buckets);
	map_free(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_in_is_found_until_it_is_taken_out),
		cmocka_unit_test(chains_are_short_whatever_the_numbers_step),
		cmocka_unit_test(two_things_of_one_hash_are_both_there),
		cmocka_unit_test(texts_are_told_apart_and_their_case_where_it_counts),
		cmocka_unit_test(each_map_has_hashes_of_its_own),
		cmocka_unit_test(all_are_visited_once_and_may_leave),
		cmocka_unit_test(what_is_reserved_is_no_longer_asked_for),
#ifndef SUBGATE_SANITIZED
		cmocka_unit_test(without_memory_a_map_takes_nothing_in_unless_it_has_buckets),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

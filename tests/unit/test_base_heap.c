/* The heap: the least comes first, whatever is added and removed in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/heap.h"

#define MANY 2000

struct thing {
	struct heap_link link;
	uint64_t key;
	int64_t order;
	bool is_in;
};

static struct thing things[MANY];
static uint64_t seed;

static uint64_t draw(uint64_t below)
{
	seed = seed * 6364136223846793005U + 1442695040888963407U;
	return (seed >> 33) % below;
}

static bool comes_before(const struct thing *a, const struct thing *b)
{
	return a->key != b->key ? a->key < b->key : a->order < b->order;
}

static const struct thing *find_least(size_t count)
{
	const struct thing *least = NULL;
	for (size_t i = 0; i < count; i++)
		if (things[i].is_in && (least == NULL || comes_before(&things[i], least)))
			least = &things[i];
	return least;
}

static const struct thing *first_of(const struct heap *heap)
{
	return heap->least ? HEAP_OWNER(heap->least, struct thing, link) : NULL;
}

static void what_is_least_comes_first(void **state)
{
	struct heap heap = { 0 };
	(void)state;
	seed = 1;
	assert_null(first_of(&heap));
	for (size_t i = 0; i < MANY; i++) {
		things[i] = (struct thing){ .key = draw(100), .order = (int64_t)draw(MANY) - MANY / 2 };
		heap_add(&heap, &things[i].link, things[i].key, things[i].order);
	}
	const struct thing *last = first_of(&heap);
	for (size_t i = 0; i < MANY; i++) {
		struct heap_link *least = heap.least;
		assert_non_null(least);
		assert_false(comes_before(first_of(&heap), last));
		last = first_of(&heap);
		heap_remove(&heap, least);
	}
	assert_null(first_of(&heap));
}

static void of_equals_the_one_of_lower_order_comes_first(void **state)
{
	struct heap heap = { 0 };
	struct heap_link a = { 0 }, b = { 0 }, c = { 0 };
	(void)state;
	heap_add(&heap, &a, 7, 2);
	heap_add(&heap, &b, 7, -1);
	heap_add(&heap, &c, 7, 1);
	assert_ptr_equal(heap.least, &b);
	heap_remove(&heap, &b);
	assert_ptr_equal(heap.least, &c);
	heap_remove(&heap, &c);
	heap_remove(&heap, &c); /* it is gone already */
	assert_ptr_equal(heap.least, &a);
	assert_false(b.is_in || c.is_in);
}

static void any_of_them_can_leave_and_come_back(void **state)
{
	(void)state;
	for (seed = 1; seed < 20; seed++) {
		uint64_t start = seed;
		struct heap heap = { 0 };
		for (size_t i = 0; i < 60; i++)
			things[i] = (struct thing){ 0 };
		for (size_t step = 0; step < 1000; step++) {
			struct thing *thing = &things[draw(60)];
			if (thing->is_in) {
				heap_remove(&heap, &thing->link);
			} else {
				thing->key = draw(10);
				thing->order = (int64_t)step;
				heap_add(&heap, &thing->link, thing->key, thing->order);
			}
			thing->is_in = !thing->is_in;
			assert_int_equal(thing->link.is_in, thing->is_in);
			assert_ptr_equal(first_of(&heap), find_least(60));
		}
		seed = start;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_least_comes_first),
		cmocka_unit_test(of_equals_the_one_of_lower_order_comes_first),
		cmocka_unit_test(any_of_them_can_leave_and_come_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* How many connections to the console one network may have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "console/crowd.h"

#define MAXIMUM 4U

static struct guest guests[256];

/* How many of such addresses come in, one after the other; "%x" in one is their number. */
static unsigned let_in(struct crowd *crowd, struct guest *from, const char *before, const char *after, unsigned count)
{
	unsigned taken = 0;
	for (unsigned i = 0; i < count; i++) {
		char address[64];
		snprintf(address, sizeof(address), "%s%x%s", before, i + 1, after);
		if (crowd_has_room(crowd, span_of(address), MAXIMUM))
			crowd_add(crowd, &from[taken++], span_of(address));
	}
	return taken;
}

static void one_network_leaves_room_for_others(void **state)
{
	(void)state;
	struct crowd crowd = { 0 };
	assert_int_equal(let_in(&crowd, guests, "2001:db8::", "", 100), MAXIMUM);
	assert_true(crowd_has_room(&crowd, SPAN("2001:db8:1::1"), MAXIMUM));
	assert_true(crowd_has_room(&crowd, SPAN("192.0.2.1"), MAXIMUM));
	assert_false(crowd_has_room(&crowd, SPAN("2001:db8::1:2"), MAXIMUM));
	crowd_remove(&guests[1]);
	crowd_remove(&guests[1]); /* it stands in none now */
	assert_true(crowd_has_room(&crowd, SPAN("2001:db8::1:2"), MAXIMUM));
}

static void a_customer_of_many_networks_has_a_larger_share_and_no_more(void **state)
{
	(void)state;
	struct crowd crowd = { 0 };
	unsigned of_56 = let_in(&crowd, guests, "2001:db8:0:", "::1", 100); /* /64s of one /56 */
	assert_int_equal(of_56, MAXIMUM * network_shares(1));
	assert_true(of_56 < 100);
	assert_true(crowd_has_room(&crowd, SPAN("2001:db8:0:1ff::1"), MAXIMUM)); /* another /56 */
	assert_true(crowd_has_room(&crowd, SPAN("2001:db8:1::1"), MAXIMUM));
}

static void each_address_of_ipv4_counts_alone(void **state)
{
	(void)state;
	struct crowd crowd = { 0 };
	for (unsigned i = 0; i < 2 * MAXIMUM; i++)
		if (crowd_has_room(&crowd, SPAN("192.0.2.1"), MAXIMUM))
			crowd_add(&crowd, &guests[i], SPAN("192.0.2.1"));
	assert_false(crowd_has_room(&crowd, SPAN("192.0.2.1"), MAXIMUM));
	assert_true(crowd_has_room(&crowd, SPAN("192.0.2.2"), MAXIMUM));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_network_leaves_room_for_others),
		cmocka_unit_test(a_customer_of_many_networks_has_a_larger_share_and_no_more),
		cmocka_unit_test(each_address_of_ipv4_counts_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

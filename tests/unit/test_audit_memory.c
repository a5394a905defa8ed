/* The audit's thread while memory is out: those who wait hear so, and no record is lost or out of its order. */
#include <stdatomic.h>

#include "audit_fixture.h"

#ifdef SUBGATE_SANITIZED
int main(void)
{
	return 0;
}
#else

extern void *__libc_malloc(size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static atomic_bool memory_is_out; /* but for the loop's thread */
static _Thread_local bool is_loop;

void *malloc(size_t size)
{
	return memory_is_out && !is_loop ? NULL : __libc_malloc(size);
}

void *realloc(void *memory, size_t size)
{
	return memory_is_out && !is_loop ? NULL : __libc_realloc(memory, size);
}

/* A long record, so that the writer needs more memory than it has from those before. */
static void submit(struct audit_bench *bench, enum audit_type type, const char *message, audit_callback *callback)
{
	static char detail[40000];
	memset(detail, 'x', sizeof(detail));
	struct audit_event event = message_event(type, message, 1);
	event.detail = (struct span){ detail, sizeof(detail) };
	bench->told = 0;
	assert_int_equal(audit_submit(bench->audit, &event, callback, bench), STATUS_OK);
}

static bool are_five_written(void *context)
{
	json_t *records = read_records(context);
	bool all = json_array_size(records) == 5;
	json_decref(records);
	return all;
}

static void without_memory_records_wait_in_their_order(void **state)
{
	static const char *const messages[] = { "m1", "m2", "m1", "m3", "m4" };
	struct audit_bench *bench = *state;
	is_loop = true;
	start_audit(bench);
	submit_record(bench, AUDIT_MESSAGE_LEAVING, "m1", 1);
	memory_is_out = true;
	submit(bench, AUDIT_MESSAGE_LEAVING, "m2", on_written);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->written, STATUS_SYSTEM); /* so that message is refused */
	assert_string_equal(bench->trouble, "Cannot allocate memory");
	submit(bench, AUDIT_MESSAGE_SENT, "m1", NULL); /* nobody waits for that, and promise 5 does */
	run_for(bench->loop, 1);
	submit(bench, AUDIT_MESSAGE_LEAVING, "m3", on_written);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->written, STATUS_SYSTEM);
	memory_is_out = false;
	submit(bench, AUDIT_MESSAGE_LEAVING, "m4", on_written);
	run_until(bench->loop, are_five_written, bench);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->written, STATUS_OK);
	json_t *records = read_records(bench);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(text_of(records, i, "message"), messages[i]);
	json_decref(records);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(without_memory_records_wait_in_their_order),
	};
	return cmocka_run_group_tests_name("audit memory", tests, NULL, NULL);
}
#endif

/* A disk that takes records and can't be forced to keep them. fdatasync(2) of this program fails as it is told. */
#include <errno.h>
#include <stdatomic.h>

#include "audit_fixture.h"
#include "tests/unit/with_set_clock.h"

static atomic_int sync_error; /* errno; 0: it succeeds */
static atomic_uint syncs;

int fdatasync(int fd)
{
	(void)fd;
	syncs++;
	errno = sync_error;
	return sync_error ? -1 : 0;
}

static struct audit_health health;

static void take_health(void *context, const struct audit_health *now)
{
	(void)context;
	health = *now;
}

/* `keys_fd`: -1, as with a chain the keys are forced to the disk, too. */
static void start_audit_with_keys(struct audit_bench *bench, enum config_audit_sync sync, int keys_fd)
{
	struct audit_options options = {
		.fd = open(bench->file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600),
		.state_fd = open(bench->state_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600),
		.keys_fd = keys_fd,
		.sync = sync,
		.node = "node.example",
		.on_trouble = on_trouble,
		.on_health = take_health,
		.context = bench,
	};
	syncs = 0;
	sync_error = 0;
	health = (struct audit_health){ 0 };
	assert_int_equal(audit_create(bench->loop, &options, &bench->audit), STATUS_OK);
}

static void start_audit_that_syncs(struct audit_bench *bench, enum config_audit_sync sync)
{
	start_audit_with_keys(bench, sync, -1);
}

static enum status submit_leaving(struct audit_bench *bench)
{
	struct audit_event event = message_event(AUDIT_MESSAGE_LEAVING, "m1", 1);
	bench->told = 0;
	assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
	run_until(bench->loop, was_told, bench);
	return bench->written;
}

static bool is_stuck(void *context)
{
	return audit_is_stuck(((struct audit_bench *)context)->audit);
}

static bool is_well(void *context)
{
	return !is_stuck(context);
}

static void a_record_that_is_not_on_the_disk_counts_as_not_written_with_sync_always(void **state)
{
	struct audit_bench *bench = *state;
	start_audit_that_syncs(bench, AUDIT_SYNC_ALWAYS);
	sync_error = EIO;
	assert_int_equal(submit_leaving(bench), STATUS_SYSTEM);
	assert_true(audit_is_stuck(bench->audit));
	assert_string_equal(bench->trouble, "records can't be forced to the disk: Input/output error");
	assert_int_equal(health.error, EIO);
	assert_true(health.is_sync && health.sync_failures > 0);
	sync_error = 0;
	run_until(bench->loop, is_well, bench); /* by itself, though no record comes */
	assert_string_equal(bench->trouble, "records are written again");
	assert_int_equal(submit_leaving(bench), STATUS_OK);
}

static void a_clock_that_is_set_back_delays_no_try(void **state)
{
	clock_ahead_s = 3600;
	a_record_that_is_not_on_the_disk_counts_as_not_written_with_sync_always(state);
	clock_ahead_s = 0;
}

static void with_sync_interval_the_record_is_written_and_the_trouble_told(void **state)
{
	struct audit_bench *bench = *state;
	start_audit_that_syncs(bench, AUDIT_SYNC_INTERVAL);
	sync_error = EIO;
	assert_int_equal(submit_leaving(bench), STATUS_OK);
	run_until(bench->loop, is_stuck, bench);
	assert_non_null(strstr(bench->trouble, "forced to the disk"));
	sync_error = 0;
	run_until(bench->loop, is_well, bench);
}

static bool was_synced(void *context)
{
	(void)context;
	return syncs >= 2;
}

static void what_was_written_last_is_forced_to_the_disk_within_a_second_or_two(void **state)
{
	struct audit_bench *bench = *state;
	start_audit_that_syncs(bench, AUDIT_SYNC_INTERVAL);
	assert_int_equal(submit_leaving(bench), STATUS_OK); /* the first one is due at once */
	assert_int_equal(submit_leaving(bench), STATUS_OK); /* and this one is not yet */
	run_until(bench->loop, was_synced, bench);
}

static void with_sync_none_nothing_is_forced_to_the_disk(void **state)
{
	struct audit_bench *bench = *state;
	start_audit_that_syncs(bench, AUDIT_SYNC_NONE);
	sync_error = EIO;
	assert_int_equal(submit_leaving(bench), STATUS_OK);
	audit_free(&bench->audit);
	assert_int_equal(syncs, 0);
}

static bool knows_space(void *context)
{
	(void)context;
	return health.free_bytes > 0;
}

static void the_room_on_the_disk_is_told(void **state)
{
	struct audit_bench *bench = *state;
	start_audit_that_syncs(bench, AUDIT_SYNC_NONE);
	run_until(bench->loop, knows_space, bench);
	assert_true(health.free_bytes != AUDIT_SPACE_UNKNOWN);
}

static bool has_signed(void *context)
{
	struct audit_bench *bench = context;
	return audit_public(bench->audit)->last.number > bench->told;
}

/* Of those that were signed while the disk did not take the key's end for sure, none is missing in the row. */
static void no_checkpoint_is_left_out_for_a_disk_that_fails(void **state)
{
	struct audit_bench *bench = *state;
	struct audit_statement last = { 0 }, statement;
	size_t i;
	json_t *record;
	start_audit_with_keys(bench, AUDIT_SYNC_NONE, open(bench->keys_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	sync_error = EIO;
	assert_int_equal(submit_leaving(bench), STATUS_OK);
	run_until(bench->loop, is_stuck, bench);
	sync_error = 0;
	bench->told = (unsigned)audit_public(bench->audit)->last.number;
	run_until(bench->loop, has_signed, bench);
	json_t *records = read_all_records(bench, true);
	json_array_foreach(records, i, record)
	{
		const json_t *before = json_object_get(record, "before"), *now = json_object_get(record, "checkpoint");
		for (int both = 0; both < 2; both++) {
			if (audit_statement_from_json(both ? now : before, &statement) != STATUS_OK)
				continue;
			assert_int_equal(statement.number, last.number + 1);
			assert_string_equal(last.number ? last.next : audit_public(bench->audit)->first, statement.key);
			last = statement;
		}
	}
	assert_true(last.number > 0);
	json_decref(records);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(a_record_that_is_not_on_the_disk_counts_as_not_written_with_sync_always),
		WITH_BENCH(a_clock_that_is_set_back_delays_no_try),
		WITH_BENCH(with_sync_interval_the_record_is_written_and_the_trouble_told),
		WITH_BENCH(what_was_written_last_is_forced_to_the_disk_within_a_second_or_two),
		WITH_BENCH(with_sync_none_nothing_is_forced_to_the_disk),
		WITH_BENCH(the_room_on_the_disk_is_told),
		WITH_BENCH(no_checkpoint_is_left_out_for_a_disk_that_fails),
	};
	return cmocka_run_group_tests_name("audit sync", tests, NULL, NULL);
}

/* The spool: what goes in comes out, in memory and through the file thread, within its bounds. */
#include "with_loop.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relay/spool.h"

#define LARGE (3U << 20) /* bytes: many pieces in the file, the last one not full */
#define MAXIMUM (8U << 20)
#define FILES 3
#define ODD 7919 /* bytes a piece: fits no buffer evenly */

struct fixture {
	struct loop *loop;
	struct spool *spool;
	char folder[64];
};

/* Reads a message from its beginning to its end, and compares. */
struct reader {
	struct spool_message *message;
	uint64_t offset, stop_at;
	bool over, good;
	enum status status;
};

static void begin_spool(struct fixture *f, uint64_t maximum)
{
	*f = (struct fixture){ .folder = "/tmp/spool-test-XXXXXX" };
	assert_non_null(mkdtemp(f->folder));
	int folder = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(loop_create(&f->loop), STATUS_OK);
	assert_int_equal(spool_create(f->loop, folder, maximum, FILES, &f->spool), STATUS_OK);
}

static void end_spool(struct fixture *f)
{
	spool_free(&f->spool);
	assert_null(f->spool);
	loop_free(f->loop);
	assert_int_equal(rmdir(f->folder), 0); /* empty: nothing was left with a name */
}

static char byte_at(uint64_t offset)
{
	return (char)(offset * 2654435761U >> 13);
}

static enum status append_bytes(struct spool_message *message, size_t size)
{
	char piece[ODD];
	for (size_t done = 0; done < size;) {
		size_t part = size - done < ODD ? size - done : ODD;
		uint64_t at = spool_size(message);
		for (size_t i = 0; i < part; i++)
			piece[i] = byte_at(at + i);
		TRY(spool_append(message, (struct span){ piece, part }));
		done += part;
	}
	return STATUS_OK;
}

static struct spool_message *message_of_owner(struct fixture *f, struct spool_share *share, size_t size)
{
	struct spool_message *message = NULL;
	assert_int_equal(spool_begin(f->spool, share, &message), STATUS_OK);
	assert_int_equal(append_bytes(message, size), STATUS_OK);
	assert_int_equal(spool_size(message), size);
	return message;
}

static struct spool_message *message_of(struct fixture *f, size_t size)
{
	return message_of_owner(f, NULL, size);
}

struct attempt {
	struct fixture *f;
	size_t size;
	struct spool_message *message;
};

static bool has_room(void *context)
{
	struct attempt *attempt = context;
	if (attempt->message)
		return true;
	assert_int_equal(spool_begin(attempt->f->spool, NULL, &attempt->message), STATUS_OK);
	if (append_bytes(attempt->message, attempt->size) == STATUS_OK)
		return true;
	spool_message_free(&attempt->message);
	return false;
}

/* Once the file thread has closed the files of earlier ones. */
static struct spool_message *message_in_time(struct fixture *f, size_t size)
{
	struct attempt attempt = { .f = f, .size = size };
	run_until(f->loop, has_room, &attempt);
	return attempt.message;
}

static void on_read(void *context, enum status status, struct span bytes)
{
	struct reader *reader = context;
	reader->status = status;
	reader->over = status != STATUS_OK;
	assert_true(bytes.size <= SPOOL_PIECE);
	for (size_t i = 0; i < bytes.size; i++)
		reader->good = reader->good && bytes.data[i] == byte_at(reader->offset + i);
	reader->offset += bytes.size;
	if (reader->stop_at && reader->offset >= reader->stop_at)
		reader->over = true;
	if (!reader->over)
		spool_read(reader->message, reader->offset, on_read, reader);
}

static bool is_over(void *context)
{
	const struct reader *reader = context;
	return reader->over;
}

static struct reader read_from(struct fixture *f, struct spool_message *message, uint64_t offset, uint64_t stop_at)
{
	struct reader reader = { .message = message, .offset = offset, .stop_at = stop_at, .good = true };
	spool_read(message, offset, on_read, &reader);
	run_until(f->loop, is_over, &reader);
	return reader;
}

static void assert_whole(struct fixture *f, struct spool_message *message)
{
	struct reader reader = read_from(f, message, 0, 0);
	assert_int_equal(reader.status, STATUS_END);
	assert_int_equal(reader.offset, spool_size(message));
	assert_true(reader.good);
}

static void a_small_message_is_read_at_once(void **state)
{
	struct fixture f;
	(void)state;
	begin_spool(&f, SPOOL_MEMORY);
	struct spool_message *message = message_of(&f, SPOOL_MEMORY);
	struct reader reader = { .message = message, .good = true };
	spool_read(message, 0, on_read, &reader);
	assert_true(reader.over && reader.good);
	assert_int_equal(reader.offset, SPOOL_MEMORY);
	spool_message_free(&message);
	assert_null(message);
	message = message_of(&f, SPOOL_MEMORY); /* all the room is back */
	spool_message_free(&message);
	end_spool(&f);
}

static void an_empty_message_is_at_its_end(void **state)
{
	struct fixture f;
	(void)state;
	begin_spool(&f, MAXIMUM);
	struct spool_message *message = message_of(&f, 0);
	assert_whole(&f, message);
	spool_message_free(&message);
	end_spool(&f);
}

static void a_large_message_comes_out_as_it_went_in(void **state)
{
	static const size_t sizes[] = { SPOOL_MEMORY + 1, 2 * SPOOL_MEMORY - 1, 2 * SPOOL_MEMORY, 2 * SPOOL_MEMORY + 1,
					LARGE };
	struct fixture f;
	(void)state;
	begin_spool(&f, MAXIMUM);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct spool_message *message = message_of(&f, sizes[i]);
		assert_whole(&f, message);
		spool_message_free(&message);
	}
	end_spool(&f);
}

static void it_can_be_read_any_number_of_times_from_anywhere(void **state)
{
	static const uint64_t offsets[] = { LARGE - 1, 0, SPOOL_MEMORY, LARGE / 2 + 1, 1, LARGE / 2 };
	struct fixture f;
	(void)state;
	begin_spool(&f, MAXIMUM);
	struct spool_message *message = message_of(&f, LARGE);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		struct reader reader = read_from(&f, message, offsets[i], offsets[i] + SPOOL_PIECE + 1);
		assert_true(reader.good);
	}
	assert_whole(&f, message);
	spool_message_free(&message);
	end_spool(&f);
}

static void it_can_be_read_while_it_grows(void **state)
{
	struct fixture f;
	(void)state;
	begin_spool(&f, MAXIMUM);
	struct spool_message *message = message_of(&f, SPOOL_MEMORY + 3);
	for (unsigned i = 0; i < 20; i++) {
		assert_whole(&f, message);
		assert_int_equal(append_bytes(message, SPOOL_MEMORY / 3), STATUS_OK);
	}
	assert_whole(&f, message);
	spool_message_free(&message);
	end_spool(&f);
}

static void a_reader_who_leaves_hears_nothing(void **state)
{
	struct fixture f;
	(void)state;
	begin_spool(&f, MAXIMUM);
	struct spool_message *message = message_of(&f, LARGE);
	struct reader gone = { .message = message, .offset = SPOOL_MEMORY };
	spool_read(message, SPOOL_MEMORY, on_read, &gone);
	spool_cancel_read(message);
	run_for(f.loop, 20);
	assert_int_equal(gone.offset, SPOOL_MEMORY);
	assert_whole(&f, message);

	struct reader stays = { .message = message, .offset = LARGE / 2 };
	spool_read(message, LARGE / 2, on_read, &stays);
	spool_message_free(&message);
	run_for(f.loop, 20);
	assert_int_equal(stays.offset, LARGE / 2);
	end_spool(&f);
}

static void all_messages_together_stay_below_the_maximum(void **state)
{
	struct fixture f;
	(void)state;
	begin_spool(&f, 1U << 20);
	struct spool_message *first = message_of(&f, 600U << 10);
	struct spool_message *second = message_of(&f, 400U << 10);
	struct spool_message *third = message_of(&f, 24U << 10);
	assert_int_equal(append_bytes(third, 1), STATUS_TOO_LARGE);
	assert_int_equal(append_bytes(second, 100U << 10), STATUS_TOO_LARGE);
	spool_message_free(&third);
	spool_message_free(&second);
	spool_message_free(&first);
	struct spool_message *fourth = message_in_time(&f, 1U << 20);
	assert_whole(&f, fourth);
	spool_message_free(&fourth);
	end_spool(&f);
}

static void several_messages_of_one_owner_leave_room_for_others(void **state)
{
	struct spool_share one = { 0 }, other = { 0 };
	struct spool_message *messages[4];
	struct fixture f;
	(void)state;
	begin_spool(&f, 1U << 20);
	messages[0] = message_of_owner(&f, &one, 100U << 10);
	messages[1] = message_of_owner(&f, &one, 100U << 10);
	assert_int_equal(append_bytes(messages[1], 400U << 10), STATUS_REFUSED);
	assert_true(one.used >= 490U << 10 && one.used <= 512U << 10); /* half of it */
	messages[2] = message_of_owner(&f, &other, 100U << 10);
	messages[3] = message_of_owner(&f, &other, 50U << 10);
	assert_int_equal(append_bytes(messages[3], 400U << 10), STATUS_REFUSED);
	assert_true(other.used <= 256U << 10); /* half of what was left */
	for (size_t i = 0; i < 4; i++)
		spool_message_free(&messages[i]);
	assert_true(spool_share_is_free(&one) && spool_share_is_free(&other));
	assert_int_equal(one.used + one.files + other.used + other.files, 0);
	run_for(f.loop, 50);
	end_spool(&f);
}

static void one_message_may_take_all_there_is(void **state)
{
	struct spool_share one = { 0 };
	struct spool_message *copy = NULL;
	struct fixture f;
	(void)state;
	begin_spool(&f, 1U << 20);
	struct spool_message *message = message_of_owner(&f, &one, 600U << 10);
	assert_int_equal(spool_begin_copy(message, &copy), STATUS_OK);
	assert_int_equal(append_bytes(copy, 400U << 10), STATUS_OK); /* it is no second one */
	assert_int_equal(one.used, 1000U << 10);
	assert_int_equal(append_bytes(copy, 100U << 10), STATUS_TOO_LARGE);
	spool_message_free(&message);
	assert_false(spool_share_is_free(&one));
	spool_message_free(&copy);
	assert_true(spool_share_is_free(&one));
	run_for(f.loop, 50);
	end_spool(&f);
}

static void one_owner_has_not_all_files(void **state)
{
	struct spool_share one = { 0 };
	struct spool_message *messages[2];
	struct fixture f;
	(void)state;
	begin_spool(&f, MAXIMUM);
	messages[0] = message_of_owner(&f, &one, 4 * SPOOL_MEMORY);
	messages[1] = message_of_owner(&f, &one, SPOOL_MEMORY);
	assert_int_equal(append_bytes(messages[1], 2 * SPOOL_MEMORY), STATUS_REFUSED); /* two of three, and one left */
	spool_message_free(&messages[1]);
	spool_message_free(&messages[0]);
	assert_int_equal(one.files, 0);
	run_for(f.loop, 50);
	end_spool(&f);
}

static bool is_empty(const char *folder)
{
	unsigned entries = 0;
	DIR *listing = opendir(folder);
	while (readdir(listing))
		entries++;
	closedir(listing);
	return entries == 2; /* . and .. */
}

static void no_file_has_a_name(void **state)
{
	struct fixture f;
	(void)state;
	begin_spool(&f, MAXIMUM);
	struct spool_message *message = message_of(&f, LARGE);
	assert_whole(&f, message);
	assert_true(is_empty(f.folder));
	spool_message_free(&message);
	end_spool(&f);
}

/* No file can be made in /proc. */
static void a_disk_that_fails_is_told(void **state)
{
	struct fixture f = { 0 };
	(void)state;
	assert_int_equal(loop_create(&f.loop), STATUS_OK);
	int nowhere = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(spool_create(f.loop, nowhere, MAXIMUM, FILES, &f.spool), STATUS_OK);
	struct spool_message *message = message_of(&f, 2 * SPOOL_MEMORY);
	run_for(f.loop, 50);
	struct reader reader = { .message = message };
	spool_read(message, 0, on_read, &reader);
	run_until(f.loop, is_over, &reader);
	assert_int_equal(reader.status, STATUS_SYSTEM);
	assert_int_equal(append_bytes(message, 1), STATUS_SYSTEM);
	spool_message_free(&message);
	spool_free(&f.spool);
	loop_free(f.loop);
}

/* Without a disk that works: what fits needs none, the rest does, and what is freed serves the next. */
static void messages_stay_in_memory_while_there_is_some_to_spare(void **state)
{
	struct fixture f = { 0 };
	(void)state;
	assert_int_equal(loop_create(&f.loop), STATUS_OK);
	int nowhere = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(spool_create(f.loop, nowhere, MAXIMUM, FILES, &f.spool), STATUS_OK);
	spool_use_memory(f.spool, 3 * SPOOL_MEMORY);
	for (int i = 0; i < 2; i++) {
		struct spool_message *first = message_of(&f, 3 * SPOOL_MEMORY + SPOOL_PIECE + 1);
		struct spool_message *second = message_of(&f, 2 * SPOOL_MEMORY + 1);
		struct spool_message *third = message_of(&f, 2 * SPOOL_MEMORY);
		assert_whole(&f, first);
		assert_whole(&f, second);
		struct reader reader = { .message = third };
		spool_read(third, SPOOL_MEMORY, on_read, &reader);
		run_until(f.loop, is_over, &reader);
		assert_int_equal(reader.status, STATUS_SYSTEM);
		spool_message_free(&first);
		spool_message_free(&second);
		spool_message_free(&third);
	}
	spool_free(&f.spool);
	loop_free(f.loop);
}

/* Partly in memory, partly in a file. */
static void a_message_goes_on_in_a_file_where_memory_ends(void **state)
{
	struct fixture f;
	(void)state;
	begin_spool(&f, MAXIMUM);
	spool_use_memory(f.spool, 2 * SPOOL_MEMORY);
	struct spool_message *message = message_of(&f, LARGE);
	assert_whole(&f, message);
	struct reader reader = read_from(&f, message, SPOOL_MEMORY + 5, LARGE);
	assert_true(reader.good);
	spool_message_free(&message);
	end_spool(&f);
}

static void a_spool_can_end_with_work_in_its_queue(void **state)
{
	struct fixture f;
	(void)state;
	begin_spool(&f, MAXIMUM);
	struct spool_message *message = message_of(&f, LARGE);
	struct reader reader = { .message = message, .offset = LARGE / 2 };
	spool_read(message, LARGE / 2, on_read, &reader);
	spool_message_free(&message);
	end_spool(&f);
	assert_int_equal(reader.offset, LARGE / 2);
}

static void no_more_messages_than_there_are_descriptors_for_have_a_file(void **state)
{
	struct spool_message *messages[FILES], *one_more;
	struct fixture f;
	(void)state;
	begin_spool(&f, MAXIMUM);
	for (size_t i = 0; i < FILES; i++)
		messages[i] = message_of(&f, 4 * SPOOL_MEMORY);
	one_more = message_of(&f, SPOOL_MEMORY); /* a small one needs none */
	assert_int_equal(append_bytes(one_more, SPOOL_MEMORY), STATUS_TOO_LARGE);
	assert_int_equal(append_bytes(messages[0], SPOOL_MEMORY), STATUS_OK); /* one under way goes on */
	spool_message_free(&one_more);
	assert_whole(&f, messages[0]);
	for (size_t i = 0; i < FILES; i++)
		spool_message_free(&messages[i]);
	one_more = message_in_time(&f, 4 * SPOOL_MEMORY);
	assert_whole(&f, one_more);
	spool_message_free(&one_more);
	end_spool(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_more_messages_than_there_are_descriptors_for_have_a_file),
		cmocka_unit_test(a_small_message_is_read_at_once),
		cmocka_unit_test(an_empty_message_is_at_its_end),
		cmocka_unit_test(a_large_message_comes_out_as_it_went_in),
		cmocka_unit_test(it_can_be_read_any_number_of_times_from_anywhere),
		cmocka_unit_test(it_can_be_read_while_it_grows),
		cmocka_unit_test(a_reader_who_leaves_hears_nothing),
		cmocka_unit_test(all_messages_together_stay_below_the_maximum),
		cmocka_unit_test(several_messages_of_one_owner_leave_room_for_others),
		cmocka_unit_test(one_message_may_take_all_there_is),
		cmocka_unit_test(one_owner_has_not_all_files),
		cmocka_unit_test(no_file_has_a_name),
		cmocka_unit_test(a_disk_that_fails_is_told),
		cmocka_unit_test(messages_stay_in_memory_while_there_is_some_to_spare),
		cmocka_unit_test(a_message_goes_on_in_a_file_where_memory_ends),
		cmocka_unit_test(a_spool_can_end_with_work_in_its_queue),
	};
	return cmocka_run_group_tests_name("relay: spool", tests, NULL, NULL);
}

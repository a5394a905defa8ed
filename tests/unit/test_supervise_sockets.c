/* Listening sockets across gates and reloads, and the seats of counters. */
#include <errno.h>
#include <sys/un.h>

#include "stats/slab.h"
#include "stats/stats.h"
#include "supervise/gate_sockets.h"
#include "supervise/seats.h"
#include "supervise_fixture.h"
#include "with_ports.h"

static const struct identities nobody = { .admin_group = (gid_t)-1, .operator_group = (gid_t)-1 };

/* A config with one listener on these ports (0: none), and the control socket. */
static void use_ports(struct fixture *f, unsigned one, unsigned other)
{
	char addresses[128], sections[1024];
	snprintf(addresses, sizeof(addresses), "\"127.0.0.1:%u\"", one);
	if (other)
		snprintf(addresses, sizeof(addresses), "\"127.0.0.1:%u\", \"127.0.0.1:%u\"", one, other);
	snprintf(sections, sizeof(sections), "%slistener s { address = {%s} }\nadmin { http = \"\" }\n", PLAIN_RELAY,
		 addresses);
	fixture_config(f, sections);
}

static void open_fixture(struct fixture *f)
{
	char run[PATH_SIZE];
	fixture_open(f);
	fixture_path(f, "run", run);
	assert_int_equal(mkdir(run, 0711), 0);
}

struct search {
	const char *name;
	int fd; /* -1: not found yet */
};

static enum status compare_name(void *context, const char *name, int fd)
{
	struct search *search = context;
	if (strcmp(name, search->name) == 0)
		search->fd = fd;
	return STATUS_OK;
}

/* Of gate `gate` of `gates`, by its name; -1: it has none. */
static int socket_named(struct sockets *sockets, const struct config *config, unsigned gate, unsigned gates,
			const char *name)
{
	const struct gate_place place = { config, gate, gates };
	struct search search = { name, -1 };
	assert_int_equal(gate_sockets_visit_newer(sockets, &place, 0, compare_name, &search), STATUS_OK);
	return search.fd;
}

/* Of one of two gates. */
static int socket_of(struct sockets *sockets, const struct config *config, unsigned gate, unsigned number)
{
	char name[32];
	snprintf(name, sizeof(name), "%u:0:s", number);
	return socket_named(sockets, config, gate, 2, name);
}

static bool is_refused(unsigned port)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool refused = connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

static void each_gate_has_a_socket_of_its_own(void **state)
{
	(void)state;
	struct fixture f;
	struct sockets sockets = { 0 };
	open_fixture(&f);
	use_ports(&f, test_free_port(), test_free_port());
	assert_int_equal(sockets_open(&sockets, f.config, 2, &nobody, f.faults), STATUS_OK);
	assert_int_equal(sockets.count, 5); /* two addresses for two gates, and the control socket */
	int first = socket_of(&sockets, f.config, 1, 0), second = socket_of(&sockets, f.config, 2, 0);
	assert_true(first >= 0 && second >= 0 && first != second);
	assert_int_not_equal(socket_of(&sockets, f.config, 1, 1), first);
	sockets_close(&sockets);
	fixture_close(&f);
}

static void a_reload_keeps_what_stays_and_closes_what_goes(void **state)
{
	(void)state;
	struct fixture f;
	struct sockets sockets = { 0 };
	unsigned stays = test_free_port(), goes = test_free_port(), comes = test_free_port();
	open_fixture(&f);
	use_ports(&f, stays, goes);
	assert_int_equal(sockets_open(&sockets, f.config, 2, &nobody, f.faults), STATUS_OK);
	int before = socket_of(&sockets, f.config, 1, 0);
	use_ports(&f, stays, comes);
	assert_int_equal(sockets_open(&sockets, f.config, 1, &nobody, f.faults), STATUS_OK);
	assert_false(is_refused(goes)); /* until the new gates serve */
	sockets_trim(&sockets);
	assert_int_equal(socket_named(&sockets, f.config, 1, 1, "0:0:s"), before);
	assert_true(is_refused(goes));
	assert_false(is_refused(comes));
	assert_int_equal(sockets.count, 4); /* both of the address that stays: no connection to it is lost */
	sockets_close(&sockets);
	assert_true(is_refused(stays));
	fixture_close(&f);
}

static void a_port_in_use_is_told_and_changes_nothing(void **state)
{
	(void)state;
	struct fixture f;
	struct sockets sockets = { 0 }, others = { 0 };
	unsigned ours = test_free_port(), fresh = test_free_port(), theirs = test_free_port();
	char port[16];
	open_fixture(&f);
	use_ports(&f, theirs, 0);
	assert_int_equal(sockets_open(&others, f.config, 1, &nobody, f.faults), STATUS_OK);
	use_ports(&f, ours, 0);
	assert_int_equal(sockets_open(&sockets, f.config, 1, &nobody, f.faults), STATUS_OK);
	size_t before = sockets.count;
	use_ports(&f, fresh, theirs);
	assert_int_equal(sockets_open(&sockets, f.config, 1, &nobody, f.faults), STATUS_SYSTEM);
	snprintf(port, sizeof(port), ":%u\"", theirs);
	assert_non_null(strstr(fixture_told(&f), port));
	assert_non_null(strstr(fixture_told(&f), "Address already in use"));
	assert_int_equal(sockets.count, before);
	assert_true(is_refused(fresh));
	sockets_trim(&sockets);
	assert_int_equal(sockets.count, before);
	sockets_close(&sockets);
	sockets_close(&others);
	fixture_close(&f);
}

static void an_address_given_twice_is_a_fault(void **state)
{
	(void)state;
	struct fixture f;
	struct sockets sockets = { 0 };
	unsigned port = test_free_port();
	open_fixture(&f);
	use_ports(&f, port, test_free_port());
	/* The config's own check comes first, and is not asked here. */
	struct config_list *addresses = &f.config->listener.items[0].address;
	free(addresses->items[1]);
	addresses->items[1] = strdup(addresses->items[0]);
	assert_int_equal(sockets_open(&sockets, f.config, 1, &nobody, f.faults), STATUS_INVALID);
	assert_non_null(strstr(fixture_told(&f), "is used twice"));
	assert_int_equal(sockets.count, 0);
	sockets_close(&sockets);
	fixture_close(&f);
}

static mode_t control_mode(struct fixture *f, const struct identities *identities)
{
	struct sockets sockets = { 0 };
	struct stat info;
	char path[PATH_SIZE];
	fixture_path(f, "run/admin.sock", path);
	assert_int_equal(sockets_open(&sockets, f->config, 1, identities, f->faults), STATUS_OK);
	assert_int_equal(stat(path, &info), 0);
	sockets_close(&sockets);
	return info.st_mode & 0777;
}

static void a_group_opens_the_control_socket_to_its_members_and_to_nobody_else(void **state)
{
	(void)state;
	struct fixture f;
	const struct identities some = { .admin_group = getgid(), .operator_group = (gid_t)-1 };
	const struct identities two = { .admin_group = getgid(), .operator_group = getgid() };
	open_fixture(&f);
	use_ports(&f, test_free_port(), 0);
	assert_int_equal(control_mode(&f, &nobody), 0600);
	assert_int_equal(control_mode(&f, &some), 0660);
	assert_int_equal(control_mode(&f, &two), 0666);
	fixture_close(&f);
}

static void the_control_socket_takes_the_place_of_an_old_one(void **state)
{
	(void)state;
	struct fixture f;
	struct sockets sockets = { 0 };
	struct handover admin = { 0 };
	struct stat info;
	char path[PATH_SIZE];
	open_fixture(&f);
	use_ports(&f, test_free_port(), 0);
	fixture_write(&f, "run/admin.sock", "left by a crash", 0600);
	assert_int_equal(sockets_open(&sockets, f.config, 1, &nobody, f.faults), STATUS_OK);
	fixture_path(&f, "run/admin.sock", path);
	assert_int_equal(stat(path, &info), 0);
	assert_true(S_ISSOCK(info.st_mode));
	assert_int_equal(sockets_hand_over(&sockets, f.config, &admin), STATUS_OK);
	assert_true(handover_find(&admin, "control") >= 0);
	assert_int_equal(admin.count, 1);
	handover_forget(&admin);
	sockets_close(&sockets);
	assert_int_equal(access(path, F_OK), -1);
	fixture_close(&f);
}

static void at_the_end_clients_are_refused_and_administrators_are_not(void **state)
{
	(void)state;
	struct fixture f;
	struct sockets sockets = { 0 };
	unsigned port = test_free_port();
	char path[PATH_SIZE];
	open_fixture(&f);
	use_ports(&f, port, 0);
	assert_int_equal(sockets_open(&sockets, f.config, 2, &nobody, f.faults), STATUS_OK);
	sockets_close_gates(&sockets);
	assert_true(is_refused(port));
	assert_int_equal(sockets.count, 1);
	fixture_path(&f, "run/admin.sock", path);
	assert_int_equal(access(path, F_OK), 0);
	sockets_close(&sockets);
	fixture_close(&f);
}

static void fewer_gates_have_all_sockets_among_them(void **state)
{
	(void)state;
	struct fixture f;
	struct sockets sockets = { 0 };
	open_fixture(&f);
	use_ports(&f, test_free_port(), 0);
	assert_int_equal(sockets_open(&sockets, f.config, 3, &nobody, f.faults), STATUS_OK);
	int former[3];
	for (unsigned gate = 1; gate <= 3; gate++)
		former[gate - 1] = socket_named(&sockets, f.config, gate, 3, "0:0:s");
	assert_int_equal(sockets_open(&sockets, f.config, 2, &nobody, f.faults), STATUS_OK);
	sockets_trim(&sockets);
	assert_int_equal(socket_named(&sockets, f.config, 1, 2, "0:0:s"), former[0]);
	assert_int_equal(socket_named(&sockets, f.config, 1, 2, "0:1:s"), former[2]);
	assert_int_equal(socket_named(&sockets, f.config, 2, 2, "0:0:s"), former[1]);
	assert_int_equal(socket_named(&sockets, f.config, 2, 2, "0:1:s"), -1);
	sockets_close(&sockets);
	fixture_close(&f);
}

/* ---- after a gate's end */

static ino_t inode_of(int fd)
{
	struct stat info;
	assert_int_equal(fstat(fd, &info), 0);
	return info.st_ino;
}

struct told {
	unsigned count;
	char name[32];
};

static enum status note_told(void *context, const char *name, int fd)
{
	struct told *told = context;
	(void)fd;
	told->count++;
	snprintf(told->name, sizeof(told->name), "%s", name);
	return STATUS_OK;
}

static void make_blocking(int fd)
{
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
}

static void shut_socket(int fd)
{
	assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
}

static void leave_alone(int fd)
{
	(void)fd;
}

static void only_a_sound_socket_of_a_gate_that_ended_well_passes_on(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		void (*touch)(int fd);
		bool well, stays;
	} cases[] = {
		{ "drained", leave_alone, true, true },
		{ "crashed or killed", leave_alone, false, false },
		{ "says that it drained, and left it blocking", make_blocking, true, false },
		{ "says that it drained, and left it deaf", shut_socket, true, false },
	};
	struct fixture f;
	open_fixture(&f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sockets sockets = { 0 };
		struct told told = { 0 };
		unsigned port = test_free_port();
		use_ports(&f, port, 0);
		const struct gate_place first = { f.config, 1, 2 }, second = { f.config, 2, 2 };
		assert_int_equal(sockets_open(&sockets, f.config, 2, &nobody, f.faults), STATUS_OK);
		uint64_t known = sockets.last_number;
		ino_t before = inode_of(socket_of(&sockets, f.config, 1, 0));
		ino_t neighbour = inode_of(socket_of(&sockets, f.config, 2, 0));
		cases[i].touch(socket_of(&sockets, f.config, 1, 0));
		if (gate_sockets_judge(&sockets, &first, cases[i].well) == cases[i].stays ||
		    (inode_of(socket_of(&sockets, f.config, 1, 0)) == before) != cases[i].stays)
			fail_msg("%s", cases[i].what);
		assert_int_equal(inode_of(socket_of(&sockets, f.config, 2, 0)), neighbour);
		assert_int_equal(gate_sockets_visit_newer(&sockets, &first, known, note_told, &told), STATUS_OK);
		assert_int_equal(gate_sockets_visit_newer(&sockets, &second, known, note_told, &told), STATUS_OK);
		assert_int_equal(told.count, cases[i].stays ? 0 : 1);
		assert_string_equal(told.name, cases[i].stays ? "" : "0:0:s");
		assert_int_equal(fcntl(socket_of(&sockets, f.config, 1, 0), F_GETFL), O_RDWR | O_NONBLOCK);
		assert_false(is_refused(port));
		sockets_close(&sockets);
	}
	fixture_close(&f);
}

/* ---- seats */

static void a_seat_is_taken_by_one_and_outlives_him(void **state)
{
	(void)state;
	struct seats *seats = NULL;
	struct stats *slab = NULL;
	const struct stats *first = NULL;
	unsigned one = 0, other = 0, again = 0;
	assert_int_equal(seats_create(3, &seats), STATUS_OK);
	assert_int_equal(seats_take(seats, false, &one), STATUS_OK);
	assert_int_equal(seats_take(seats, false, &other), STATUS_OK);
	assert_true(one != SUPERVISOR_SEAT && other != SUPERVISOR_SEAT && one != other);
	assert_int_equal(seats_take(seats, false, &again), STATUS_NOT_FOUND);
	assert_int_equal(stats_map(seats_fd(seats), one, &slab), STATUS_OK);
	stats_add(slab, COUNTER_MESSAGE_BYTES, 0, 1000);
	stats_set(slab, COUNTER_SESSIONS, 1, 5);
	life_beat(stats_life(slab));
	life_end(stats_life(slab));
	seats_leave(seats, one);
	assert_int_equal(stats_map_all(seats_fd(seats), seats_count(seats), &first), STATUS_OK);
	assert_int_equal(stats_sum(first, 3, COUNTER_MESSAGE_BYTES, 0), 1000); /* counters never fall back */
	assert_int_equal(stats_sum(first, 3, COUNTER_SESSIONS, 1), 0);         /* and the dead have no sessions */
	assert_int_equal(seats_take(seats, false, &again), STATUS_OK);
	assert_int_equal(again, one);
	struct life_watch watch;
	life_watch_begin(&watch, 0);
	life_watch_look(&watch, seats_life(seats, one), 500);
	assert_true(watch.beats == 0 && !watch.ending); /* nor do they speak for whoever sits there next */
	seats_free(&seats);
}

static void a_gate_is_believed_in_a_gates_counters_alone(void **state)
{
	(void)state;
	struct seats *seats = NULL;
	struct stats *lies = NULL, *truth = NULL;
	const struct stats *first = NULL;
	unsigned gate = 0, relay = 0, again = 0;
	assert_int_equal(seats_create(3, &seats), STATUS_OK);
	assert_int_equal(seats_take(seats, true, &gate), STATUS_OK);
	assert_int_equal(seats_take(seats, false, &relay), STATUS_OK);
	assert_int_equal(stats_map(seats_fd(seats), gate, &lies), STATUS_OK);
	assert_int_equal(stats_map(seats_fd(seats), relay, &truth), STATUS_OK);
	for (enum stats_counter counter = 0; counter < COUNTER_COUNT; counter++)
		if (stats_rows[counter].kind == STATS_KIND_COUNTER || stats_rows[counter].kind == STATS_KIND_GAUGE)
			stats_add(lies, counter, 0, 1000);
	stats_observe_ms(lies, COUNTER_UPSTREAM_TIME, 0, 10);
	stats_note_longest_us(lies, COUNTER_LOOP_TURN_LONGEST, ROLE_RELAY, 1000);
	stats_add(truth, COUNTER_MESSAGE_BYTES, 0, 7);
	assert_int_equal(stats_map_all(seats_fd(seats), 3, &first), STATUS_OK);
	assert_int_equal(stats_sum(first, 3, COUNTER_MESSAGE_BYTES, 0), 7);
	assert_int_equal(stats_sum(first, 3, COUNTER_REDIS_UP, 0), 0);
	assert_int_equal(stats_sum(first, 3, COUNTER_CONNECTIONS, 0), 1000);
	assert_int_equal(stats_sum(first, 3, COUNTER_LOG_DROPPED, 0), 1000);
	assert_int_equal(stats_longest_us(first, 3, COUNTER_LOOP_TURN_LONGEST, ROLE_RELAY), 0);
	/* Its seat is a gate's after it; and where another role has to take it, what it wrote is gone. */
	seats_leave(seats, gate);
	seats_leave(seats, relay);
	assert_int_equal(seats_take(seats, false, &again), STATUS_OK);
	assert_int_equal(again, relay);
	assert_int_equal(seats_take(seats, false, &again), STATUS_OK);
	assert_int_equal(again, gate);
	assert_int_equal(stats_sum(first, 3, COUNTER_MESSAGE_BYTES, 0), 7);
	assert_int_equal(stats_sum(first, 3, COUNTER_REDIS_UP, 0), 0);
	seats_free(&seats);
}

static void seats_grow_under_those_who_sit(void **state)
{
	(void)state;
	struct seats *seats = NULL;
	struct stats *slab = NULL;
	unsigned one = 0, more = 0;
	assert_int_equal(seats_create(2, &seats), STATUS_OK);
	assert_int_equal(seats_take(seats, false, &one), STATUS_OK);
	assert_int_equal(stats_map(seats_fd(seats), one, &slab), STATUS_OK);
	stats_add(seats_own(seats), COUNTER_ROLE_RESTARTS, ROLE_GATE, 2);
	assert_int_equal(seats_grow(seats, 40), STATUS_OK);
	assert_int_equal(seats_grow(seats, 10), STATUS_OK);
	assert_int_equal(seats_count(seats), 40);
	stats_add(slab, COUNTER_MESSAGE_BYTES, 0, 1);
	for (unsigned i = 2; i < 40; i++)
		assert_int_equal(seats_take(seats, false, &more), STATUS_OK);
	assert_int_equal(seats_take(seats, false, &more), STATUS_NOT_FOUND);
	const struct stats *first = NULL;
	assert_int_equal(stats_map_all(seats_fd(seats), 40, &first), STATUS_OK);
	assert_int_equal(stats_sum(first, 40, COUNTER_MESSAGE_BYTES, 0), 1);
	assert_int_equal(stats_sum(first, 40, COUNTER_ROLE_RESTARTS, ROLE_GATE), 2);
	seats_free(&seats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_gate_has_a_socket_of_its_own),
		cmocka_unit_test(a_reload_keeps_what_stays_and_closes_what_goes),
		cmocka_unit_test(a_port_in_use_is_told_and_changes_nothing),
		cmocka_unit_test(an_address_given_twice_is_a_fault),
		cmocka_unit_test(a_group_opens_the_control_socket_to_its_members_and_to_nobody_else),
		cmocka_unit_test(the_control_socket_takes_the_place_of_an_old_one),
		cmocka_unit_test(at_the_end_clients_are_refused_and_administrators_are_not),
		cmocka_unit_test(fewer_gates_have_all_sockets_among_them),
		cmocka_unit_test(only_a_sound_socket_of_a_gate_that_ended_well_passes_on),
		cmocka_unit_test(a_seat_is_taken_by_one_and_outlives_him),
		cmocka_unit_test(a_gate_is_believed_in_a_gates_counters_alone),
		cmocka_unit_test(seats_grow_under_those_who_sit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

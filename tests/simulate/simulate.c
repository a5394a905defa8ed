/*
 * The simulation: each seed is a run of a few minutes of virtual time, in a process of its own. Clients send, and what
 * can go wrong goes wrong; then all is mended, every process ends in order, and the books are closed (books.h).
 *
 *   simulate [-v] [-m] [-j JOBS] FIRST [LAST]    the seeds FIRST to LAST; -v: each line of the run, on stderr;
 *                                                -m: Redis may lose all it has, too
 *   simulate -w SECONDS [-s SESSIONS] FIRST      one node, so long, with so many clients, and nothing goes wrong
 *
 * The same seed gives the same run: its last line holds a hash of all that happened.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/simulate/books.h"
#include "tests/simulate/nodes.h"
#include "tests/simulate/servers.h"

#define CALM_US (20 * MINUTE_US) /* for what is under way to end, once all is mended */
#define JOBS_MAXIMUM 16
#define MEMORY_WEIGHT 3 /* among all faults, of losing the memory */

static struct node *nodes[NODES_MAXIMUM];
static unsigned node_count;
static bool is_mended;
static const char *mode = ""; /* "-m " where Redis may lose all it has */
static uint64_t well_us;      /* for so long all goes well, at one node; 0: see above */
static unsigned well_clients; /* sessions there; 0: some */
static int64_t evening_us;    /* how far the clocks are ahead of the epoch, where they are right */

/* ---- what goes wrong */

static struct node *any_node(void)
{
	return nodes[sim_draw(node_count)];
}

static void start_node(void *context)
{
	struct node *node = context;
	if (!node_is_running(node))
		node_start(node);
}

static void kill_relay(void)
{
	struct node *node = any_node();
	node_kill(node);
	sim_after(&sim_outside, sim_between(10000, 3 * SECOND_US), start_node, node);
}

static void reload_relay(void)
{
	struct node *node = any_node();
	if (node_is_running(node))
		node_start(node);
}

static void start_redis(void *context)
{
	(void)context;
	redis_server_start();
}

static void thaw_redis(void *context)
{
	(void)context;
	redis_server_thaw();
}

static void stop_redis(void)
{
	redis_server_stop();
	sim_after(&sim_outside, sim_between(10000, 5 * SECOND_US), start_redis, NULL);
}

static void freeze_redis(void)
{
	redis_server_freeze();
	sim_after(&sim_outside, sim_between(10000, 20 * SECOND_US), thaw_redis, NULL);
}

static void lose_memory(void)
{
	books_allow_more();
	redis_server_flush();
}

static void step_clock(void)
{
	books_allow_more();
	int64_t step_us = ((int64_t)sim_draw(40) - 20) * 3600 * SECOND_US / (sim_chance(500) ? 1 : 3600);
	if (sim_chance(300))
		redis_server_step_clock(evening_us + step_us);
	else
		node_step_clock(any_node(), evening_us + step_us);
}

static void mend_disk(void *context)
{
	node_fill_disk(context, false);
}

static void fill_disk(void)
{
	struct node *node = any_node();
	node_fill_disk(node, true);
	sim_after(&sim_outside, sim_between(10000, 10 * SECOND_US), mend_disk, node);
}

static void change_mood(void)
{
	upstream_servers_set_mood(sim_draw(UPSTREAMS), sim_draw(sim_chance(200) ? 500 : 100));
}

static void start_upstream(void *context)
{
	upstream_server_start((unsigned)(uintptr_t)context);
}

static void stop_upstream(void)
{
	unsigned index = sim_draw(UPSTREAMS);
	upstream_server_stop(index);
	sim_after(&sim_outside, sim_between(SECOND_US, 30 * SECOND_US), start_upstream, (void *)(uintptr_t)index);
}

struct fault {
	const char *name;
	unsigned weight;
	void (*happen)(void);
};

static struct fault faults[] = {
	{ "a relay is killed", 6, kill_relay },
	{ "a reload", 4, reload_relay },
	{ "Redis stops", 3, stop_redis },
	{ "Redis freezes", 3, freeze_redis },
	{ "Redis answers nothing, and cuts", 6, redis_server_drop_answers },
	{ "Redis loses its memory", 0, lose_memory }, /* with -m */
	{ "a clock steps", 4, step_clock },
	{ "a disk is full", 2, fill_disk },
	{ "an upstream changes", 4, change_mood },
	{ "an upstream stops", 2, stop_upstream },
};

static void let_memory_be_lost(void)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (faults[i].happen == lose_memory)
			faults[i].weight = MEMORY_WEIGHT;
	mode = "-m ";
}

static void let_fault_happen(void *context)
{
	unsigned total = 0, at = 0;
	(void)context;
	if (is_mended)
		return;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		total += faults[i].weight;
	unsigned drawn = sim_draw(total);
	while (drawn >= faults[at].weight)
		drawn -= faults[at++].weight;
	sim_note("%s", faults[at].name);
	faults[at].happen();
	sim_after(&sim_outside, sim_between(100000, 8 * SECOND_US), let_fault_happen, NULL);
}

/* ---- a run */

static void run_for(uint64_t us)
{
	uint64_t until_us = sim_now_us + us;
	while (sim_now_us < until_us && sim_step())
		;
}

static void begin_run(const char *folder)
{
	static const char *const zones[] = { "UTC", "Europe/Berlin", "Pacific/Auckland" };
	enum status status = loop_create(&sim_outside.loop);
	assert(status == STATUS_OK);
	unsigned limit = well_us ? 1000000 : 10 + sim_draw(40);
	books_set_limit(limit);
	redis_server_begin();
	upstream_servers_begin();
	/* Mostly it is about to be midnight somewhere. */
	evening_us = sim_chance(600) ? (int64_t)(86400 - sim_between(10, 150)) * SECOND_US : 12LL * 3600 * SECOND_US;
	redis_server_step_clock(evening_us);
	node_count = well_us ? 1 : 1 + sim_draw(NODES_MAXIMUM);
	for (unsigned i = 0; i < node_count; i++) {
		char path[192];
		nodes[i] = node_make(i, folder, limit, zones[sim_chance(700) ? 0 : sim_draw(3)]);
		snprintf(path, sizeof(path), "%s/node%u", folder, i);
		books_watch(path);
		node_step_clock(nodes[i], evening_us);
		node_start(nodes[i]);
	}
	unsigned sessions = 2 + sim_draw(5);
	clients_begin(node_count, well_clients ? well_clients : sessions);
	if (well_us == 0)
		sim_after(&sim_outside, sim_between(SECOND_US, 10 * SECOND_US), let_fault_happen, NULL);
}

/* What still is to happen, happens, as killed relays are started; then nothing goes wrong any more. */
static void mend_all(void)
{
	is_mended = true;
	run_for(30 * SECOND_US);
	for (unsigned i = 0; i < UPSTREAMS; i++)
		upstream_servers_set_mood(i, 0);
	assert(redis_server_is_well());
	for (unsigned i = 0; i < node_count; i++)
		if (!node_is_running(nodes[i]))
			sim_fail("node%u has no relay, although nothing keeps it from starting (promise 8)", i);
}

static void end_nodes(void)
{
	uint64_t until_us = sim_now_us + CALM_US;
	for (unsigned i = 0; i < node_count; i++)
		node_drain(nodes[i]);
	for (unsigned i = 0; i < node_count; i++) {
		while (!node_is_over(nodes[i]) && sim_now_us < until_us && sim_step())
			;
		if (!node_is_over(nodes[i]))
			sim_fail("node%u does not end", i);
	}
}

static void end_run(void)
{
	clients_rest();
	uint64_t until_us = sim_now_us + CALM_US;
	while (!clients_are_idle() && sim_now_us < until_us && sim_step())
		;
	if (!clients_are_idle())
		sim_fail("sessions do not end (promise 7)");
	end_nodes();
	/* One more of each: it closes what the last could not, as its disk was full or its time over, and counts. */
	for (unsigned i = 0; i < node_count; i++)
		node_start(nodes[i]);
	run_for(30 * SECOND_US);
	end_nodes();
	books_close();
}

static _Noreturn void run_seed(uint64_t seed, const char *folder, bool is_verbose)
{
	if (mkdir(folder, 0700) != 0 && errno != EEXIST)
		sim_fail("%s can't be made", folder);
	log_open(is_verbose ? STDERR_FILENO : open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_LEVEL_INFO, "sim");
	sim_begin(seed, is_verbose);
	begin_run(folder);
	run_for(well_us ? well_us : sim_between(30 * SECOND_US, 2 * MINUTE_US));
	mend_all();
	end_run();
	printf("seed %llu: %.0f s, %zu mails, %zu accepted, %016llx\n", (unsigned long long)seed,
	       (double)sim_now_us / 1e6, books_count(), books_accepted(), (unsigned long long)sim_hash());
	fflush(stdout);
	_exit(0);
}

/* ---- all runs */

struct job {
	pid_t pid; /* 0: free */
	uint64_t seed;
	char folder[96];
};

static struct job jobs[JOBS_MAXIMUM];
static unsigned failed;

static int remove_entry(const char *path, const struct stat *file, int kind, struct FTW *walk)
{
	(void)file, (void)kind, (void)walk;
	return remove(path);
}

static void await_job(void)
{
	int status;
	pid_t pid = wait(&status);
	for (unsigned i = 0; i < JOBS_MAXIMUM; i++) {
		struct job *job = &jobs[i];
		if (job->pid != pid)
			continue;
		job->pid = 0;
		nftw(job->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			continue;
		failed++;
		fprintf(stderr, "seed %llu FAILED: simulate -v %s%llu shows the run\n", (unsigned long long)job->seed,
			mode, (unsigned long long)job->seed);
	}
}

static void start_job(struct job *job, uint64_t seed, bool is_verbose)
{
	struct stat shared;
	const char *top = stat("/dev/shm", &shared) == 0 && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	job->seed = seed;
	snprintf(job->folder, sizeof(job->folder), "%s/subgate-simulate-%d-%llu", top, (int)getpid(),
		 (unsigned long long)seed);
	fflush(NULL);
	job->pid = fork();
	assert(job->pid >= 0);
	if (job->pid == 0)
		run_seed(seed, job->folder, is_verbose);
}

static void run_seeds(uint64_t first, uint64_t last, unsigned count, bool is_verbose)
{
	unsigned busy = 0;
	for (uint64_t seed = first; seed <= last; seed++) {
		if (busy == count) {
			await_job();
			busy--;
		}
		for (unsigned i = 0; i < count; i++) {
			if (jobs[i].pid == 0) {
				start_job(&jobs[i], seed, is_verbose);
				busy++;
				break;
			}
		}
	}
	for (; busy; busy--)
		await_job();
}

int main(int argc, char **argv)
{
	bool is_verbose = false;
	unsigned count = 1;
	int option;
	while ((option = getopt(argc, argv, "vmj:s:w:")) != -1) {
		if (option == 'v')
			is_verbose = true;
		else if (option == 'm')
			let_memory_be_lost();
		else if (option == 'w')
			well_us = strtoull(optarg, NULL, 10) * SECOND_US;
		else if (option == 's')
			well_clients = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'j')
			count = (unsigned)strtoul(optarg, NULL, 10);
	}
	if (optind >= argc || count == 0 || count > JOBS_MAXIMUM) {
		fprintf(stderr, "usage: simulate [-v] [-m] [-w SECONDS [-s SESSIONS]] [-j JOBS] FIRST [LAST]\n");
		return 2;
	}
	uint64_t first = strtoull(argv[optind], NULL, 10);
	uint64_t last = optind + 1 < argc ? strtoull(argv[optind + 1], NULL, 10) : first;
	mallopt(M_MXFAST, 0); /* as roles have it */
	run_seeds(first, last, count, is_verbose);
	printf("simulate: %s%llu seeds, %u failed\n", mode, (unsigned long long)(last - first + 1), failed);
	return failed ? 1 : 0;
}

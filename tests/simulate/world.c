/* The seed, the clock and the events of the simulation. */
#include "tests/simulate/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define FNV_PRIME 0x100000001b3ULL
#define JOIN_LOOK_US 500

struct sim_event {
	uint64_t at_us, number; /* of two at the same time the earlier made runs first */
	struct process *process;
	void (*run)(void *context);
	void *context;
	bool is_cancelled, is_of_thread;
};

struct process sim_outside = { .name = "outside" };
struct process *sim_process = &sim_outside;
uint64_t sim_now_us;

static uint64_t dice;
static uint64_t hash = 0xcbf29ce484222325ULL;
static bool is_shown;
static struct sim_event **heap;
static size_t heap_count, heap_room;
static uint64_t last_number;

/* ---- the seed */

/* splitmix64 */
static uint64_t roll(void)
{
	uint64_t z = (dice += 0x9e3779b97f4a7c15ULL);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Neighbours among the seeds have nothing in common. */
void sim_begin(uint64_t seed, bool is_verbose)
{
	dice = seed;
	dice = roll() ^ (seed << 32);
	is_shown = is_verbose;
}

uint32_t sim_draw(uint32_t below)
{
	assert(below);
	return (uint32_t)((roll() >> 32) * below >> 32);
}

bool sim_chance(uint32_t of_thousand)
{
	return sim_draw(1000) < of_thousand;
}

uint64_t sim_between(uint64_t least, uint64_t most)
{
	return least + roll() % (most - least + 1);
}

static void add_to_hash(const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * FNV_PRIME;
}

void sim_note(const char *format, ...)
{
	char line[1024], whole[1200];
	va_list list;
	va_start(list, format);
	vsnprintf(line, sizeof(line), format, list);
	va_end(list);
	snprintf(whole, sizeof(whole), "%10.6f %s: %s", (double)sim_now_us / 1e6, sim_process->name, line);
	add_to_hash(whole);
	if (is_shown)
		fprintf(stderr, "%s\n", whole);
}

uint64_t sim_hash(void)
{
	return hash;
}

_Noreturn void sim_fail(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	fprintf(stderr, "%10.6f ", (double)sim_now_us / 1e6);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	_exit(1);
}

/* ---- events: a heap */

static bool is_earlier(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_us < b->at_us || (a->at_us == b->at_us && a->number < b->number);
}

static void swap_events(size_t a, size_t b)
{
	struct sim_event *held = heap[a];
	heap[a] = heap[b];
	heap[b] = held;
}

static void push_event(struct sim_event *event)
{
	if (heap_count == heap_room) {
		heap_room = heap_room ? 2 * heap_room : 1024;
		heap = reallocarray(heap, heap_room, sizeof(struct sim_event *));
		assert(heap);
	}
	size_t at = heap_count++;
	heap[at] = event;
	for (; at && is_earlier(heap[at], heap[(at - 1) / 2]); at = (at - 1) / 2)
		swap_events(at, (at - 1) / 2);
}

static struct sim_event *pop_event(void)
{
	struct sim_event *first = heap[0];
	size_t at = 0;
	heap[0] = heap[--heap_count];
	for (;;) {
		size_t least = at;
		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < heap_count; child++)
			if (is_earlier(heap[child], heap[least]))
				least = child;
		if (least == at)
			return first;
		swap_events(at, least);
		at = least;
	}
}

struct sim_event *sim_after(struct process *process, uint64_t delay_us, void (*run)(void *context), void *context)
{
	struct sim_event *event = calloc(1, sizeof(*event));
	assert(event);
	*event = (struct sim_event){ sim_now_us + delay_us, ++last_number, process, run, context, false, false };
	push_event(event);
	return event;
}

struct sim_event *sim_thread_after(struct process *process, uint64_t delay_us, void (*run)(void *context),
				   void *context)
{
	struct sim_event *event = sim_after(process, delay_us, run, context);
	event->is_of_thread = true;
	return event;
}

void sim_cancel(struct sim_event **event)
{
	if (*event)
		(*event)->is_cancelled = true;
	*event = NULL;
}

/* What a loop that waits for its thread has to do stays to be done. */
static bool is_postponed(struct sim_event *event)
{
	if (!event->process->is_joining || event->is_of_thread || event->is_cancelled || event->process->is_dead)
		return false;
	event->at_us = sim_now_us + JOIN_LOOK_US;
	push_event(event);
	return true;
}

bool sim_step(void)
{
	while (heap_count) {
		struct sim_event *event = pop_event();
		bool runs = !event->is_cancelled && !event->process->is_dead;
		sim_now_us = event->at_us;
		if (is_postponed(event))
			return true;
		if (runs) {
			struct process *former = sim_process;
			sim_enter(event->process);
			event->run(event->context);
			sim_enter(former);
			sim_look_at_watches();
		}
		free(event);
		if (runs)
			return true;
	}
	return false;
}

/* ---- clocks */

/* A process sets TZ at its start; the next one that runs finds its own. */
void sim_enter(struct process *process)
{
	static char held[64];
	if (process == sim_process)
		return;
	const char *zone = getenv("TZ");
	if (zone && strcmp(zone, held) != 0) {
		snprintf(held, sizeof(held), "%s", zone);
		snprintf(sim_process->zone, sizeof(sim_process->zone), "%s", zone);
	}
	sim_process = process;
	if (process->zone[0] == '\0' || strcmp(process->zone, held) == 0)
		return;
	snprintf(held, sizeof(held), "%s", process->zone);
	setenv("TZ", held, 1);
	tzset();
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
	uint64_t us = sim_now_us;
	if (clock == CLOCK_REALTIME)
		us += SIM_EPOCH_US + (uint64_t)(sim_process->shift_us ? *sim_process->shift_us : 0);
	else
		us += 1000 * (uint64_t)SECOND_US; /* it has been up for a while */
	*out = (struct timespec){ (time_t)(us / SECOND_US), (long)(us % SECOND_US) * 1000 };
	return 0;
}

time_t __wrap_time(time_t *out);
time_t __wrap_time(time_t *out)
{
	struct timespec now;
	__wrap_clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

/* ---- what is random elsewhere */

ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags)
{
	(void)flags;
	for (size_t i = 0; i < size; i++)
		((unsigned char *)bytes)[i] = (unsigned char)roll();
	return (ssize_t)size;
}

int __wrap_RAND_bytes(unsigned char *bytes, int size);
int __wrap_RAND_bytes(unsigned char *bytes, int size)
{
	__wrap_getrandom(bytes, (size_t)size, 0);
	return 1;
}

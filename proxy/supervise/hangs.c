/* Looks at signs of life. Owns its timer. Its verdict on a process is kept in the process's post. */
#include "supervise/hangs.h"

#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "supervise/notify.h"

/* Between two looks. */
#define LOOK_MS 500
/* Of an admin's silence: mail doesn't wait for it, but administrators do. */
#define ADMIN_KILL_MS 6000
/* Past a call's limit: name servers have given up long before. */
#define THREAD_KILL_MS 60000
/* How often systemd hears from us within its limit. */
#define WATCHDOG_PARTS 3

struct hangs {
	struct supervisor *supervisor;
	struct timer *timer;
	struct life_watch own;         /* the supervisor's */
	bool is_own_lost;              /* it was logged that its threads hang */
	unsigned hung[ROLE_KINDS + 1]; /* counted anew in each look; the last: Redis */
	bool stubborn;                 /* some process does not die */
	uint64_t watchdog_ms;          /* between two notices to systemd; 0: it wants none */
	uint64_t told_ms;
};

/* ---- one process */

void hangs_list_threads(const struct life_watch *life, char out_text[HANGS_TEXT_SIZE])
{
	size_t used = 0;
	out_text[0] = '\0';
	for (enum life_kind kind = 0; kind < LIFE_KIND_COUNT && used < HANGS_TEXT_SIZE; kind++) {
		const unsigned stuck = life->stuck[kind], all = life->threads[kind];
		const char *comma = used ? ", " : "";
		int added = 0;
		if (stuck && all == 1)
			added = snprintf(out_text + used, HANGS_TEXT_SIZE - used, "%s%s", comma, life_kind_text(kind));
		else if (stuck)
			added = snprintf(out_text + used, HANGS_TEXT_SIZE - used, "%s%s %u of %u", comma,
					 life_kind_text(kind), stuck, all);
		used += added > 0 ? (size_t)added : 0;
	}
}

/* Its loop should turn. A process that has ended its loop finishes within the limit of its drain. */
static bool owes_signs(const struct post *post)
{
	return post->state != POST_STARTING && !(post->state == POST_DRAINING && post->life.ending);
}

static uint64_t kill_limit_ms(const struct post *post)
{
	if (post->state == POST_STARTING)
		return HANG_START_KILL_MS;
	return post->kind == ROLE_ADMIN ? ADMIN_KILL_MS : HANG_KILL_MS;
}

static bool is_hung(const struct post *post)
{
	return (owes_signs(post) && post->life.silent_ms >= HANG_SEEN_MS) ||
	       life_watch_lost_kind(&post->life) != LIFE_KIND_COUNT;
}

static bool is_beyond_hope(const struct post *post)
{
	bool counts = owes_signs(post) || post->state == POST_STARTING;
	return (counts && post->life.silent_ms >= kill_limit_ms(post)) || post->life.latest_ms >= THREAD_KILL_MS;
}

static void log_hang(const struct post *post, const char *what)
{
	char name[POST_NAME_SIZE], threads[HANGS_TEXT_SIZE];
	post_name(post, name);
	hangs_list_threads(&post->life, threads);
	if (threads[0])
		log_error("%s %s: threads past the limit of their calls: %s", name, what, threads);
	else
		log_error("%s %s: its event loop has not turned for %llu ms", name, what,
			  (unsigned long long)post->life.silent_ms);
}

static void take_recovery(struct post *post)
{
	char name[POST_NAME_SIZE];
	post_name(post, name);
	log_warning("%s goes on", name);
	post->hang = HANG_NONE;
}

static void judge_post(struct post *post, uint64_t now_ms)
{
	if (post->hang == HANG_KILLED)
		return;
	if (is_beyond_hope(post)) {
		log_hang(post, "hangs, and is killed");
		post->hang = HANG_KILLED;
		post->killed_ms = now_ms;
		post_kill(post);
	} else if (is_hung(post) && post->hang == HANG_NONE) {
		log_hang(post, "hangs");
		post->hang = HANG_SEEN;
	} else if (!is_hung(post) && post->hang == HANG_SEEN) {
		take_recovery(post);
	}
}

/* ---- all of them */

static void look_at_post(struct hangs *hangs, struct post *post, uint64_t now_ms)
{
	if (!post_has_process(post))
		return;
	life_watch_look(&post->life, seats_life(hangs->supervisor->seats, post->seat), now_ms);
	judge_post(post, now_ms);
	hangs->hung[post->kind] += post->hang != HANG_NONE;
	if (post->hang == HANG_KILLED && now_ms - post->killed_ms >= HANG_STUBBORN_MS)
		hangs->stubborn = true;
}

static void look_at_generation(struct hangs *hangs, struct generation *generation, uint64_t now_ms)
{
	for (size_t i = 0; generation && i < generation->post_count; i++)
		look_at_post(hangs, &generation->posts[i], now_ms);
}

static void look_at_redis(struct hangs *hangs, struct embedded_redis *redis, uint64_t now_ms)
{
	if (redis == NULL)
		return;
	embedded_redis_look(redis, now_ms);
	hangs->hung[ROLE_KINDS] = embedded_redis_is_hung(redis);
	hangs->stubborn |= embedded_redis_is_stubborn(redis, now_ms);
}

static void look_at_own(struct hangs *hangs, uint64_t now_ms)
{
	char threads[HANGS_TEXT_SIZE];
	life_watch_look(&hangs->own, stats_life(seats_own(hangs->supervisor->seats)), now_ms);
	bool is_lost = life_watch_lost_kind(&hangs->own) != LIFE_KIND_COUNT;
	hangs_list_threads(&hangs->own, threads);
	if (is_lost && !hangs->is_own_lost)
		log_error("the supervisor's threads are past the limit of their calls: %s", threads);
	else if (!is_lost && hangs->is_own_lost)
		log_warning("the supervisor's threads go on");
	hangs->is_own_lost = is_lost;
	hangs->hung[ROLE_SUPERVISOR] = is_lost;
}

const struct life_watch *hangs_own_life(const struct hangs *hangs)
{
	return &hangs->own;
}

static void show_counts(const struct hangs *hangs)
{
	struct stats *own = seats_own(hangs->supervisor->seats);
	life_beat(stats_life(own));
	for (unsigned role = 0; role <= ROLE_KINDS; role++)
		stats_set(own, COUNTER_ROLE_HUNG, role, hangs->hung[role]);
}

/* Where killing does not help, systemd may end us all and start anew. */
static void feed_watchdog(struct hangs *hangs, uint64_t now_ms)
{
	if (hangs->watchdog_ms == 0 || hangs->stubborn || now_ms - hangs->told_ms < hangs->watchdog_ms)
		return;
	hangs->told_ms = now_ms;
	notify_watchdog();
}

static void look_at_all(void *context)
{
	struct hangs *hangs = context;
	struct supervisor *supervisor = hangs->supervisor;
	uint64_t now_ms = clock_monotonic_ms();
	memset(hangs->hung, 0, sizeof(hangs->hung));
	hangs->stubborn = false;
	look_at_generation(hangs, supervisor->current, now_ms);
	look_at_generation(hangs, supervisor->incoming, now_ms);
	for (struct generation *g = supervisor->outgoing; g; g = g->next)
		look_at_generation(hangs, g, now_ms);
	look_at_redis(hangs, supervisor->redis, now_ms);
	look_at_own(hangs, now_ms);
	show_counts(hangs);
	feed_watchdog(hangs, now_ms);
	timer_set(hangs->timer, LOOK_MS);
}

enum status hangs_begin(struct supervisor *supervisor, struct hangs **out_hangs)
{
	struct hangs *hangs = calloc(1, sizeof(*hangs));
	if (hangs == NULL)
		return STATUS_NO_MEMORY;
	hangs->supervisor = supervisor;
	life_watch_begin(&hangs->own, clock_monotonic_ms());
	hangs->watchdog_ms = notify_watchdog_limit_ms() / WATCHDOG_PARTS;
	enum status status = timer_make(supervisor->loop, look_at_all, hangs, &hangs->timer);
	if (status != STATUS_OK) {
		hangs_free(&hangs);
		return status;
	}
	timer_set(hangs->timer, 0);
	*out_hangs = hangs;
	return STATUS_OK;
}

void hangs_free(struct hangs **hangs)
{
	if (*hangs == NULL)
		return;
	timer_free(&(*hangs)->timer);
	free(*hangs);
	*hangs = NULL;
}

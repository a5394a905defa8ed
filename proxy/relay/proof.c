/*
 * The thread owns `work` until it has ended. It gives no signs of life: if a disk keeps it waiting, the last result
 * stands, and mail goes on.
 */
#include "relay/proof.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "audit/reader/verify.h"
#include "base/clock.h"
#include "base/thread.h"
#include "base/utf8.h"

#define STACK_SIZE (512U << 10) /* bytes */
#define PRIORITY 19             /* of nice(1) */
#define PAUSE_MS 3600000        /* between two verifications */
#define FAULT_SIZE 512          /* bytes, the NUL included */
#define NODE_SIZE 256           /* the same */

struct result {
	enum status status;
	uint64_t checked_s, records, unsigned_records, checkpoints, faults;
	char since[CLOCK_TEXT_SIZE], fault[FAULT_SIZE];
};

struct work {
	struct audit_files files;
	struct audit_statement known;
	char node[NODE_SIZE];
	struct result result;
	atomic_bool is_ending;
};

struct proof {
	struct wakeup *wakeup;
	pthread_t thread;
	bool is_running, has_result;
	uint64_t ended_ms;
	struct loop *loop;
	struct work work;
	struct result result; /* the last one */
};

/* ---- the thread */

static void note_fault(void *context, const char *file, uint64_t line, const char *what)
{
	struct result *result = &((struct work *)context)->result;
	if (result->faults++ > 0)
		return;
	snprintf(result->fault, sizeof(result->fault), "file %s, line %llu: %s", file, (unsigned long long)line, what);
	utf8_mend(result->fault); /* it may be cut within a character, and JSON takes no half of one */
}

static void leave_note(void *context, const char *file, uint64_t line, const char *what)
{
	(void)context;
	(void)file;
	(void)line;
	(void)what;
}

static void count_node(void *context, const struct verify_node *node)
{
	struct result *result = &((struct work *)context)->result;
	result->records += node->records;
	result->unsigned_records += node->unsigned_records;
	result->checkpoints += node->last.number > 0;
}

static bool has_to_end(void *context)
{
	return atomic_load(&((struct work *)context)->is_ending);
}

static enum status verify_work(struct work *work)
{
	const struct verify_options options = {
		.known = &work->known,
		.known_node = work->node,
		.on_fault = note_fault,
		.on_note = leave_note,
		.on_node = count_node,
		.has_to_end = has_to_end,
		.context = work,
	};
	work->files.has_to_end = has_to_end;
	work->files.context = work;
	TRY(audit_files_sort(&work->files));
	for (size_t i = 0; i < work->files.count; i++) /* from now on numbered by their age */
		snprintf(work->files.list[i].name, sizeof("18446744073709551615"), "%zu", i + 1);
	snprintf(work->result.since, sizeof(work->result.since), "%s", work->files.list[0].first);
	return verify_files(&work->files, &options);
}

static void *run_work(void *context)
{
	struct proof *proof = context;
	/* Of this thread alone, as Linux has it. */
	(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), PRIORITY);
	proof->work.result.status = verify_work(&proof->work);
	if (proof->work.result.faults) { /* or half of a line was read while it was written */
		proof->work.result = (struct result){ 0 };
		proof->work.result.status = verify_work(&proof->work);
	}
	wakeup_send(proof->wakeup);
	return NULL;
}

/* ---- the loop */

static void end_thread(struct proof *proof)
{
	if (proof->is_running)
		pthread_join(proof->thread, NULL);
	proof->is_running = false;
	audit_files_close(&proof->work.files);
}

static void on_woken(void *context)
{
	struct proof *proof = context;
	if (!proof->is_running)
		return;
	end_thread(proof);
	proof->result = proof->work.result;
	proof->result.checked_s = clock_wall_us() / 1000000;
	proof->has_result = true;
	proof->ended_ms = loop_now_ms(proof->loop);
}

static enum status copy_files(struct work *work, const struct proof_options *options)
{
	work->files.list = calloc(options->count, sizeof(work->files.list[0]));
	if (work->files.list == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < options->count; i++) {
		struct audit_file_entry *entry = &work->files.list[i];
		entry->fd = fcntl(options->fds[i], F_DUPFD_CLOEXEC, 0);
		work->files.count++;
		entry->name = calloc(1, sizeof("18446744073709551615"));
		if (entry->fd < 0 || entry->name == NULL)
			return entry->fd < 0 ? STATUS_SYSTEM : STATUS_NO_MEMORY;
	}
	return STATUS_OK;
}

void proof_refresh(struct proof *proof, const struct proof_options *options)
{
	bool is_fresh = proof->has_result && loop_now_ms(proof->loop) - proof->ended_ms < PAUSE_MS;
	if (proof->is_running || is_fresh || options->count == 0)
		return;
	memset(&proof->work, 0, sizeof(proof->work));
	proof->work.known = *options->known;
	snprintf(proof->work.node, sizeof(proof->work.node), "%s", options->node);
	enum status status = copy_files(&proof->work, options);
	if (status == STATUS_OK)
		status = thread_start("proof", STACK_SIZE, run_work, proof, &proof->thread);
	proof->is_running = status == STATUS_OK;
	if (!proof->is_running)
		audit_files_close(&proof->work.files);
}

static const char *state_of(const struct proof *proof)
{
	if (!proof->has_result)
		return "never";
	if (proof->result.faults)
		return "broken";
	if (proof->result.status != STATUS_OK)
		return "unreadable";
	return proof->result.checkpoints ? "verified" : "unproven";
}

json_t *proof_describe(const struct proof *proof)
{
	const struct result *result = &proof->result;
	json_t *answer = json_pack("{s:b, s:s, s:b}", "ok", 1, "state", state_of(proof), "running", proof->is_running);
	if (answer == NULL || !proof->has_result)
		return answer;
	json_t *more = json_pack("{s:I, s:s, s:I, s:I, s:I, s:s}", "checked", (json_int_t)result->checked_s, "since",
				 result->since, "records", (json_int_t)result->records, "unsigned",
				 (json_int_t)result->unsigned_records, "faults", (json_int_t)result->faults, "fault",
				 result->fault);
	int failed = more ? json_object_update(answer, more) : -1;
	json_decref(more);
	if (failed == 0)
		return answer;
	json_decref(answer);
	return NULL;
}

/* ---- life */

enum status proof_create(struct loop *loop, struct proof **out_proof)
{
	struct proof *proof = calloc(1, sizeof(*proof));
	if (proof == NULL)
		return STATUS_NO_MEMORY;
	proof->loop = loop;
	enum status status = wakeup_create(loop, on_woken, proof, &proof->wakeup);
	if (status == STATUS_OK)
		*out_proof = proof;
	else
		proof_free(&proof);
	return status;
}

void proof_free(struct proof **proof)
{
	struct proof *ending = *proof;
	if (ending == NULL)
		return;
	*proof = NULL;
	atomic_store(&ending->work.is_ending, true);
	end_thread(ending);
	wakeup_free(&ending->wakeup);
	free(ending);
}

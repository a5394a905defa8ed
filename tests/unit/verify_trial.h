/* Audit files that a chain wrote, and what the verifier tells of them. */
#ifndef TESTS_VERIFY_TRIAL_H
#define TESTS_VERIFY_TRIAL_H

#include "audit/reader/verify.h"
#include "audit_fixture.h"

#define FILES_MAXIMUM 4

/* A node: its chain, and the keys that its processes share. */
struct node {
	const char *name;
	struct audit_keys *keys;
	struct audit_chain chain;
};

/* What was told: the first fault and note, and how many. */
struct told {
	unsigned faults, notes, nodes;
	uint64_t line;
	char file[32], fault[256], note[256];
	struct verify_node last;
};

struct trial {
	char folder[64];
	struct node one, other;
	struct buf text[FILES_MAXIMUM];
	const char *names[FILES_MAXIMUM];
	size_t count;
	struct told told;
};

static inline void start_process(struct trial *trial, struct node *node, const char *name)
{
	char path[96];
	bool renewed;
	snprintf(path, sizeof(path), "%s/keys-%s", trial->folder, name);
	audit_keys_free(&node->keys);
	audit_chain_drop(&node->chain);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(audit_keys_open(fd, &node->keys, &renewed), STATUS_OK);
	assert_int_equal(audit_chain_begin(&node->chain, name, node->keys), STATUS_OK);
	node->name = name;
}

/* Writes so far into the file; another one follows. */
static inline struct buf *begin_next(struct trial *trial, const char *name)
{
	assert_true(trial->count < FILES_MAXIMUM);
	trial->names[trial->count] = name;
	return &trial->text[trial->count++];
}

static inline void put_record(struct node *node, const char *message, struct buf *out)
{
	struct buf record BUF_AUTO;
	struct audit_event event = message_event(AUDIT_MESSAGE_REFUSED, message, 0);
	buf_init(&record, AUDIT_RECORD_MAXIMUM);
	assert_int_equal(audit_record_write(&record, &event, node->name), STATUS_OK);
	assert_int_equal(audit_chain_link(&node->chain, buf_span(&record), out), STATUS_OK);
}

static inline void put_checkpoint(struct node *node, struct buf *out)
{
	assert_int_equal(audit_chain_prepare(&node->chain, out), STATUS_OK);
	assert_int_equal(audit_chain_checkpoint(&node->chain, out), STATUS_OK);
	audit_chain_release(&node->chain);
}

static inline void put_file_end(struct node *node, struct buf *out)
{
	assert_int_equal(audit_chain_prepare(&node->chain, out), STATUS_OK);
	assert_int_equal(audit_chain_end_file(&node->chain, "a", out), STATUS_OK);
	audit_chain_release(&node->chain);
}

static inline void put_peer(struct node *node, const struct node *peer, struct buf *out)
{
	struct buf record BUF_AUTO;
	const struct audit_chain_facts facts = { .statement = &peer->chain.statement, .peer = span_of(peer->name) };
	const struct audit_event event = { .type = AUDIT_PEER, .chain = &facts };
	buf_init(&record, AUDIT_RECORD_MAXIMUM);
	assert_int_equal(audit_record_write(&record, &event, node->name), STATUS_OK);
	assert_int_equal(audit_chain_link(&node->chain, buf_span(&record), out), STATUS_OK);
}

/* ---- what is told */

static inline void on_fault(void *context, const char *file, uint64_t line, const char *what)
{
	struct told *told = context;
	if (told->faults++)
		return;
	const char *slash = strrchr(file, '/');
	snprintf(told->file, sizeof(told->file), "%s", slash ? slash + 1 : file);
	snprintf(told->fault, sizeof(told->fault), "%s", what);
	told->line = line;
}

static inline void on_note(void *context, const char *file, uint64_t line, const char *what)
{
	struct told *told = context;
	(void)file, (void)line;
	if (told->notes++ == 0)
		snprintf(told->note, sizeof(told->note), "%s", what);
}

static inline void on_node(void *context, const struct verify_node *node)
{
	struct told *told = context;
	told->nodes++;
	told->last = *node;
}

static inline void add_file(const struct trial *trial, size_t index, struct audit_files *files)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", trial->folder, trial->names[index]);
	FILE *file = fopen(path, "w");
	size_t size = buf_size(&trial->text[index]);
	assert_true(size == 0 || fwrite(buf_span(&trial->text[index]).data, size, 1, file) == 1);
	fclose(file);
	assert_int_equal(index ? audit_files_add(files, path) : audit_files_open(path, false, files), STATUS_OK);
}

static inline const struct told *verify_trial_with(struct trial *trial, struct verify_options options)
{
	struct audit_files files;
	trial->told = (struct told){ 0 };
	for (size_t i = 0; i < trial->count; i++)
		add_file(trial, i, &files);
	options.on_fault = on_fault;
	options.on_note = on_note;
	options.on_node = on_node;
	options.context = &trial->told;
	assert_int_equal(verify_files(&files, &options), STATUS_OK);
	audit_files_close(&files);
	return &trial->told;
}

static inline const struct told *verify_trial(struct trial *trial)
{
	return verify_trial_with(trial, (struct verify_options){ 0 });
}

static inline void assert_fault(const struct told *told, const char *file, uint64_t line, const char *words)
{
	if (told->faults == 0 || strstr(told->fault, words) == NULL || strcmp(told->file, file) != 0 ||
	    told->line != line)
		fail_msg("%u faults, the first at %s:%lu: %s; expected %s:%lu: %s", told->faults, told->file,
			 (unsigned long)told->line, told->fault, file, (unsigned long)line, words);
}

static inline void assert_well(const struct told *told)
{
	if (told->faults)
		fail_msg("%s:%lu: %s", told->file, (unsigned long)told->line, told->fault);
}

static inline int begin_trial(void **state)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	snprintf(trial->folder, sizeof(trial->folder), "/tmp/subgate-verify-XXXXXX");
	assert_non_null(mkdtemp(trial->folder));
	for (size_t i = 0; i < FILES_MAXIMUM; i++)
		buf_init(&trial->text[i], 16U << 20);
	start_process(trial, &trial->one, "one");
	start_process(trial, &trial->other, "other");
	*state = trial;
	return 0;
}

static inline void remove_file(const struct trial *trial, const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", trial->folder, name);
	unlink(path);
}

static inline int end_trial(void **state)
{
	struct trial *trial = *state;
	audit_keys_free(&trial->one.keys);
	audit_keys_free(&trial->other.keys);
	audit_chain_drop(&trial->one.chain);
	audit_chain_drop(&trial->other.chain);
	for (size_t i = 0; i < FILES_MAXIMUM; i++) {
		buf_free(&trial->text[i]);
		if (trial->names[i])
			remove_file(trial, trial->names[i]);
	}
	remove_file(trial, "keys-one");
	remove_file(trial, "keys-other");
	rmdir(trial->folder);
	free(trial);
	return 0;
}

/* Drops the last `count` lines of the text. */
static inline void cut_lines(struct buf *text, unsigned count)
{
	struct span kept = buf_span(text);
	while (count--) {
		const char *lf = memrchr(kept.data, '\n', kept.size - 1);
		kept.size = lf ? (size_t)(lf - kept.data) + 1 : 0;
	}
	char *copy = span_to_string(kept);
	buf_clear(text);
	assert_int_equal(buf_append_text(text, copy), STATUS_OK);
	free(copy);
}

#define WITH_TRIAL(test) cmocka_unit_test_setup_teardown(test, begin_trial, end_trial)

#endif

/*
 * What the marker keeps in the state folder, as text: the id; then "2", the version; then "NODE TIME", a line each. A
 * file of the former version holds the id alone, and an older program reads the id of this one.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "quota/marker_private.h"
#include "redis/script.h"

#define A_DAY_S (26U * 3600U)    /* and what an hour of summer time and some more may add */
#define NOTED_ANEW_S 3600U       /* how old the file's time of a node may get */
#define FILE_MAXIMUM (64U << 10) /* bytes */
#define VERSION "2"

bool marker_is_id(struct span text)
{
	if (text.size != MARKER_ID_SIZE - 1)
		return false;
	for (size_t i = 0; i < text.size; i++)
		if (strchr("0123456789abcdef", text.data[i]) == NULL || text.data[i] == '\0')
			return false;
	return true;
}

static struct marker_node *find_node(struct marker_state *state, struct span name)
{
	for (size_t i = 0; i < state->node_count; i++)
		if (span_equal(span_of(state->nodes[i].name), name))
			return &state->nodes[i];
	return NULL;
}

/* The one that was longest not seen gives way. */
static struct marker_node *add_node(struct marker_state *state, struct span name)
{
	struct marker_node *node = &state->nodes[0];
	if (state->node_count < MARKER_NODES)
		node = &state->nodes[state->node_count++];
	else
		for (size_t i = 1; i < MARKER_NODES; i++)
			if (state->nodes[i].seen_s < node->seen_s)
				node = &state->nodes[i];
	snprintf(node->name, sizeof(node->name), "%.*s", SPAN_ARGS(name));
	node->seen_s = 0;
	return node;
}

/* Anything that stands on a line of the file, between blanks. */
static bool is_name(struct span name)
{
	for (size_t i = 0; i < name.size; i++)
		if ((unsigned char)name.data[i] <= ' ')
			return false;
	return name.size > 0 && name.size < MARKER_NODE_SIZE;
}

/* True: the file should say so. */
static bool note_node(struct marker_state *state, struct span name, uint64_t seen_s)
{
	if (!is_name(name))
		return false;
	struct marker_node *node = find_node(state, name);
	if (node == NULL)
		node = add_node(state, name);
	bool is_due = seen_s > node->seen_s + NOTED_ANEW_S;
	if (is_due)
		node->seen_s = seen_s;
	return is_due;
}

/* Times only grow by NOTED_ANEW_S at once, so that the file is seldom written. */
bool marker_state_take_nodes(struct marker_state *state, struct span text)
{
	struct span name, time;
	bool is_due = false;
	uint64_t seen_s;
	while (span_cut(&text, ' ', &name) && span_cut(&text, ' ', &time))
		if (span_to_u64(time, &seen_s) == STATUS_OK)
			is_due |= note_node(state, name, seen_s);
	return is_due;
}

void marker_state_list_nodes(const struct marker_state *state, uint64_t now_s, struct buf *out)
{
	for (size_t i = 0; i < state->node_count; i++) {
		const struct marker_node *node = &state->nodes[i];
		if (node->seen_s + A_DAY_S + NOTED_ANEW_S < now_s)
			continue;
		if (buf_printf(out, "%s%s", buf_size(out) ? " " : "", node->name) != STATUS_OK)
			return;
	}
}

void marker_state_forget_node(struct marker_state *state, struct span name)
{
	struct marker_node *node = find_node(state, name);
	if (node == NULL)
		return;
	*node = state->nodes[--state->node_count];
	marker_state_write(state);
}

/* ---- the file */

static void read_lines(struct marker_state *state, struct span text)
{
	struct span line, name;
	uint64_t seen_s;
	if (!span_cut(&text, '\n', &line) || !marker_is_id(line))
		return;
	memcpy(state->id, line.data, line.size);
	if (!span_cut(&text, '\n', &line) || !span_equal(line, SPAN(VERSION)))
		return;
	while (span_cut(&text, '\n', &line))
		if (span_cut(&line, ' ', &name) && span_to_u64(line, &seen_s) == STATUS_OK)
			note_node(state, name, seen_s);
}

void marker_state_read(struct marker_state *state)
{
	char text[FILE_MAXIMUM];
	ssize_t size = state->fd >= 0 ? pread(state->fd, text, sizeof(text), 0) : 0;
	if (size > 0)
		read_lines(state, (struct span){ text, (size_t)size });
}

void marker_state_write(const struct marker_state *state)
{
	struct buf text BUF_AUTO;
	buf_init(&text, FILE_MAXIMUM);
	if (state->fd < 0 || state->id[0] == '\0')
		return;
	enum status status = buf_printf(&text, "%s\n%s\n", state->id, VERSION);
	for (size_t i = 0; i < state->node_count && status == STATUS_OK; i++)
		status = buf_printf(&text, "%s %llu\n", state->nodes[i].name,
				    (unsigned long long)state->nodes[i].seen_s);
	struct span bytes = buf_span(&text);
	if (status == STATUS_OK && pwrite(state->fd, bytes.data, bytes.size, 0) == (ssize_t)bytes.size &&
	    ftruncate(state->fd, (off_t)bytes.size) == 0)
		return;
}

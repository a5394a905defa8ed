/*
 * What the marker takes from Redis and from its state file. The input is ID LF NODES, then a file: the nodes that Redis
 * tells are kept within bounds, and what is written is read as the same; any file is read, and leaves something sound.
 */
#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "quota/marker_private.h"

static void expect_sound(const struct marker_state *state)
{
	struct buf names BUF_AUTO;
	buf_init(&names, 1U << 20);
	assert(state->node_count <= MARKER_NODES);
	assert(state->id[0] == '\0' || marker_is_id(span_of(state->id)));
	for (size_t i = 0; i < state->node_count; i++) {
		size_t size = strlen(state->nodes[i].name);
		assert(size > 0 && size < MARKER_NODE_SIZE && strchr(state->nodes[i].name, ' ') == NULL);
	}
	marker_state_list_nodes(state, 0, &names);
}

static struct marker_state *read_file(int fd)
{
	static struct marker_state states[2];
	static int turn;
	struct marker_state *state = &states[turn++ % 2];
	memset(state, 0, sizeof(*state));
	state->fd = fd;
	marker_state_read(state);
	expect_sound(state);
	return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size }, nodes;
	int fd = memfd_create("marker", MFD_CLOEXEC);
	assert(fd >= 0);
	if (!span_cut(&text, '\n', &nodes))
		nodes = text;
	assert(pwrite(fd, text.data, text.size, 0) == (ssize_t)text.size);
	struct marker_state *state = read_file(fd);
	marker_state_take_nodes(state, nodes);
	expect_sound(state);
	if (state->id[0]) {
		size_t count = state->node_count;
		marker_state_write(state);
		assert(read_file(fd)->node_count == count);
	}
	close(fd);
	return 0;
}

/*
 * The list of descriptors by name. Owns the names, and the descriptors only where the header says so. A list is
 * unchanged by a call that fails.
 */
#include "role/handover.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Takes over `name`. */
static enum status append_item(struct handover *list, char *name, unsigned roles, int fd)
{
	enum status status = STATUS_OK;
	struct handover_item *items = NULL;
	if (name[0] == '\0' || span_contains_byte(span_of(name), '\n'))
		status = STATUS_INVALID;
	else if (list->count >= HANDOVER_MAXIMUM)
		status = STATUS_TOO_LARGE;
	else if ((items = realloc(list->items, (list->count + 1) * sizeof(*items))) == NULL)
		status = STATUS_NO_MEMORY;
	if (status != STATUS_OK) {
		free(name);
		return status;
	}
	list->items = items;
	items[list->count++] = (struct handover_item){ name, fd, roles };
	return STATUS_OK;
}

static enum status append_format(struct handover *list, unsigned roles, int fd, const char *format, va_list args)
{
	char *name = NULL;
	if (vasprintf(&name, format, args) < 0)
		return STATUS_NO_MEMORY;
	return append_item(list, name, roles, fd);
}

enum status handover_add(struct handover *list, unsigned roles, int fd, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	enum status status = append_format(list, roles, fd, format, args);
	va_end(args);
	return status;
}

enum status handover_give(struct handover *list, unsigned roles, int fd, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	enum status status = append_format(list, roles, fd, format, args);
	va_end(args);
	if (status != STATUS_OK)
		close(fd);
	return status;
}

enum status handover_add_all(struct handover *list, const struct handover *from, enum role_kind kind)
{
	for (size_t i = 0; i < from->count; i++)
		if (from->items[i].roles & TO(kind))
			TRY(handover_add(list, TO(kind), from->items[i].fd, "%s", from->items[i].name));
	return STATUS_OK;
}

enum status handover_write(const struct handover *list, struct buf *out)
{
	for (size_t i = 0; i < list->count; i++)
		TRY(buf_printf(out, "%d %s\n", list->items[i].fd, list->items[i].name));
	return STATUS_OK;
}

static bool has_number(const struct handover *list, int fd)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].fd == fd)
			return true;
	return false;
}

static enum status read_line(struct span line, struct handover *list)
{
	struct span number;
	uint64_t fd = 0;
	if (!span_cut(&line, ' ', &number))
		return STATUS_INVALID;
	TRY(span_to_u64(number, &fd));
	if (fd <= STDERR_FILENO || fd > INT32_MAX || has_number(list, (int)fd))
		return STATUS_INVALID;
	char *name = span_to_string(line);
	return name ? append_item(list, name, 0, (int)fd) : STATUS_INVALID;
}

enum status handover_read(struct span text, struct handover *out_list)
{
	struct handover list = { 0 };
	struct span line;
	enum status status = STATUS_OK;
	while (status == STATUS_OK && text.size) {
		if (text.data[text.size - 1] != '\n' || !span_cut(&text, '\n', &line))
			status = STATUS_INVALID;
		else
			status = read_line(line, &list);
	}
	if (status == STATUS_OK)
		*out_list = list;
	else
		handover_forget(&list);
	return status;
}

static struct handover_item *find_item(const struct handover *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].fd >= 0 && span_equal(span_of(list->items[i].name), span_of(name)))
			return &list->items[i];
	return NULL;
}

bool handover_replace(struct handover *list, const char *name, int fd)
{
	struct handover_item *item = find_item(list, name);
	if (item == NULL)
		return false;
	close(item->fd);
	item->fd = fd;
	return true;
}

int handover_find(const struct handover *list, const char *name)
{
	const struct handover_item *item = find_item(list, name);
	return item ? item->fd : -1;
}

int handover_take(struct handover *list, const char *name)
{
	struct handover_item *item = find_item(list, name);
	int fd = -1;
	if (item) {
		fd = item->fd;
		item->fd = -1;
	}
	return fd;
}

void handover_forget(struct handover *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].name);
	free(list->items);
	*list = (struct handover){ 0 };
}

void handover_close(struct handover *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].fd >= 0)
			close(list->items[i].fd);
	handover_forget(list);
}

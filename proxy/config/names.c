/*
 * Names of users, groups and domains, brought to their one spelling when the configuration is loaded, so that whoever
 * compares them later compares bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/dn.h"
#include "base/domain.h"
#include "base/name.h"
#include "config/load.h"

struct names_kind {
	const char *suffix;   /* of the option's name */
	const char *expected; /* for a fault */
	enum status (*make_canonical)(struct span given, struct buf *out);
};

static enum status make_user(struct span given, struct buf *out)
{
	char name[NAME_SIZE];
	TRY(name_canonical(given, name));
	return buf_append_text(out, name);
}

/* With a dot before it, it stands for all below. */
static enum status make_domain(struct span given, struct buf *out)
{
	char domain[DOMAIN_SIZE];
	bool has_dot = span_starts_with(given, SPAN("."));
	TRY(domain_canonical(span_slice(given, has_dot, given.size), domain));
	return buf_printf(out, "%s%s", has_dot ? "." : "", domain);
}

static const struct names_kind kinds[] = {
	{ "users", "a user's name; expected one such as \"anna@example.com\"", make_user },
	{ "groups", "a group; expected one such as \"cn=staff,ou=groups,dc=example,dc=com\"", dn_canonical },
	{ "domains", "a domain; expected one such as \"example.com\", or \".example.com\" for all below it",
	  make_domain },
};

static const struct names_kind *kind_of(const struct config_option *option)
{
	for (size_t i = 0; option->kind == OPTION_LIST && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (span_ends_with_nocase(span_of(option->name), span_of(kinds[i].suffix)))
			return &kinds[i];
	}
	return NULL;
}

static enum status canonicalize_item(const struct names_kind *kind, char **item)
{
	struct buf canonical BUF_AUTO;
	buf_init(&canonical, DN_MAXIMUM);
	TRY(kind->make_canonical(span_of(*item), &canonical));
	char *text = span_to_string(buf_span(&canonical));
	if (!text)
		return STATUS_NO_MEMORY;
	free(*item);
	*item = text;
	return STATUS_OK;
}

static enum status canonicalize_section(struct load *load, const struct config_section *section, char *at)
{
	const char *title = ((struct config_head *)at)->name;
	for (const struct config_option *option = section->options(); option->name; option++) {
		const struct names_kind *kind = kind_of(option);
		struct config_list *list = (struct config_list *)(at + option->offset);
		for (size_t i = 0; kind && i < list->count; i++) {
			enum status status = canonicalize_item(kind, &list->items[i]);
			if (status == STATUS_NO_MEMORY)
				return status;
			if (status != STATUS_OK)
				load_fault(load, section->name, title, option->name, "\"%.80s\" is not %s",
					   list->items[i], kind->expected);
		}
	}
	return STATUS_OK;
}

enum status names_canonicalize(struct load *load)
{
	for (const struct config_section *section = config_sections; section->name; section++) {
		char *at = (char *)load->config + section->offset;
		const struct config_items *items = (const struct config_items *)at;
		if (!section->titled)
			TRY(canonicalize_section(load, section, at));
		for (size_t i = 0; section->titled && i < items->count; i++)
			TRY(canonicalize_section(load, section, (char *)items->items + i * section->size));
	}
	return STATUS_OK;
}

/* ---- which groups matter */

static bool section_names_group(const struct config_section *section, const char *at, struct span group)
{
	for (const struct config_option *option = section->options(); option->name; option++) {
		const struct names_kind *kind = kind_of(option);
		const struct config_list *list = (const struct config_list *)(at + option->offset);
		if (!kind || kind->make_canonical != dn_canonical)
			continue;
		for (size_t i = 0; i < list->count; i++) {
			if (span_equal(span_of(list->items[i]), group))
				return true;
		}
	}
	return false;
}

bool config_names_group(const struct config *config, struct span group)
{
	for (const struct config_section *section = config_sections; section->name; section++) {
		const char *at = (const char *)config + section->offset;
		const struct config_items *items = (const struct config_items *)at;
		for (size_t i = 0; section->titled && i < items->count; i++) {
			if (section_names_group(section, (const char *)items->items + i * section->size, group))
				return true;
		}
		if (!section->titled && section_names_group(section, at, group))
			return true;
	}
	return false;
}

/*
 * Names of users, domains and groups, as directories, clients and tokens give them: what has a canonical form is that
 * form's own, canonical names have no byte that could end one elsewhere, and no mapping makes anything else of them.
 * The input is split at its line ends; each line is read as each kind of name.
 */
#include <assert.h>
#include <string.h>

#include "base/dn.h"
#include "base/domain.h"
#include "base/name.h"
#include "config/login_map.h"

static void expect_user(struct span given)
{
	char *lines[] = { (char[]){ "corp\\* -> *@example.com" }, (char[]){ "* -> *@x" } };
	const struct config_list map = { lines, 2 };
	char name[NAME_SIZE], again[NAME_SIZE], mapped[NAME_SIZE];
	if (name_canonical(given, name) != STATUS_OK)
		return;
	struct span canonical = span_of(name);
	assert(canonical.size > 0 && span_equal(span_trim(canonical), canonical));
	for (size_t i = 0; i < canonical.size; i++)
		assert((unsigned char)name[i] >= ' ' && name[i] != 0x7f && !(name[i] >= 'A' && name[i] <= 'Z'));
	enum status status = name_canonical(canonical, again);
	assert(status == STATUS_OK && strcmp(name, again) == 0);
	if (login_map_apply(&map, canonical, mapped) != STATUS_OK)
		return;
	status = name_canonical(span_of(mapped), again);
	assert(status == STATUS_OK && strcmp(mapped, again) == 0);
}

static void expect_domain(struct span given)
{
	char domain[DOMAIN_SIZE], again[DOMAIN_SIZE];
	assert(domain_equal(given, given));
	if (domain_canonical(given, domain) != STATUS_OK)
		return;
	assert(domain_equal(given, span_of(domain)));
	for (const char *at = domain; *at; at++)
		assert(*at > ' ' && *at < 0x7f);
	enum status status = domain_canonical(span_of(domain), again);
	assert(status == STATUS_OK && strcmp(domain, again) == 0);
}

static void expect_group(struct span given)
{
	struct buf name BUF_AUTO, again BUF_AUTO;
	buf_init(&name, DN_MAXIMUM);
	buf_init(&again, DN_MAXIMUM);
	if (dn_canonical(given, &name) != STATUS_OK) {
		assert(buf_size(&name) == 0);
		return;
	}
	assert(buf_size(&name) > 0);
	enum status status = dn_canonical(buf_span(&name), &again);
	assert(status == STATUS_OK && span_equal(buf_span(&name), buf_span(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = { (const char *)data, size }, line;
	while (span_cut(&rest, '\n', &line)) {
		expect_user(line);
		expect_domain(line);
		expect_group(line);
	}
	return 0;
}

/* The parser of DNs. Values are prepared in dn_value.c. */
#include "base/dn.h"

#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/dn_value.h"

#define PARTS_MAXIMUM 16 /* of one RDN */

/* One RDN: each part as "type=value", canonical, in `text`. */
struct rdn {
	struct buf text;
	size_t starts[PARTS_MAXIMUM + 1];
	size_t count;
};

/* ---- attribute types: RFC 4514, 2.3 and RFC 4519, 2; emailAddress is of RFC 2985 */

static const struct {
	struct span given, type;
} types[] = {
	{ SPAN("2.5.4.3"), SPAN("cn") },
	{ SPAN("commonname"), SPAN("cn") },
	{ SPAN("2.5.4.7"), SPAN("l") },
	{ SPAN("localityname"), SPAN("l") },
	{ SPAN("2.5.4.8"), SPAN("st") },
	{ SPAN("stateorprovincename"), SPAN("st") },
	{ SPAN("s"), SPAN("st") },
	{ SPAN("2.5.4.10"), SPAN("o") },
	{ SPAN("organizationname"), SPAN("o") },
	{ SPAN("2.5.4.11"), SPAN("ou") },
	{ SPAN("organizationalunitname"), SPAN("ou") },
	{ SPAN("2.5.4.6"), SPAN("c") },
	{ SPAN("countryname"), SPAN("c") },
	{ SPAN("2.5.4.9"), SPAN("street") },
	{ SPAN("streetaddress"), SPAN("street") },
	{ SPAN("0.9.2342.19200300.100.1.25"), SPAN("dc") },
	{ SPAN("domaincomponent"), SPAN("dc") },
	{ SPAN("0.9.2342.19200300.100.1.1"), SPAN("uid") },
	{ SPAN("userid"), SPAN("uid") },
	{ SPAN("1.2.840.113549.1.9.1"), SPAN("emailaddress") },
	{ SPAN("e"), SPAN("emailaddress") },
	{ SPAN("email"), SPAN("emailaddress") },
};

static bool is_type_byte(char c)
{
	return ascii_is_alphanumeric(c) || c == '-' || c == '.';
}

static struct span canonical_type(struct span given)
{
	while (span_starts_with_nocase(given, SPAN("oid."))) /* RFC 2253, 3 */
		given = span_slice(given, 4, given.size);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (span_equal_nocase(given, types[i].given))
			return types[i].type;
	}
	return given;
}

static void skip_blanks(struct span *rest)
{
	while (rest->size && (rest->data[0] == ' ' || rest->data[0] == '\r' || rest->data[0] == '\n'))
		*rest = span_slice(*rest, 1, rest->size);
}

static enum status read_type(struct span *rest, struct buf *out)
{
	size_t size = 0;
	skip_blanks(rest);
	while (size < rest->size && is_type_byte(rest->data[size]))
		size++;
	struct span type = canonical_type(span_slice(*rest, 0, size));
	*rest = span_slice(*rest, size, rest->size);
	skip_blanks(rest);
	if (type.size == 0 || rest->size == 0 || rest->data[0] != '=')
		return STATUS_INVALID;
	*rest = span_slice(*rest, 1, rest->size);
	for (size_t i = 0; i < type.size; i++)
		TRY(buf_append_byte(out, ascii_lower(type.data[i])));
	return buf_append_byte(out, '=');
}

/* ---- parts and RDNs */

static enum status read_part(struct span *rest, struct rdn *rdn)
{
	struct buf value BUF_AUTO;
	buf_init(&value, DN_MAXIMUM);
	if (rdn->count == PARTS_MAXIMUM)
		return STATUS_INVALID;
	TRY(read_type(rest, &rdn->text));
	TRY(dn_value_read(rest, &value));
	TRY(dn_value_write(buf_span(&value), true, &rdn->text));
	rdn->starts[++rdn->count] = buf_size(&rdn->text);
	return STATUS_OK;
}

static struct span part_at(const struct rdn *rdn, size_t index)
{
	return span_slice(buf_span(&rdn->text), rdn->starts[index], rdn->starts[index + 1]);
}

static int compare_parts(const void *one, const void *other)
{
	const struct span *a = one, *b = other;
	int order = memcmp(a->data, b->data, a->size < b->size ? a->size : b->size);
	return order ? order : (a->size > b->size) - (a->size < b->size);
}

static enum status write_rdn(const struct rdn *rdn, struct buf *out)
{
	struct span parts[PARTS_MAXIMUM] = { 0 };
	for (size_t i = 0; i < rdn->count; i++)
		parts[i] = part_at(rdn, i);
	qsort(parts, rdn->count, sizeof(parts[0]), compare_parts);
	for (size_t i = 0; i < rdn->count; i++) {
		if (i)
			TRY(buf_append_byte(out, '+'));
		TRY(buf_append(out, parts[i]));
	}
	return STATUS_OK;
}

/* Whether one of `separators` follows, which is then taken. */
static bool take_separator(struct span *rest, const char *separators)
{
	if (rest->size == 0 || rest->data[0] == '\0' || strchr(separators, rest->data[0]) == NULL)
		return false;
	*rest = span_slice(*rest, 1, rest->size);
	return true;
}

static enum status read_rdn(struct span *rest, struct buf *out)
{
	struct rdn rdn = { .count = 0 };
	buf_init(&rdn.text, DN_MAXIMUM);
	enum status status = read_part(rest, &rdn);
	while (status == STATUS_OK && take_separator(rest, "+"))
		status = read_part(rest, &rdn);
	if (status == STATUS_OK)
		status = write_rdn(&rdn, out);
	buf_free(&rdn.text);
	return status;
}

static enum status read_dn(struct span rest, struct buf *out)
{
	TRY(read_rdn(&rest, out));
	while (take_separator(&rest, ",;")) {
		TRY(buf_append_byte(out, ','));
		TRY(read_rdn(&rest, out));
	}
	return rest.size ? STATUS_INVALID : STATUS_OK;
}

/* A name that is no DN as it stands; one may be left of it once it is prepared. */
static enum status read_plain(struct span given, struct buf *out)
{
	struct buf prepared BUF_AUTO;
	buf_init(&prepared, DN_MAXIMUM);
	TRY(dn_value_write(given, false, &prepared));
	enum status status = read_dn(buf_span(&prepared), out);
	if (status != STATUS_INVALID)
		return status;
	buf_clear(out);
	return buf_append(out, buf_span(&prepared));
}

enum status dn_canonical(struct span given, struct buf *out)
{
	struct buf text BUF_AUTO;
	buf_init(&text, DN_MAXIMUM);
	if (given.size > DN_MAXIMUM)
		return STATUS_TOO_LARGE;
	enum status status = read_dn(given, &text);
	if (status == STATUS_INVALID) {
		buf_clear(&text);
		status = read_plain(given, &text);
	}
	if (status == STATUS_OK && buf_size(&text) == 0)
		status = STATUS_INVALID;
	return status == STATUS_OK ? buf_append(out, buf_span(&text)) : status;
}

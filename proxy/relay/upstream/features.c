/* What an upstream offers, read from its reply to EHLO (RFC 5321, 4.1.1.1). Pure; nonsense counts as not offered. */
#include "relay/upstream/private.h"

#define LIMIT_DIGITS 6 /* RFC 9422, 4: at most */

static void read_mechanisms(struct span list, struct upstream_features *features)
{
	struct span name;
	while (span_cut(&list, ' ', &name)) {
		features->auth_plain |= span_equal_nocase(name, SPAN("PLAIN"));
		features->auth_login |= span_equal_nocase(name, SPAN("LOGIN"));
		features->auth_xoauth2 |= span_equal_nocase(name, SPAN("XOAUTH2"));
		features->auth_oauthbearer |= span_equal_nocase(name, SPAN("OAUTHBEARER"));
	}
}

/* 0, nothing or nonsense means no limit. */
static void read_size(struct span value, struct upstream_features *features)
{
	uint64_t size;
	features->size = true;
	features->size_limit = span_to_u64(span_trim(value), &size) == STATUS_OK ? size : 0;
}

/* "RCPTMAX=100 MAILMAX=50": unknown names are ignored. */
static void read_limits(struct span list, struct upstream_features *features)
{
	const struct {
		struct span name;
		uint64_t *limit;
	} known[] = { { SPAN("RCPTMAX"), &features->rcpt_limit }, { SPAN("MAILMAX"), &features->mail_limit } };
	struct span item, name;
	uint64_t number;
	while (span_cut(&list, ' ', &item)) {
		if (!span_contains_byte(item, '=') || !span_cut(&item, '=', &name))
			continue;
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			if (span_equal_nocase(name, known[i].name) && item.size <= LIMIT_DIGITS &&
			    span_to_u64(item, &number) == STATUS_OK)
				*known[i].limit = number;
		}
	}
}

/* One line: keyword and parameters. */
static void read_line(struct span line, struct upstream_features *features)
{
	struct span rest = line, keyword;
	if (span_starts_with_nocase(line, SPAN("AUTH="))) {
		/* old servers say this too, or instead */
		read_mechanisms(span_slice(line, 5, line.size), features);
		return;
	}
	if (!span_cut(&rest, ' ', &keyword))
		return;
	if (span_equal_nocase(keyword, SPAN("AUTH")))
		read_mechanisms(rest, features);
	else if (span_equal_nocase(keyword, SPAN("SIZE")))
		read_size(rest, features);
	else if (span_equal_nocase(keyword, SPAN("LIMITS")))
		read_limits(rest, features);
	features->pipelining |= span_equal_nocase(keyword, SPAN("PIPELINING"));
	features->eight_bit |= span_equal_nocase(keyword, SPAN("8BITMIME"));
	features->dsn |= span_equal_nocase(keyword, SPAN("DSN"));
	features->smtputf8 |= span_equal_nocase(keyword, SPAN("SMTPUTF8"));
	features->chunking |= span_equal_nocase(keyword, SPAN("CHUNKING"));
	features->starttls |= span_equal_nocase(keyword, SPAN("STARTTLS"));
}

void upstream_features_read(struct span text, struct upstream_features *out_features)
{
	struct upstream_features features = { 0 };
	struct span line;
	(void)span_cut(&text, '\n', &line); /* its name and greeting */
	while (span_cut(&text, '\n', &line))
		read_line(span_trim(line), &features);
	*out_features = features;
}

/*
 * The slabs in Prometheus' text format 0.0.4. There is a series for each value that a label can have, so that it exists
 * before it first counts.
 */
#include <inttypes.h>
#include <string.h>

#include "base/span.h"
#include "stats/slab.h"

#define LABELS_TEXT_SIZE 512 /* bytes, the NUL included: two labels, each byte of the names escaped */

struct exporter {
	const struct stats *first;
	unsigned seats;
	const struct config *config;
	FILE *out;
};

/* One of a counter's labels: fixed values, or the names of sections. */
struct label {
	struct span key;
	struct span values;          /* fixed: "a|b|c" */
	const struct config *config; /* sections of it, if there are no fixed values */
	unsigned count;
	unsigned kept; /* of count: this many have a number of their own */
};

/* ---- labels */

static unsigned count_sections(const struct config *config, struct span kind)
{
	if (span_equal(kind, SPAN("listener")))
		return (unsigned)config->listener.count;
	if (span_equal(kind, SPAN("relay")))
		return (unsigned)config->relay.count;
	if (span_equal(kind, SPAN("ldap")))
		return (unsigned)config->ldap.count;
	if (span_equal(kind, SPAN("oauth")))
		return (unsigned)config->oauth.count;
	if (span_equal(kind, SPAN("certificate")))
		return (unsigned)config->certificate.count + 1;
	return 0;
}

static const char *section_name(const struct config *config, struct span kind, unsigned index)
{
	if (span_equal(kind, SPAN("listener")))
		return config->listener.items[index].name;
	if (span_equal(kind, SPAN("relay")))
		return config->relay.items[index].name;
	if (span_equal(kind, SPAN("oauth")))
		return config->oauth.items[index].name;
	if (span_equal(kind, SPAN("certificate")))
		return index == 0 ? "tls" : config->certificate.items[index - 1].name;
	return config->ldap.items[index].name;
}

static unsigned count_values(struct span values)
{
	struct span value;
	unsigned count = 0;
	while (span_cut(&values, '|', &value))
		count++;
	return count;
}

static struct label read_label(const struct exporter *e, struct span text, unsigned room)
{
	size_t equals = span_find_byte(text, '=');
	struct label label = { .key = span_slice(text, 0, equals), .config = e->config };
	if (equals < text.size) {
		label.values = span_slice(text, equals + 1, text.size);
		label.count = count_values(label.values);
	} else {
		label.count = count_sections(e->config, label.key);
	}
	label.kept = label.count < room ? label.count : room;
	return label;
}

static struct span label_value(const struct label *label, unsigned index)
{
	struct span rest = label->values;
	struct span value = { 0 };
	if (label->count > label->kept && index == label->kept - 1)
		return SPAN("other");
	if (span_is_empty(rest))
		return span_of(section_name(label->config, label->key, index));
	for (unsigned i = 0; i <= index; i++) {
		if (!span_cut(&rest, '|', &value))
			break;
	}
	return value;
}

/* The name that is exported: to the world, an ldap section is a server. */
static struct span label_key(const struct label *label)
{
	return span_equal(label->key, SPAN("ldap")) ? SPAN("server") : label->key;
}

/* Appends `key="value"`, escaped; what does not fit is left out. */
static void append_label(char text[LABELS_TEXT_SIZE], const struct label *label, unsigned index)
{
	size_t used = strlen(text);
	struct span key = label_key(label);
	struct span value = label_value(label, index);
	used += (size_t)snprintf(text + used, LABELS_TEXT_SIZE - used, "%s%.*s=\"", used ? "," : "", SPAN_ARGS(key));
	for (size_t i = 0; i < value.size && used + 4 < LABELS_TEXT_SIZE; i++) {
		char c = value.data[i];
		if (c == '\\' || c == '"' || c == '\n')
			text[used++] = '\\';
		text[used++] = c == '\n' ? 'n' : c;
	}
	text[used++] = '"';
	text[used] = '\0';
}

/* ---- series */

static void write_name(const struct exporter *e, const char *name, const char *suffix, const char *labels)
{
	fprintf(e->out, *labels ? "%s%s{%s} " : "%s%s ", name, suffix, labels);
}

/* What only the supervisor knows is in its slab, the first; what others write of that in theirs doesn't count. */
static unsigned count_witnesses(const struct exporter *e, enum stats_counter counter)
{
	bool is_its_own = counter == COUNTER_ROLE_RESTARTS || counter == COUNTER_ROLE_HUNG ||
			  counter == COUNTER_AUDIT_FILES_LEFT || counter == COUNTER_CERTIFICATE_EXPIRY;
	return is_its_own ? 1 : e->seats;
}

static void write_value(const struct exporter *e, enum stats_counter counter, unsigned number, const char *labels)
{
	uint64_t value = stats_sum(e->first, count_witnesses(e, counter), counter, number);
	/* A gauge is read while others write it: between a minus here and a plus there, the sum may be below zero. */
	if (stats_rows[counter].kind == STATS_KIND_GAUGE && (int64_t)value < 0)
		value = 0;
	write_name(e, stats_rows[counter].name, "", labels);
	fprintf(e->out, "%" PRIu64 "\n", value);
}

static const struct stats_buckets *buckets_at(const struct exporter *e, unsigned seat, enum stats_counter counter,
					      unsigned number)
{
	return &stats_at(e->first, seat)->buckets[stats_histogram_of(counter)][number];
}

static uint64_t sum_bucket(const struct exporter *e, enum stats_counter counter, unsigned number, unsigned bucket)
{
	uint64_t sum = 0;
	for (unsigned seat = 0; seat < e->seats; seat++)
		if (stats_has_word(e->first, seat, counter, number))
			sum += atomic_load_explicit(&buckets_at(e, seat, counter, number)->counts[bucket],
						    memory_order_relaxed);
	return sum;
}

static uint64_t sum_us(const struct exporter *e, enum stats_counter counter, unsigned number)
{
	uint64_t sum = 0;
	for (unsigned seat = 0; seat < e->seats; seat++)
		if (stats_has_word(e->first, seat, counter, number))
			sum += atomic_load_explicit(&buckets_at(e, seat, counter, number)->sum_us,
						    memory_order_relaxed);
	return sum;
}

static void write_histogram(const struct exporter *e, enum stats_counter counter, unsigned number, const char *labels)
{
	const char *name = stats_rows[counter].name;
	const char *link = *labels ? "," : "";
	uint64_t below = 0;
	for (unsigned i = 0; i < STATS_BUCKETS; i++) {
		below += sum_bucket(e, counter, number, i);
		if (i < STATS_BUCKETS - 1)
			fprintf(e->out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, labels, link,
				(double)stats_bounds_ms[i] / 1000, below);
		else
			fprintf(e->out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, link, below);
	}
	write_name(e, name, "_sum", labels);
	fprintf(e->out, "%.6f\n", (double)sum_us(e, counter, number) / 1e6);
	write_name(e, name, "_count", labels);
	fprintf(e->out, "%" PRIu64 "\n", below);
}

static void write_longest(const struct exporter *e, enum stats_counter counter, unsigned number, const char *labels)
{
	write_name(e, stats_rows[counter].name, "", labels);
	fprintf(e->out, "%.6f\n", (double)stats_longest_us(e->first, e->seats, counter, number) / 1e6);
}

static void write_series(const struct exporter *e, enum stats_counter counter, unsigned number, const char *labels)
{
	if (stats_rows[counter].kind == STATS_KIND_HISTOGRAM)
		write_histogram(e, counter, number, labels);
	else if (stats_rows[counter].kind == STATS_KIND_LONGEST)
		write_longest(e, counter, number, labels);
	else
		write_value(e, counter, number, labels);
}

static void write_pairs(const struct exporter *e, enum stats_counter counter, struct span first_text,
			struct span second_text)
{
	struct label first = read_label(e, first_text, STATS_LABELS / STATS_SECOND_LABELS);
	struct label second = read_label(e, second_text, STATS_SECOND_LABELS);
	for (unsigned i = 0; i < first.kept; i++) {
		for (unsigned j = 0; j < second.kept; j++) {
			char labels[LABELS_TEXT_SIZE] = "";
			append_label(labels, &first, i);
			append_label(labels, &second, j);
			write_series(e, counter, i * STATS_SECOND_LABELS + j, labels);
		}
	}
}

static void write_singles(const struct exporter *e, enum stats_counter counter, struct span text)
{
	struct label label = read_label(e, text, STATS_LABELS);
	for (unsigned i = 0; i < label.kept; i++) {
		char labels[LABELS_TEXT_SIZE] = "";
		append_label(labels, &label, i);
		write_series(e, counter, i, labels);
	}
}

static void write_counter(const struct exporter *e, enum stats_counter counter)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram", "gauge" };
	const struct stats_row *row = &stats_rows[counter];
	struct span labels = span_of(row->labels);
	size_t comma = span_find_byte(labels, ',');
	fprintf(e->out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, kinds[row->kind]);
	if (span_is_empty(labels))
		write_series(e, counter, 0, "");
	else if (comma < labels.size)
		write_pairs(e, counter, span_slice(labels, 0, comma), span_slice(labels, comma + 1, labels.size));
	else
		write_singles(e, counter, labels);
}

void stats_write(const struct stats *first, unsigned seats, const struct config *config, FILE *out)
{
	struct exporter exporter = { first, seats, config, out };
	for (unsigned counter = 0; counter < COUNTER_COUNT; counter++)
		write_counter(&exporter, counter);
}

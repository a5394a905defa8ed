/* Whether those who are to hear of what needs attention can be reached. Adds faults, changes nothing. */
#include "config/load.h"
#include "config/values.h"

#define THRESHOLDS 10U /* of warn_at */

static bool is_given(const char *text)
{
	return *text != '\0';
}

static void check_thresholds(struct load *load)
{
	const struct config_list *list = &load->config->quota_day.warn_at;
	uint64_t percent;
	if (list->count > THRESHOLDS)
		load_fault(load, "quota_day", "", "warn_at", "more than %u of them", THRESHOLDS);
	for (size_t i = 0; i < list->count; i++)
		if (span_to_u64(span_of(list->items[i]), &percent) != STATUS_OK || percent < 1 || percent > 100)
			load_fault(load, "quota_day", "", "warn_at",
				   "\"%.80s\" is no percentage; expected numbers from 1 to 100", list->items[i]);
}

/* "http://localhost:8080/path" */
static bool is_local_url(struct span url)
{
	struct span rest = url, place;
	if (!span_starts_with(url, SPAN("http://")))
		return false;
	rest = span_slice(rest, sizeof("http://") - 1, rest.size);
	if (!span_cut(&rest, '/', &place) || !span_is_printable(rest) || span_contains_byte(rest, ' '))
		return false;
	struct span host = span_slice(place, 0, span_find_byte(place, ':'));
	return value_is_loopback_endpoint(place) || value_is_loopback_host(place) ||
	       (span_equal_nocase(host, SPAN("localhost")) && host.size < place.size);
}

static void check_client_settings(struct load *load)
{
	const struct config_client_settings *settings = &load->config->client_settings;
	struct span host;
	uint16_t port;
	if (is_given(settings->host) && !value_is_host(span_of(settings->host)))
		load_fault(load, "client_settings", "", "host", "\"%.80s\" is no host; expected a name",
			   settings->host);
	if (is_given(settings->imap) && config_read_place(span_of(settings->imap), &host, &port) != STATUS_OK)
		load_fault(load, "client_settings", "", "imap",
			   "\"%.80s\"; expected HOST:PORT, such as imap.example.com:993", settings->imap);
}

static void check_webhook(struct load *load)
{
	const struct config_notify *notify = &load->config->notify;
	struct span url = span_of(notify->url);
	if (is_given(notify->url) && !value_is_https_url(url) && !is_local_url(url))
		load_fault(load, "notify", "", "url",
			   "\"%.80s\" is no such address; expected one such as \"https://example.com/hook\", or "
			   "http:// to this machine",
			   notify->url);
	if (is_given(notify->url) && !is_given(notify->secret_file))
		load_fault(load, "notify", "", "secret_file",
			   "none, so that nobody could trust a call; expected a file");
	if (!is_given(notify->url) && (is_given(notify->secret_file) || is_given(notify->ca_file)))
		load_fault(load, "notify", "", "url", "none; expected an address to call");
}

void rules_check_notify(struct load *load)
{
	const struct config_notify *notify = &load->config->notify;
	check_thresholds(load);
	check_client_settings(load);
	check_webhook(load);
	rules_check_address(load, "notify", "", "from", notify->from);
	for (size_t i = 0; i < notify->administrators.count; i++) {
		const char *address = notify->administrators.items[i];
		rules_check_address(load, "notify", "", "administrators", is_given(address) ? address : "\"\"");
	}
	if (notify->administrators.count && !is_given(notify->from))
		load_fault(load, "notify", "", "from",
			   "none, so that administrators get no mail; expected an address such as "
			   "\"postmaster@example.com\"");
}

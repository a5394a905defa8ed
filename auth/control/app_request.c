/* What "app-password create" is asked for: from JSON to a request, and from there to a change. */
#include "auth/control/app_password.h"

#include <string.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/network.h"
#include "smtp/address.h"

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (ascii_is_control(*text))
			return false;
	return true;
}

/* ---- lists: "A,B" */

static bool is_network(struct span item)
{
	struct network network;
	return network_parse(item, &network) == STATUS_OK;
}

/* An address, or "@" and a domain. */
static bool is_pattern(struct span item)
{
	char address[CHANGE_LIST_MAXIMUM + 2];
	if (!span_starts_with(item, SPAN("@")))
		return address_is_valid(item, false);
	if (span_starts_with(item, SPAN("@."))) /* and what is below the domain */
		item = span_slice(item, 1, item.size);
	int size = snprintf(address, sizeof(address), "a@%.*s", SPAN_ARGS(span_slice(item, 1, item.size)));
	return address_is_valid((struct span){ address, (size_t)size }, false);
}

static bool read_list(const char *text, bool (*is_item)(struct span item), char out_list[CHANGE_LIST_MAXIMUM + 1])
{
	struct span rest = span_of(text), item;
	size_t size = 0;
	if (rest.size > CHANGE_LIST_MAXIMUM)
		return false;
	while (span_cut(&rest, ',', &item)) {
		item = span_trim(item);
		if (!is_item(item))
			return false;
		if (size)
			out_list[size++] = '\n';
		for (size_t i = 0; i < item.size; i++)
			out_list[size++] = ascii_lower(item.data[i]);
	}
	out_list[size] = '\0';
	return true;
}

/* ---- arguments */

static const char *read_lists(const json_t *arguments, struct app_password_request *request)
{
	if (!read_list(auth_control_text(arguments, "from"), is_network, request->from))
		return "from must be networks, such as 192.0.2.0/24,2001:db8::/32";
	if (!read_list(auth_control_text(arguments, "senders"), is_pattern, request->senders))
		return "senders must be addresses or domains, such as scanner@example.com,@devices.example.com";
	if (!read_list(auth_control_text(arguments, "recipients"), is_pattern, request->recipients))
		return "recipients must be addresses or domains, such as office@example.com,@example.com";
	return NULL;
}

static const char *read_expiry(const json_t *arguments, struct app_password_request *request)
{
	const json_t *expires = json_object_get(arguments, "expires");
	if (expires == NULL || json_is_null(expires))
		return NULL;
	json_int_t seconds = json_integer_value(expires);
	if (!json_is_integer(expires) || seconds <= (json_int_t)(clock_wall_us() / 1000000) || seconds >= UINT32_MAX)
		return "expires must be a time to come, in seconds since 1970";
	request->expires_s = (uint64_t)seconds;
	return NULL;
}

/* "messages_per_day=50" */
static const char *read_quota(const json_t *arguments, struct app_password_request *request)
{
	const char *text = auth_control_text(arguments, "quota");
	struct span rest = span_of(text), name;
	uint64_t number = 0;
	if (text == NULL)
		return NULL;
	if (!span_cut(&rest, '=', &name) || !span_equal(name, SPAN("messages_per_day")) ||
	    span_to_u64(rest, &number) != STATUS_OK || number == 0 || number > UINT32_MAX)
		return "quota must be messages_per_day=N, with N from 1";
	request->messages_per_day = number;
	return NULL;
}

static const char *read_service(const json_t *arguments, struct app_password_request *request)
{
	const char *owner = auth_control_text(arguments, "owner");
	request->is_service = json_is_true(json_object_get(arguments, "service"));
	if (!request->is_service)
		return owner ? "owner is for a service: who answers for it" : NULL;
	if (owner == NULL || strlen(owner) >= sizeof(request->responsible) || !is_printable(owner))
		return "a service needs an owner, who answers for it: at most 255 bytes without control characters";
	snprintf(request->responsible, sizeof(request->responsible), "%s", owner);
	return request->senders[0] ? NULL : "a service needs senders: the addresses that it may use";
}

static const char *read_console(const json_t *arguments, struct app_password_request *request)
{
	request->is_console = json_is_true(json_object_get(arguments, "console"));
	if (!request->is_console)
		return NULL;
	if (request->is_service)
		return "the console is for people, not for a service";
	bool is_limited = request->senders[0] || request->recipients[0] || request->messages_per_day;
	return is_limited ? "a password for the console sends no mail: senders, recipients and quota are for others"
			  : NULL;
}

static const char *read_names(const json_t *arguments, struct app_password_request *request)
{
	const char *label = auth_control_text(arguments, "label");
	if (name_canonical(span_of(auth_control_text(arguments, "user")), request->user) != STATUS_OK)
		return "user must be a name of 1 to 255 bytes without control characters";
	if (label && (span_of(label).size > CHANGE_LABEL_MAXIMUM || !is_printable(label)))
		return "label must have at most 100 bytes and no control characters";
	snprintf(request->label, sizeof(request->label), "%s", label ? label : "");
	return NULL;
}

const char *app_password_request_read(const json_t *arguments, struct app_password_request *request)
{
	static const char *(*const readers[])(const json_t *, struct app_password_request *) = {
		read_names, read_expiry, read_lists, read_quota, read_service, read_console,
	};
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
		const char *fault = readers[i](arguments, request);
		if (fault)
			return fault;
	}
	return NULL;
}

/* ---- the texts of a password */

static struct {
	enum app_password_text text;
	size_t at, size;
} const places[] = {
#define PLACE(text, field)                                                                                            \
	{                                                                                                             \
		text, offsetof(struct app_password_request, field), sizeof(((struct app_password_request *)0)->field) \
	}
	PLACE(APP_PASSWORD_USER, user),
	PLACE(APP_PASSWORD_LABEL, label),
	PLACE(APP_PASSWORD_FROM, from),
	PLACE(APP_PASSWORD_SENDERS, senders),
	PLACE(APP_PASSWORD_RECIPIENTS, recipients),
	PLACE(APP_PASSWORD_RESPONSIBLE, responsible),
};
_Static_assert(sizeof(places) / sizeof(places[0]) == APP_PASSWORD_TEXTS, "every text has a place");

void app_password_request_copy(const struct app_password *password, struct app_password_request *request)
{
	for (size_t i = 0; i < APP_PASSWORD_TEXTS; i++)
		snprintf((char *)request + places[i].at, places[i].size, "%s",
			 app_password_text(password, places[i].text));
}

struct app_password_change app_password_request_change(const struct app_password_request *request)
{
	struct app_password_change change = {
		.operation = CHANGE_CREATE,
		.created_s = request->created_s,
		.expires_s = request->expires_s,
		.messages_per_day = request->messages_per_day,
		.is_console = request->is_console,
	};
	memcpy(change.id, request->id, sizeof(change.id));
	for (size_t i = 0; i < APP_PASSWORD_TEXTS; i++)
		change.texts[places[i].text] = span_of((const char *)request + places[i].at);
	return change;
}

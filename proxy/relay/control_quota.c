/*
 * quota show, reset, set and unset. Owns the questions that wait for Redis. What changes something is told to all
 * nodes, which then forget what they have seen of the user.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/name.h"
#include "config/values.h"
#include "quota/quota_control.h"
#include "relay/control.h"
#include "relay/withdrawals.h"

#define LIMIT_MAXIMUM (1ULL << 50) /* of bytes, as in options.def */
#define ROW_MAXIMUM 16384          /* bytes */
#define UNAVAILABLE "quota service unavailable"
#define NOT_DONE "quota service unavailable; nothing was changed"
#define SCARCE "done, but too few replicas have it yet: if Redis's primary fails now, it is forgotten"
#define NOT_KNOWN "Redis has not answered; whether it was done is not known: look at it with quota show"

struct question {
	struct question *next;
	struct control *control;
	uint64_t request, generation;
	json_t *was;  /* quota reset: how much was counted */
	json_t *seen; /* what a user has used, while it is asked what they share */
	/* A list: its rows, and how many answers are to come. */
	struct buf text;
	struct json_writer rows;
	char after[QUOTA_PAGE_CURSOR_SIZE];
	size_t awaited;
	bool has_failed;
	bool is_done; /* what was to be changed was: only showing it may fail */
	bool is_shared;
	size_t name_size;
	char name[];
};

/* ---- questions */

static struct question *open_question(struct control *control, uint64_t request, const struct quota_name *name)
{
	struct question *question = calloc(1, sizeof(*question) + name->name.size + 1);
	if (question == NULL) {
		control_refuse(control, request, "out of memory");
		return NULL;
	}
	question->control = control;
	question->request = request;
	question->generation = control->generation;
	question->is_shared = name->is_shared;
	question->name_size = name->name.size;
	if (name->name.size)
		memcpy(question->name, name->name.data, name->name.size);
	question->next = control->first;
	control->first = question;
	return question;
}

static void forget_question(struct question *question)
{
	struct question **at = &question->control->first;
	while (*at != question)
		at = &(*at)->next;
	*at = question->next;
	json_decref(question->was);
	json_decref(question->seen);
	buf_free(&question->text);
	free(question);
}

/* The last answer; NULL: there was no memory for it. */
static void answer_question(struct question *question, json_t *answer)
{
	if (question->generation == question->control->generation)
		control_reply(question->control, question->request, answer);
	else
		json_decref(answer);
	forget_question(question);
}

static void refuse_question(struct question *question, const char *error)
{
	if (question->generation == question->control->generation)
		control_refuse(question->control, question->request, error);
	forget_question(question);
}

static struct quota_name name_of(const struct question *question)
{
	return (struct quota_name){ { question->name, question->name_size }, question->is_shared };
}

/* ---- what a report says */

/* A row of the list: the user, their messages, and when their day ends. */
static void put_row(struct json_writer *row, const struct quota_report *report)
{
	char resets_at[CLOCK_TEXT_SIZE];
	uint64_t limit = report->limits.messages_per_day;
	clock_format_seconds(report->resets_at, resets_at);
	json_put_text(row, SPAN("user"), report->name.name);
	json_put_number(row, SPAN("used"), (int64_t)report->messages);
	json_put_number(row, SPAN("limit"), (int64_t)limit);
	json_put_text(row, SPAN("resets_at"), span_of(resets_at));
	if (limit)
		json_put_number(row, SPAN("left"), report->messages < limit ? (int64_t)(limit - report->messages) : 0);
	if (report->name.is_shared)
		json_put_true(row, SPAN("shared"));
	json_put_number(row, SPAN("recipients_used"), (int64_t)report->recipients);
	json_put_number(row, SPAN("recipients_limit"), (int64_t)report->limits.recipients_per_day);
}

static void put_use(json_t *object, const char *what, uint64_t used, uint64_t limit)
{
	char key[64];
	snprintf(key, sizeof(key), "%s_used", what);
	json_object_set_new(object, key, json_integer((json_int_t)used));
	snprintf(key, sizeof(key), "%s_limit", what);
	json_object_set_new(object, key, json_integer((json_int_t)limit));
}

static void put_overrides(json_t *object, const struct quota_report *report)
{
	json_t *rows = json_array();
	for (size_t i = 0; i < report->override_count; i++) {
		const struct quota_override *override = &report->overrides[i];
		json_array_append_new(rows,
				      json_pack("{s:s, s:I, s:I}", "limit", override->option, "value",
						(json_int_t) override->limit, "until", (json_int_t) override->until_s));
	}
	json_object_set_new(object, "set_by_hand", rows);
}

static json_t *describe_row(const struct quota_report *report)
{
	struct json_writer row;
	struct buf text BUF_AUTO;
	buf_init(&text, ROW_MAXIMUM);
	json_writer_begin(&row, &text);
	put_row(&row, report);
	json_close_object(&row);
	return row.status == STATUS_OK ? json_read(buf_span(&text)) : NULL;
}

static json_t *describe_report(const struct quota_report *report)
{
	const struct quota_limits *limits = &report->limits;
	json_t *answer = describe_row(report);
	json_object_set_new(answer, "ok", json_true());
	json_object_set_new(answer, "section", json_string(report->section));
	put_use(answer, "bytes", report->bytes, limits->bytes_per_day);
	if (report->strangers || limits->new_recipients_per_day)
		put_use(answer, "new_recipients", report->strangers, limits->new_recipients_per_day);
	if (limits->messages_per_hour)
		put_use(answer, "hour", report->last_hour, limits->messages_per_hour);
	if (limits->messages_per_minute)
		put_use(answer, "minute", report->last_minute, limits->messages_per_minute);
	if (report->override_count)
		put_overrides(answer, report);
	return answer;
}

/* ---- one user */

static const struct config_quota *find_section(const struct config *config, const struct quota_name *name)
{
	for (size_t i = 0; i < config->quota.count; i++) {
		if (config->quota.items[i].shared && span_equal(span_of(config->quota.items[i].name), name->name))
			return &config->quota.items[i];
	}
	return NULL;
}

bool control_find_limits(const struct services *services, const struct quota_name *name,
			 struct quota_limits *out_limits)
{
	const struct user *user = name->is_shared ? NULL : users_find(services->users, name->name);
	const struct config_quota *section = name->is_shared ? find_section(services->config, name) : NULL;
	*out_limits = (struct quota_limits){ 0 };
	if (user)
		*out_limits = user->limits;
	else if (section)
		*out_limits = quota_limits_of(section);
	else if (!name->is_shared)
		quota_limits_for(services->config, name->name, NULL, 0, out_limits);
	return user || section;
}

static void end_unshown(struct question *question)
{
	if (!question->is_done) {
		refuse_question(question, UNAVAILABLE);
		return;
	}
	answer_question(question, json_pack("{s:b, s:s%, s:s}", "ok", 1, "user", question->name, question->name_size,
					    "state", "done, but what is used can't be shown now"));
}

/* What they share with others refuses them, too. */
static void on_shared_report(void *context, const struct quota_report *report)
{
	struct question *question = context;
	if (report == NULL) {
		end_unshown(question);
		return;
	}
	json_t *answer = question->seen, *shared = describe_report(report);
	question->seen = NULL;
	json_object_del(shared, "ok");
	json_object_del(shared, "section");
	json_object_set_new(answer, "shared_quota", shared);
	answer_question(question, answer);
}

/* False: they share nothing, as far as it is known here. */
static bool ask_shared_quota(struct question *question)
{
	const struct services *services = question->control->services;
	const struct quota_name user = name_of(question);
	struct quota_limits limits;
	if (question->is_shared)
		return false;
	control_find_limits(services, &user, &limits);
	if (limits.shared == NULL)
		return false;
	const struct quota_name name = { span_of(limits.shared->name), true };
	limits = quota_limits_of(limits.shared);
	if (quota_show(services->quota, &name, &limits, true, on_shared_report, question) != STATUS_OK)
		end_unshown(question);
	return true;
}

static void on_report(void *context, const struct quota_report *report)
{
	struct question *question = context;
	if (report == NULL) {
		end_unshown(question);
		return;
	}
	json_t *answer = describe_report(report);
	if (question->was)
		json_object_set(answer, "counted_before", question->was);
	question->seen = answer;
	if (ask_shared_quota(question))
		return;
	question->seen = NULL;
	answer_question(question, answer);
}

static enum status ask_quota(struct question *question, bool is_reset, quota_report_callback *callback)
{
	const struct services *services = question->control->services;
	struct quota_name name = name_of(question);
	struct quota_limits limits;
	bool are_sure = control_find_limits(services, &name, &limits);
	return (is_reset ? quota_reset : quota_show)(services->quota, &name, &limits, are_sure, callback, question);
}

static void show_user(struct question *question)
{
	if (ask_quota(question, false, on_report) != STATUS_OK)
		end_unshown(question);
}

/* All nodes, and relays here that drain, forget what they have seen. When they can't be told, 5 s do it. */
static void tell_change(struct question *question)
{
	const struct control *control = question->control;
	question->is_done = true;
	char object[EVENTS_ID_MAXIMUM + 1];
	snprintf(object, sizeof(object), "%s%s", question->is_shared ? "\t" : "", question->name);
	const struct event event = { .kind = EVENT_COUNT, .object = span_of(object) };
	quota_forget_seen(control->services->quota, span_of(object));
	if (events_publish(control->withdrawals->events, &event) != STATUS_OK)
		log_warning("other nodes can't be told that the quota of %s was changed", question->name);
}

static void on_reset(void *context, const struct quota_report *report)
{
	struct question *question = context;
	if (report == NULL) {
		refuse_question(question, NOT_KNOWN);
		return;
	}
	question->was = json_integer((json_int_t)report->messages);
	tell_change(question);
	show_user(question);
}

/* What was set is shown as it now is. */
static void on_changed(void *context, enum by_hand_outcome outcome, uint64_t changed)
{
	struct question *question = context;
	(void)changed;
	if (outcome != BY_HAND_DONE && outcome != BY_HAND_FEW) {
		refuse_question(question, outcome == BY_HAND_NOT_DONE ? NOT_DONE : NOT_KNOWN);
		return;
	}
	tell_change(question);
	if (outcome == BY_HAND_FEW)
		refuse_question(question, SCARCE);
	else
		show_user(question);
}

/* ---- everybody */

static void end_page(struct question *question)
{
	if (question->has_failed) {
		refuse_question(question, UNAVAILABLE);
		return;
	}
	if (question->generation == question->control->generation &&
	    !control_reply_list(question->control, question->request, &question->rows, question->after))
		control_refuse(question->control, question->request, "out of memory");
	forget_question(question);
}

static void on_row(void *context, const struct quota_report *report)
{
	struct question *question = context;
	question->has_failed = question->has_failed || report == NULL;
	if (report && (report->messages || report->override_count)) {
		json_open_object(&question->rows, SPAN(""));
		put_row(&question->rows, report);
		json_close_object(&question->rows);
	}
	if (--question->awaited == 0)
		end_page(question);
}

static void ask_row(struct question *question, const struct quota_name *name)
{
	const struct services *services = question->control->services;
	struct quota_limits limits;
	bool are_sure = control_find_limits(services, name, &limits);
	if (quota_show(services->quota, name, &limits, are_sure, on_row, question) == STATUS_OK)
		question->awaited++;
	else
		question->has_failed = true;
}

static void on_page(void *context, const struct quota_name *names, size_t count, const char *next)
{
	struct question *question = context;
	question->has_failed = names == NULL;
	snprintf(question->after, sizeof(question->after), "%s", next);
	for (size_t i = 0; i < count && !question->has_failed; i++)
		if (names[i].is_shared || !question->is_shared)
			ask_row(question, &names[i]);
	if (question->awaited == 0)
		end_page(question);
}

static void list_users(struct control *control, uint64_t request, const json_t *object)
{
	const char *after = json_string_value(json_object_get(object, "after"));
	const struct quota_name nobody = { SPAN(""), json_is_true(json_object_get(object, "shared")) };
	struct question *question = open_question(control, request, &nobody);
	if (question == NULL)
		return;
	control_begin_list(&question->rows, &question->text);
	enum status status = quota_list(control->services->quota, after ? after : "", on_page, question);
	if (status != STATUS_OK)
		refuse_question(question, status == STATUS_INVALID ? "no such page" : UNAVAILABLE);
}

/* ---- commands */

/* Whom the request names; NULL: nobody, and it is answered. */
static struct question *open_for_user(struct control *control, uint64_t request, const json_t *object)
{
	const json_t *given = json_object_get(object, "user");
	struct span user = { json_string_value(given), json_string_length(given) };
	char canonical[NAME_SIZE];
	struct quota_name name = { user, json_is_true(json_object_get(object, "shared")) };
	if (name.is_shared && find_section(control->services->config, &name) == NULL) {
		control_refuse(control, request, "there is no quota section of that name that is shared");
		return NULL;
	}
	if (!name.is_shared && name_canonical(user, canonical) != STATUS_OK) {
		control_refuse(control, request, "a user is wanted");
		return NULL;
	}
	if (!name.is_shared)
		name.name = span_of(canonical);
	return open_question(control, request, &name);
}

void control_show_quota(struct control *control, uint64_t request, const json_t *object)
{
	if (json_object_get(object, "user") == NULL) {
		list_users(control, request, object);
		return;
	}
	struct question *question = open_for_user(control, request, object);
	if (question)
		show_user(question);
}

void control_reset_quota(struct control *control, uint64_t request, const json_t *object)
{
	struct question *question = open_for_user(control, request, object);
	if (question && ask_quota(question, true, on_reset) != STATUS_OK)
		refuse_question(question, NOT_DONE);
}

static const char *find_option(struct span name)
{
	const char *option;
	for (size_t i = 0; (option = quota_override_option(i)) != NULL; i++) {
		if (span_equal(span_of(option), name))
			return option;
	}
	return NULL;
}

/* "messages_per_day=100,bytes_per_day=1G"; 0: something in it is none, or there are too many. */
static size_t read_overrides(struct span text, uint64_t until_s, struct quota_override out_overrides[QUOTA_OVERRIDES])
{
	struct span part, name;
	size_t count = 0;
	while (span_cut(&text, ',', &part)) {
		struct quota_override override = { .until_s = until_s };
		if (count == QUOTA_OVERRIDES || !span_cut(&part, '=', &name))
			return 0;
		override.option = find_option(span_trim(name));
		if (override.option == NULL || value_parse_size(span_trim(part), &override.limit) != STATUS_OK ||
		    override.limit > LIMIT_MAXIMUM)
			return 0;
		out_overrides[count++] = override;
	}
	return count;
}

void control_set_quota(struct control *control, uint64_t request, const json_t *object)
{
	struct quota_override overrides[QUOTA_OVERRIDES];
	json_int_t until = json_integer_value(json_object_get(object, "until"));
	const char *limits = json_string_value(json_object_get(object, "limits"));
	size_t count = read_overrides(span_of(limits ? limits : ""), until > 0 ? (uint64_t)until : 0, overrides);
	if (count == 0) {
		control_refuse(control, request,
			       "a limit is wanted, such as messages_per_day=100: messages_per_day, recipients_per_day, "
			       "bytes_per_day, new_recipients_per_day, messages_per_hour or messages_per_minute");
		return;
	}
	struct question *question = open_for_user(control, request, object);
	struct quota_name name = question ? name_of(question) : (struct quota_name){ 0 };
	if (question &&
	    quota_set_limits(control->services->quota, &name, overrides, count, on_changed, question) != STATUS_OK)
		refuse_question(question, NOT_DONE);
}

void control_unset_quota(struct control *control, uint64_t request, const json_t *object)
{
	const char *given = json_string_value(json_object_get(object, "limit"));
	const char *option = given ? find_option(span_of(given)) : NULL;
	if (given && option == NULL) {
		control_refuse(control, request, "there is no limit of that name that can be set by hand");
		return;
	}
	struct question *question = open_for_user(control, request, object);
	struct quota_name name = question ? name_of(question) : (struct quota_name){ 0 };
	if (question && quota_unset_limits(control->services->quota, &name, option, on_changed, question) != STATUS_OK)
		refuse_question(question, NOT_DONE);
}

void control_questions_free(struct control *control)
{
	while (control->first)
		forget_question(control->first);
}

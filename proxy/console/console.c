/*
 * The console role: HTTP with browsers, and no more. As a gate it opens neither files nor sockets once it has started,
 * and holds no secret but the TLS key. It owns the site.
 */
#include <jansson.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "console/asking.h"
#include "console/pages/pages.h"
#include "role/role.h"

#define PLAIN_TYPE "text/plain; charset=utf-8"

struct console {
	const struct role_context *role;
	struct site *site;
	struct pages *pages;
	struct pages_options pages_options;
	struct door *admin;  /* NULL while it is away */
	struct timer *limit; /* of a drain */
};

/* ---- requests */

static void answer_health(struct site *site, struct visit *visit)
{
	visit_set_text(visit, MHD_HTTP_OK, PLAIN_TYPE, SPAN("ok\n"));
	if (strcmp(visit->method, "GET") != 0 && strcmp(visit->method, "HEAD") != 0) {
		visit_set_text(visit, MHD_HTTP_METHOD_NOT_ALLOWED, PLAIN_TYPE, SPAN("read only\n"));
		visit->answer.allow = "GET, HEAD";
	}
	site_answer(site, visit);
}

static void answer_visit(void *context, struct visit *visit)
{
	const struct console *console = context;
	if (asking_is_for(visit))
		asking_begin(console->site, visit, console->admin, console->role->config->console.tls);
	else if (strcmp(visit->path, "/healthz") == 0)
		answer_health(console->site, visit);
	else
		pages_take_visit(console->pages, visit);
}

/* ---- what pages ask */

static struct site *site_of(void *context)
{
	const struct console *console = context;
	return console->site;
}

static enum status ask_admin(void *context, const struct door_console_asked *question)
{
	const struct console *console = context;
	return console->admin ? door_send_console_asked(console->admin, question) : STATUS_UNAVAILABLE;
}

/* ---- life */

static void finish_console(void *context)
{
	const struct console *console = context;
	role_finish(console->role);
}

static enum status listen_everywhere(struct console *console)
{
	const struct config_list *addresses = &console->role->config->console.address;
	for (size_t i = 0; i < addresses->count; i++) {
		char name[32];
		snprintf(name, sizeof(name), "console:%zu", i);
		int fd = role_take_fd(console->role, name);
		enum status status = fd < 0 ? STATUS_NOT_FOUND : site_listen(console->site, fd);
		if (status != STATUS_OK) {
			log_error("the console can't be served at %s: %s", addresses->items[i], status_text(status));
			return status;
		}
	}
	return STATUS_OK;
}

/* A text that ends in NUL, as the library takes it. */
static enum status take_pem(const struct console *console, const char *name, struct secret *out_pem)
{
	struct secret given SECRET_AUTO = { 0 };
	struct buf text BUF_AUTO;
	buf_init_sensitive(&text, SECRET_MAXIMUM);
	TRY(role_take_secret(console->role, name, &given));
	TRY(buf_append(&text, secret_reveal(&given)));
	TRY(buf_append_byte(&text, '\0'));
	return secret_from_span(buf_span(&text), out_pem);
}

static enum status start_site(struct console *console)
{
	const struct config *config = console->role->config;
	struct secret certificate SECRET_AUTO = { 0 };
	struct secret key SECRET_AUTO = { 0 };
	const struct site_options options = {
		.has_tls = config->console.tls,
		.allows_tls13_only = config->tls.min_version == TLS_VERSION_13,
		.certificate = &certificate,
		.key = &key,
		.on_visit = answer_visit,
		.on_idle = finish_console,
		.context = console,
	};
	if (options.has_tls) {
		TRY(take_pem(console, "tls-certificate", &certificate));
		TRY(take_pem(console, "tls-key", &key));
	}
	console->pages_options = (struct pages_options){
		.loop = console->role->loop,
		.site = site_of,
		.ask = ask_admin,
		.has_tls = options.has_tls,
		.has_password = config_console_has_login(config, "password"),
		.has_provider = config_console_has_login(config, "oidc"),
		.url = config->console.url,
		.idle_limit_ms = config->console.idle_limit,
		.context = console,
	};
	TRY(pages_create(&console->pages_options, &console->pages));
	TRY(site_create(console->role->loop, &options, &console->site));
	return listen_everywhere(console);
}

static void stop_console(void *state)
{
	struct console *console = state;
	pages_free(&console->pages);
	site_free(&console->site);
	door_free(&console->admin);
	timer_free(&console->limit);
	free(console);
}

/* Files that libraries open on first use are read before the sandbox: gmtime_r reads the time zone, jansson a seed. */
static void warm_up(void)
{
	char text[CLOCK_TEXT_SIZE];
	json_object_seed(0);
	clock_format_mail(clock_wall_us(), text);
}

static enum status start_console(const struct role_context *context, void **out_state)
{
	struct console *console = calloc(1, sizeof(*console));
	if (console == NULL)
		return STATUS_NO_MEMORY;
	console->role = context;
	warm_up();
	enum status status = timer_make(context->loop, finish_console, console, &console->limit);
	if (status == STATUS_OK)
		status = start_site(console);
	if (status == STATUS_OK)
		*out_state = console;
	else
		stop_console(console);
	return status;
}

/* ---- admin */

static enum status take_frame(void *context, struct door *door, uint16_t type, struct span payload)
{
	const struct console *console = context;
	struct door_console_answered answered;
	(void)door;
	if (type != DOOR_CONSOLE_ANSWERED)
		return STATUS_INVALID;
	TRY(door_read_console_answered(payload, &answered));
	return answered.request & PAGES_NUMBERS ? pages_take_answer(console->pages, &answered)
						: asking_take_answer(console->site, &answered);
}

/* Admin asks for another door, if both live (role/role.h). */
static void lose_admin(void *context, struct door *door)
{
	struct console *console = context;
	(void)door;
	door_free(&console->admin);
	pages_lose_admin(console->pages);
	asking_lose_admin(console->site);
}

static const struct door_handler admin_handler = { .on_frame = take_frame, .on_closed = lose_admin };

static void attach_peer(void *state, enum role_kind peer, uint32_t instance, int fd)
{
	struct console *console = state;
	(void)instance;
	if (peer != ROLE_ADMIN) {
		close(fd);
		return;
	}
	lose_admin(console, NULL);
	if (door_create(console->role->loop, fd, &admin_handler, console, &console->admin) != STATUS_OK)
		log_error("no door to admin: out of memory");
}

static void drain_console(void *state, uint64_t limit_ms, enum role_drain how)
{
	struct console *console = state;
	(void)how;
	timer_set(console->limit, limit_ms);
	pages_drain(console->pages);
	site_drain(console->site);
}

const struct role console_role = {
	.kind = ROLE_CONSOLE,
	.name = "console",
	.start = start_console,
	.attached = attach_peer,
	.drain = drain_console,
	.stop = stop_console,
};

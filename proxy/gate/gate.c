/*
 * The gate role: what it is made of at start, certificates and limits among it, and how all of that ends. After start
 * it opens nothing: neither files nor sockets.
 */
#include "gate/gate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "gate/answers.h"
#include "gate/arrival.h"
#include "gate/count.h"
#include "gate/drain.h"
#include "gate/ports.h"
#include "gate/session_life.h"

#define NAME_MAXIMUM 160 /* bytes of a descriptor's name */

/* ---- start */

/* A handshake takes four times the memory that its connection was admitted with. */
static bool may_shake(void *context)
{
	struct gate *gate = context;
	if (limits_have_memory(&gate->limits))
		return true;
	count_refused(gate, REFUSAL_MEMORY);
	return false;
}

/* `name` is that of a certificate section; NULL: the section tls, which comes first. */
static enum status use_certificate(struct gate_listener *listener, const char *name, const struct secret *certificate,
				   const struct secret *key)
{
	const struct config *config = listener->gate->config;
	struct tls_server_options options = { .certificate_pem = secret_reveal(certificate),
					      .private_key = key,
					      .tickets = listener->gate->tickets,
					      .session_id_context = span_of(listener->config->name),
					      .allow_tls13_only = config->tls.min_version == TLS_VERSION_13,
					      .legacy = listener->config->legacy,
					      .client_ca_pem = secret_reveal(&listener->client_ca),
					      .client_crl_pem = secret_reveal(&listener->client_crl),
					      .challenge = listener->config->certificate_user == CERTIFICATE_USER_NONE
								   ? NULL
								   : &listener->gate->challenge,
					      .may_shake = may_shake,
					      .shake_context = listener->gate,
					      .requires_client = listener->config->client_certificate ==
								 CLIENT_CERTIFICATE_REQUIRE };
	char *error = NULL;
	enum status status = name ? tls_server_add(listener->tls, &options, &error)
				  : tls_server_create(&options, &listener->tls, &error);
	if (status != STATUS_OK)
		log_error("certificate %s can't be used: %s", name ? name : "of tls",
			  error ? error : status_text(status));
	free(error);
	return status;
}

static enum status take_certificate(struct gate *gate, const char *name)
{
	struct secret certificate SECRET_AUTO = { 0 };
	struct secret key SECRET_AUTO = { 0 };
	char certificate_name[NAME_MAXIMUM], key_name[NAME_MAXIMUM];
	snprintf(certificate_name, sizeof(certificate_name), "tls-certificate%s%s", name ? ":" : "", name ? name : "");
	snprintf(key_name, sizeof(key_name), "tls-key%s%s", name ? ":" : "", name ? name : "");
	if (role_take_secret(gate->role, certificate_name, &certificate) != STATUS_OK ||
	    role_take_secret(gate->role, key_name, &key) != STATUS_OK) {
		log_error("no %s and %s were handed over", certificate_name, key_name);
		return STATUS_NOT_FOUND;
	}
	for (size_t i = 0; i < gate->listener_count; i++)
		TRY(use_certificate(&gate->listeners[i], name, &certificate, &key));
	return STATUS_OK;
}

/* They are handed over with the newest first; the newest is added last. */
static enum status take_ticket_keys(struct gate *gate)
{
	struct secret keys SECRET_AUTO = { 0 };
	if (gate->config->tls.ticket_lifetime == 0)
		return STATUS_OK;
	enum status status = role_take_secret(gate->role, "tls-tickets", &keys);
	if (status != STATUS_OK)
		return status == STATUS_NOT_FOUND ? STATUS_OK : status;
	TRY(tls_tickets_create(gate->config->tls.ticket_lifetime, &gate->tickets));
	struct span bytes = secret_reveal(&keys);
	if (bytes.size > TLS_TICKET_KEY_SIZE)
		TRY(tls_tickets_add(gate->tickets, span_slice(bytes, TLS_TICKET_KEY_SIZE, bytes.size)));
	return tls_tickets_add(gate->tickets, span_slice(bytes, 0, TLS_TICKET_KEY_SIZE));
}

static enum status take_ticket_key(void *state, struct span key)
{
	struct gate *gate = state;
	return gate->tickets ? tls_tickets_add(gate->tickets, key) : STATUS_OK;
}

static enum status take_client_authorities(struct gate_listener *listener)
{
	char name[NAME_MAXIMUM];
	if (listener->config->client_certificate == CLIENT_CERTIFICATE_NONE)
		return STATUS_OK;
	snprintf(name, sizeof(name), "client-ca:%s", listener->config->name);
	enum status status = role_take_secret(listener->gate->role, name, &listener->client_ca);
	if (status == STATUS_OK && listener->config->client_crl_file[0]) {
		snprintf(name, sizeof(name), "client-crl:%s", listener->config->name);
		status = role_take_secret(listener->gate->role, name, &listener->client_crl);
	}
	if (status != STATUS_OK)
		log_error("no %s was handed over", name);
	return status;
}

static void wipe_client_authorities(struct gate_listener *listener)
{
	secret_wipe(&listener->client_ca);
	secret_wipe(&listener->client_crl);
}

static enum status make_contexts(struct gate *gate)
{
	TRY(take_ticket_keys(gate));
	for (size_t i = 0; i < gate->listener_count; i++)
		TRY(take_client_authorities(&gate->listeners[i]));
	TRY(take_certificate(gate, NULL));
	for (size_t i = 0; i < gate->config->certificate.count; i++)
		TRY(take_certificate(gate, gate->config->certificate.items[i].name));
	for (size_t i = 0; i < gate->listener_count; i++)
		wipe_client_authorities(&gate->listeners[i]);
	return STATUS_OK;
}

static enum status make_listeners(struct gate *gate)
{
	size_t count = gate->config->listener.count;
	gate->listeners = calloc(count ? count : 1, sizeof(*gate->listeners));
	if (gate->listeners == NULL)
		return STATUS_NO_MEMORY;
	gate->listener_count = count;
	for (size_t i = 0; i < count; i++)
		gate->listeners[i] = (struct gate_listener){ .gate = gate,
							     .config = &gate->config->listener.items[i],
							     .index = (unsigned)i };
	TRY(make_contexts(gate));
	for (size_t i = 0; i < count; i++) {
		TRY(networks_read(&gate->listeners[i].config->proxy_protocol_from, &gate->listeners[i].proxies));
		TRY(networks_read(&gate->listeners[i].config->networks, &gate->listeners[i].served));
	}
	return STATUS_OK;
}

/* This gate's share of something that is there for all, rounded up. */
static uint64_t share_of(const struct config *config, uint64_t whole)
{
	uint64_t gates = role_gate_count(config);
	return (whole + gates - 1) / gates;
}

/* Files that the C library opens on first use must be read before the sandbox: gmtime_r reads the time zone. */
static void warm_up(void)
{
	char text[CLOCK_TEXT_SIZE];
	clock_format_mail(clock_wall_us(), text);
}

static enum status take_census(struct gate *gate)
{
	int fd = role_take_fd(gate->role, "census");
	int reading_fd = role_take_fd(gate->role, "census-reading");
	const struct config_limits *limits = &gate->config->limits;
	uint64_t descriptors = config_descriptors_to_spend();
	struct census *census = NULL;
	if (fd < 0 || reading_fd < 0) {
		log_error("no census was handed over");
		return STATUS_NOT_FOUND;
	}
	TRY(census_join(fd, reading_fd, gate->role->seat, &census));
	if (descriptors < limits->connections)
		log_warning("for want of descriptors (LimitNOFILE) this gate takes %" PRIu64 " clients at most",
			    descriptors);
	limits_begin(&gate->limits, census, limits->connections, limits->connections_per_address,
		     share_of(gate->config, limits->memory), descriptors);
	return STATUS_OK;
}

static enum status make_parts(struct gate *gate)
{
	TRY(take_census(gate));
	TRY(registry_create(share_of(gate->config, gate->config->limits.connections), &gate->requests));
	TRY(registry_create(share_of(gate->config, gate->config->limits.connections), &gate->transactions));
	TRY(auth_door_begin(&gate->auth, gate, &answers_of_auth));
	TRY(refused_begin(&gate->refused, gate));
	TRY(anonymous_begin(&gate->anonymous, gate));
	TRY(drain_prepare(gate));
	return make_listeners(gate);
}

/* ---- the end */

static void stop_gate(void *state)
{
	struct gate *gate = state;
	struct session *s;
	gate->draining = false; /* the last session must not end the process once more */
	while ((s = TAILQ_FIRST(&gate->sessions)) != NULL) {
		session_drop(s, "stopped");
		session_drive(s);
	}
	arrival_end_all(gate);
	auth_door_end(&gate->auth);
	refused_end(&gate->refused);
	anonymous_end(&gate->anonymous);
	relay_door_end(&gate->relay);
	timer_free(&gate->drain_timer);
	ports_close(gate);
	for (size_t i = 0; i < gate->listener_count; i++) {
		tls_context_free(&gate->listeners[i].tls);
		wipe_client_authorities(&gate->listeners[i]);
		networks_free(&gate->listeners[i].proxies);
		networks_free(&gate->listeners[i].served);
	}
	free(gate->listeners);
	tls_tickets_free(&gate->tickets);
	limits_end(&gate->limits);
	registry_free(&gate->requests);
	registry_free(&gate->transactions);
	free(gate);
}

static enum status start_gate(const struct role_context *role, void **out_state)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	if (gate == NULL)
		return STATUS_NO_MEMORY;
	gate->role = role;
	gate->loop = role->loop;
	gate->config = role->config;
	size_format_refusal(gate->config->limits.message_size, gate->too_large);
	relay_door_begin(&gate->relay, gate, &answers_of_relay);
	TAILQ_INIT(&gate->sessions);
	TAILQ_INIT(&gate->paced);
	TAILQ_INIT(&gate->arrivals);
	warm_up();
	enum status status = make_parts(gate);
	if (status != STATUS_OK) {
		log_error("the gate can't start: %s", status_text(status));
		stop_gate(gate);
		return status;
	}
	*out_state = gate;
	return STATUS_OK;
}

/* ---- the role's life */

static void attach_door(void *state, enum role_kind peer, uint32_t instance, int fd)
{
	struct gate *gate = state;
	if (peer == ROLE_AUTH)
		auth_door_attach(&gate->auth, instance, fd);
	else if (peer == ROLE_RELAY)
		relay_door_attach(&gate->relay, instance, fd);
	else
		close(fd); /* no other role speaks with a gate */
}

const struct role gate_role = {
	.kind = ROLE_GATE,
	.name = "gate",
	.start = start_gate,
	.attached = attach_door,
	.drain = drain_begin,
	.listen = ports_listen,
	.take_ticket_key = take_ticket_key,
	.stop = stop_gate,
};

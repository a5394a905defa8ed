/* Why we refuse: the reasons of subgate_refused_total, and of session.refused in the audit. */
#ifndef STATS_REFUSALS_H
#define STATS_REFUSALS_H

/* REFUSAL(NUMBER, text); "other" comes before all of them. */
#define STATS_REFUSALS(REFUSAL)                                                                    \
	REFUSAL(CONNECTIONS, "connections")   /* limits.connections */                             \
	REFUSAL(ADDRESS, "address")           /* limits.connections_per_address */                 \
	REFUSAL(SESSIONS, "sessions")         /* limits.sessions_per_user */                       \
	REFUSAL(NETWORK, "network")           /* listener.networks */                              \
	REFUSAL(ERRORS, "errors")             /* limits.errors */                                  \
	REFUSAL(LOGIN, "login")               /* limits.auth_timeout, the handshake's included */  \
	REFUSAL(TIMEOUT, "timeout")           /* limits.command_timeout, limits.data_timeout */    \
	REFUSAL(RATE, "rate")                 /* limits.data_rate */                               \
	REFUSAL(RECIPIENTS, "recipients")     /* limits.recipients_per_message */                  \
	REFUSAL(TRANSACTIONS, "transactions") /* limits.transactions_per_user */                   \
	REFUSAL(SIZE, "size")                 /* limits.message_size */                            \
	REFUSAL(MEMORY, "memory")             /* limits.memory */                                  \
	REFUSAL(DESCRIPTORS, "descriptors")   /* more clients than LimitNOFILE lets a gate have */ \
	REFUSAL(SPOOL, "spool")               /* limits.spool */                                   \
	REFUSAL(TLS, "tls")                   /* more messages of TLS itself than make sense */    \
	REFUSAL(SYNTAX, "syntax")                                                                  \
	REFUSAL(SENDER, "sender")                                                                  \
	REFUSAL(RULE, "recipient_rule") /* recipients.allow and deny, those of an app password */  \
	REFUSAL(HEADER, "header")                                                                  \
	REFUSAL(QUOTA, "quota")                                                                    \
	REFUSAL(ALERT, "alert")                /* alert.score */                                   \
	REFUSAL(PROBING, "refused_recipients") /* quota.refused_recipients_per_hour */             \
	REFUSAL(AUDIT, "audit")                                                                    \
	REFUSAL(REDIS, "redis")                                                                    \
	REFUSAL(ROUTE, "route")

#define STATS_REFUSAL_NUMBER(NUMBER, text) REFUSAL_##NUMBER,
#define STATS_REFUSAL_LABEL(NUMBER, text) "|" text

enum stats_refusal { REFUSAL_OTHER, STATS_REFUSALS(STATS_REFUSAL_NUMBER) REFUSAL_COUNT };

/* "connections"; static. */
const char *stats_refusal_text(enum stats_refusal refusal);

#endif

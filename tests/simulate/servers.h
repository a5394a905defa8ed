/* The servers around the relays: one Redis, two upstreams. */
#ifndef TESTS_SIMULATE_SERVERS_H
#define TESTS_SIMULATE_SERVERS_H

#include "tests/simulate/world.h"

#define UPSTREAMS 2
#define REDIS_ADDRESS "192.0.2.9:6379"

/* ---- redis_server.c */

void redis_server_begin(void);
/* Its clock is so far ahead. */
void redis_server_step_clock(int64_t shift_us);
void redis_server_freeze(void);
void redis_server_thaw(void);
/* Connections are cut: calls that it had run stay without an answer. It refuses new ones until redis_server_start. */
void redis_server_stop(void);
void redis_server_start(void);
/* For some seconds, whoever runs a script is cut off before they hear of it. */
void redis_server_drop_answers(void);
void redis_server_flush(void);
bool redis_server_was_flushed(void);
bool redis_server_is_well(void);
/* The latest time that a command saw there: seconds since 1970. */
uint64_t redis_server_latest_s(void);
/* A number in a hash; 0: it is not there. As nobody asks through a connection, it is always answered. */
uint64_t redis_server_number(const char *key, const char *field);
/* False: as its marker says, it lacks counts (a node whose clock is a day off can't bring them). Nothing is charged. */
bool redis_server_is_complete(void);

/* ---- upstream_server.c */

void upstream_servers_begin(void);
/* How often, of a thousand, something goes wrong; 0: never. */
void upstream_servers_set_mood(unsigned index, unsigned faults_of_thousand);
void upstream_server_stop(unsigned index);
void upstream_server_start(unsigned index);

#endif

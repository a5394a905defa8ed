/*
 * The books of a run: each mail that a client sends, what the client heard, what upstreams have of it, and what the
 * audit says. They are held against promises 3, 4 and 5 while the run goes on, and once it is over.
 */
#ifndef TESTS_SIMULATE_BOOKS_H
#define TESTS_SIMULATE_BOOKS_H

#include "tests/simulate/world.h"

#define USERS 2

struct mail {
	unsigned number, user;
	char text[600]; /* as the gate hands it over: CRLF lines, dots stuffed */
	unsigned recipients;
	unsigned accepted; /* how often upstreams said that they have it */
	unsigned dots;     /* how often its end came to an upstream */
	unsigned answer;   /* the code that the client heard; 0: none */
	const void *relay; /* which relay process has it */
	uint64_t answered_us;
	bool is_lost; /* its relay was killed before it was sure to be given back: its charge may stay */
};

struct mail *books_write_mail(unsigned user);
/* The client heard this of it. */
void books_take_answer(struct mail *mail, unsigned code);
/* The relay is gone. What it had just refused may not be given back yet. */
void books_lose_relay(const void *relay);
/* The whole message came to an upstream; its record must be written by now. */
struct mail *books_take_dot(struct span text);
void books_take_accepted(struct mail *mail);
size_t books_count(void);
size_t books_accepted(void);

/* Whose audit is read: a folder of a node, for each of them. */
void books_watch(const char *folder);
/* Redis kept everything: then no user has more accepted in a day than this. */
void books_set_limit(unsigned messages_per_day);
/* A clock has stepped, or Redis lost its memory: it may count more than upstreams have, and never less. */
void books_allow_more(void);
/* The run is over, and all processes ended in order. Fails on the first difference. */
void books_close(void);

/* Fails unless these audits are as they were written. How many records there are. books_chain.c. */
uint64_t books_verify(const char *const *paths, size_t count);

const char *books_user(unsigned user); /* "user1@example.com" */

#endif

/* What every step of an exchange may need: its time, its words to the client, and its end. */
#ifndef AUTH_EXCHANGE_TALK_H
#define AUTH_EXCHANGE_TALK_H

#include "auth/exchange.h"

/* The chain's turn begins: from now on the reply's time is drawn. */
void exchange_begin_check(struct exchange *exchange);
/* It is over. `is_usual`: others may take as long. Does nothing unless it had begun. */
void exchange_end_check(const struct exchange *exchange, bool is_usual);

/* May free it. */
void exchange_challenge(struct exchange *exchange, const struct buf *bytes);
/* The reply is sent when it was drawn to be. */
void exchange_refuse(struct exchange *exchange, const char *reply);
/* At once, and it is freed. */
void exchange_finish(struct exchange *exchange, const char *reply);
/* Drops it without a word to the gate. NULL-safe; sets to NULL. */
void exchange_free(struct exchange **exchange);

#endif

/* What becomes of an exchange once its mechanism has evidence: the chain judges it, the relay confirms its grant. */
#ifndef AUTH_EXCHANGE_JUDGE_H
#define AUTH_EXCHANGE_JUDGE_H

#include "auth/exchange.h"

/* The mechanism is through, with `result`: its evidence is judged. May free it. */
void exchange_judge(struct exchange *exchange, enum sasl_result result);
/* SCRAM's client has sent its proof, after the salt that the chain gave (RFC 5802, 5). May free it. */
void exchange_judge_proof(struct exchange *exchange);
/* EXCHANGE_PROVED: the client has heard our own proof, and answered. May free it. */
void exchange_take_proof_answer(struct exchange *exchange);
/* EXCHANGE_GRANTING: the relay holds the grant. The client hears 235, and the exchange is freed. */
void exchange_confirm_grant(struct exchange *exchange);

#endif

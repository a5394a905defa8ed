/*
 * OpenSSL's object of a connection, which is large and mostly zeros: with OpenSSL 3.0, 1.1 KB of 7.6 are not. One that
 * nobody has used for a moment is packed: its bytes are kept without the zeros, and the pages that they were in are the
 * kernel's until it is used again, when it has all of them back at the same address. OpenSSL sees none of it, as it
 * touches an object only inside calls that name it.
 *
 * Only in a process that uses places for TLS (tls_places.h), so with one thread. Elsewhere, or with more connections
 * than there is room for, objects are on the heap and stay as they are.
 */
#ifndef NET_TLS_OBJECT_H
#define NET_TLS_OBJECT_H

#include <openssl/ssl.h>
#include <stdbool.h>

/* As SSL_new; from now on, the object must be named to OpenSSL by tls_object_use alone, also to be freed. */
SSL *tls_object_make(SSL_CTX *context);
/* The object itself, unpacked. It stays so until the loop's next turn. NULL for NULL. */
SSL *tls_object_use(SSL *ssl);
/* Once a second, outside calls of OpenSSL: objects that were not used for two are packed, some of them each time. */
void tls_object_beat(void);

/* ---- for tls_places.c */

/* Before the first object. Without memory all stays with the heap. */
void tls_object_reserve(void);
/* Room for the object that is being made, or NULL: the block is another. */
void *tls_object_take_room(size_t size);
/* Bytes of the room that the block has, or 0: it is none of these. */
size_t tls_object_room(const void *block);
/* One with a room is freed. */
void tls_object_give_room(void *block);

#endif

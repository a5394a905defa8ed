/*
 * Places for OpenSSL's large blocks: buffers of records and of a handshake's messages, which a connection needs for
 * moments. From the heap they leave holes between the blocks that stay as long as their client, once many clients have
 * come at the same time, and an idle client costs twice what it holds.
 */
#ifndef NET_TLS_PLACES_H
#define NET_TLS_PLACES_H

/*
 * From now on, for the life of the process; before OpenSSL is used at all, and only where one thread uses it.
 * Otherwise, and without memory, all stays with the heap.
 */
void tls_use_places(void);
/* Free places keep no pages for the next ones: nobody is expected soon. */
void tls_rest_places(void);

#endif

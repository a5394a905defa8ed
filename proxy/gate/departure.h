/*
 * The last one to leave ends a draining gate.
 */
#ifndef GATE_DEPARTURE_H
#define GATE_DEPARTURE_H

struct gate;

/* A session, or an arrival, may have gone: a draining gate without any tells what it still has to tell, and ends. */
void departure_note(struct gate *gate);

#endif

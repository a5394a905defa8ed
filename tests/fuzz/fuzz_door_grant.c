/* The codec of the grant door: see door_messages.h. */
#define DOOR "door/grant.def"
#include "tests/fuzz/door_messages.h"

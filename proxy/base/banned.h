/* Functions that can't be used within bounds; the compiler includes this before every file (see Makefile). */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC poison strcpy strcat strncat sprintf vsprintf strtok gets atoi atol atoll

#endif

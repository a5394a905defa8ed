/* Functions that have no bounded use; included by the compiler in front of every file (see Makefile). */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC poison strcpy strcat strncat sprintf vsprintf strtok gets atoi atol atoll

#endif

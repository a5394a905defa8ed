/*
 * The faults found in one configuration, gathered while it is read and written in the order of their lines, so that one
 * run shows them all. Private to this room.
 */
#ifndef CONFIG_FAULTS_H
#define CONFIG_FAULTS_H

#include <stdarg.h>
#include <stdio.h>

#include "base/status.h"

#define FAULTS_MAXIMUM 100    /* more help nobody; others are only counted */
#define FAULT_TEXT_SIZE 512   /* bytes, the NUL included; longer ones are cut */
#define FAULT_QUOTED_BYTES 80 /* of a value shown in a fault: "%.80s" */

struct fault {
	unsigned line;
	unsigned order; /* in which it was found: faults of one line keep it */
	char text[FAULT_TEXT_SIZE];
};

struct faults {
	struct fault *items;
	unsigned kept;
	unsigned found; /* kept <= found */
};

/* Never fails: out of memory, the fault is counted and its text lost. */
void faults_add(struct faults *faults, unsigned line, const char *format, ...) __attribute__((format(printf, 3, 4)));
void faults_add_list(struct faults *faults, unsigned line, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
/* Writes "FILE:LINE: text" lines; STATUS_INVALID when there was a fault. */
MUST_USE enum status faults_report(struct faults *faults, const char *file, FILE *out);
void faults_free(struct faults *faults);

#define FAULTS_AUTO __attribute__((cleanup(faults_free)))

#endif

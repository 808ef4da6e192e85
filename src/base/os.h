/* The operating system: mappings, atomic writing, spooling, processors, memory. POSIX.1-2008; what is Linux's own stands in os.c alone. */
#ifndef SS_BASE_OS_H
#define SS_BASE_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* A file's bytes, read-only, until the arena goes. An empty file has bytes = a valid pointer, size = 0. */
struct os_file {
    const uint8_t *bytes;
    size_t size;
    const char *path; /* "<stdin>" for "-" */
};

/* path "-" = standard input, spooled to an unlinked temporary file first. STATUS_IO with path and reason. */
status os_map_file(struct arena *arena, const char *path, struct os_file *file, struct diag *diag);

/* The same for a file that must lie inside a folder: no "..", not absolute, no link that leads out of the folder. STATUS_INVALID where
 * it does, STATUS_IO where it is not there. folder "" = the working folder. */
status os_map_inside(struct arena *arena, const char *folder, const char *relative, struct os_file *file, struct diag *diag);

bool os_file_exists(const char *path);
/* Both name the same existing file. */
bool os_same_file(const char *a, const char *b);
/* "" where the path has no folder. */
char *os_folder_of(struct arena *arena, const char *path);
char *os_file_name_of(struct arena *arena, const char *path);

/* A file that appears whole or not at all: written to a temporary in the same folder, renamed by os_output_commit. Ends with its arena:
 * what was not committed is removed. path "-" = standard output, to which commit copies nothing: bytes go as they come. */
struct os_output;
status os_output_open(struct arena *arena, const char *path, struct os_output **output, struct diag *diag);
/* Failures are kept until os_output_close. */
void os_output_write(struct os_output *output, const void *bytes, size_t count);
/* Hands the rest to the operating system; after it only the rename is left, so several outputs can be closed first and committed together.
 */
status os_output_close(struct os_output *output, struct diag *diag);
status os_output_commit(struct os_output *output, struct diag *diag);

unsigned os_processor_count(void);            /* those this process may use */
uint64_t os_memory_bytes(void);               /* of the machine, or of the process' limit where that is smaller */
bool os_is_terminal(int descriptor);          /* 1 or 2 */
unsigned os_terminal_columns(int descriptor); /* 0 = not known */
double os_seconds(void);                      /* monotonic */

#endif

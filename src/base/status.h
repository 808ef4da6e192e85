/* What a fallible function returns. The numbers are the exit codes of the command line. */
#ifndef SS_BASE_STATUS_H
#define SS_BASE_STATUS_H

typedef enum status {
    STATUS_OK = 0,
    STATUS_BUG = 1,         /* a fault of superslash itself */
    STATUS_USAGE = 2,       /* wrong option, wrong plan, stale annotations */
    STATUS_INVALID = 3,     /* not a valid model */
    STATUS_UNSUPPORTED = 4, /* valid, but nothing here can do it */
    STATUS_UNMET = 5,       /* infeasible layer, budget out of reach, nothing prunable */
    STATUS_IO = 6,          /* a file cannot be read or written */
    STATUS_LIMIT = 7        /* memory, or a size beyond what is counted in 64 bits */
} status;

#endif

/* superslash: ONNX in, ONNX out; fewer bytes across the edge of a chip with little memory.
 *
 *     superslash_model *model;
 *     superslash_error error = {0};
 *     if (superslash_model_open("in.onnx", NULL, &model, &error)) ...
 *     superslash_options *options = superslash_options_new();
 *     superslash_options_set(options, "on-chip", "64KiB", &error);
 *     superslash_options_set(options, "offchip", "-30%", &error);
 *     superslash_optimize(model, options, &error);
 *     superslash_model_write(model, "out.onnx", &error);
 *
 * Every call that can fail returns a status and, where `error` is given, one line that says what, where and with which numbers.
 * Out parameters are written only on success. Objects belong to the caller, who frees them; NULL is allowed there.
 * There are no globals: objects may be used in different threads at once, one object in one thread at a time. */
#ifndef SUPERSLASH_H
#define SUPERSLASH_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(SUPERSLASH_BUILDING) && defined(__GNUC__)
#define SUPERSLASH_API __attribute__((visibility("default")))
#else
#define SUPERSLASH_API
#endif

/* The same numbers as the exit codes of the command line. */
typedef enum superslash_status {
    SUPERSLASH_OK = 0,
    SUPERSLASH_BUG = 1,
    SUPERSLASH_USAGE = 2,
    SUPERSLASH_INVALID_MODEL = 3,
    SUPERSLASH_UNSUPPORTED = 4,
    SUPERSLASH_UNMET = 5, /* infeasible layer, budget out of reach, nothing prunable */
    SUPERSLASH_IO = 6,
    SUPERSLASH_LIMIT = 7
} superslash_status;

typedef struct superslash_error {
    superslash_status status;
    char message[1024];
} superslash_error;

/* Memory: resize(context, NULL, 0, n) allocates, (context, p, old, 0) frees and returns NULL; NULL for n > 0 = no memory. */
typedef struct superslash_allocator {
    void *context;
    void *(*resize)(void *context, void *block, size_t old_bytes, size_t new_bytes);
} superslash_allocator;

typedef struct superslash_model superslash_model;
typedef struct superslash_options superslash_options;

/* "0.1.0" */
SUPERSLASH_API const char *superslash_version(void);

/* Options by the names of the command line, without the dashes: "target", "on-chip", "offchip", "keep" (again and again), "no-fusion"
 * with value NULL, ... Options of files (-o, --json, --plan-out) are refused: the calls below give what they would write. */
SUPERSLASH_API superslash_options *superslash_options_new(void);
SUPERSLASH_API void superslash_options_free(superslash_options *options);
SUPERSLASH_API superslash_status superslash_options_set(superslash_options *options, const char *name, const char *value,
                                                        superslash_error *error);

/* allocator NULL = the C library's. The bytes of superslash_model_read are borrowed until the model is freed. */
SUPERSLASH_API superslash_status superslash_model_open(const char *path, const superslash_allocator *allocator, superslash_model **model,
                                                       superslash_error *error);
SUPERSLASH_API superslash_status superslash_model_read(const void *bytes, size_t size, const superslash_allocator *allocator,
                                                       superslash_model **model, superslash_error *error);
SUPERSLASH_API void superslash_model_free(superslash_model *model);

/* The jobs. options NULL = the defaults. After SUPERSLASH_USAGE the model is as it was; after any other failure free it.
 *
 * Explores and annotates; the model's weights stay as they are. */
SUPERSLASH_API superslash_status superslash_explore(superslash_model *model, const superslash_options *options, superslash_error *error);
/* Explores, ranks, prunes to the budget, explores again, annotates. */
SUPERSLASH_API superslash_status superslash_optimize(superslash_model *model, const superslash_options *options, superslash_error *error);
/* Applies a plan (its JSON text), explores, annotates. */
SUPERSLASH_API superslash_status superslash_prune(superslash_model *model, const char *plan, const superslash_options *options,
                                                  superslash_error *error);

/* How far the outputs of `model` are from those of `reference`, on the samples of the option "calibrate"; in the reference's report.
 * Changes neither. SUPERSLASH_UNSUPPORTED where an operator cannot be evaluated. */
SUPERSLASH_API superslash_status superslash_verify(superslash_model *reference, superslash_model *model, const superslash_options *options,
                                                   superslash_error *error);

/* What the last of the calls above found, as JSON text that lives until the next one; NULL before the first. */
SUPERSLASH_API const char *superslash_model_report(const superslash_model *model);
/* The plan of the last optimize or prune; NULL where there was none. */
SUPERSLASH_API const char *superslash_model_plan(const superslash_model *model);

/* A file appears whole or not at all. */
SUPERSLASH_API superslash_status superslash_model_write(superslash_model *model, const char *path, superslash_error *error);
/* The bytes belong to the model and live until the next call or its end. */
SUPERSLASH_API superslash_status superslash_model_bytes(superslash_model *model, const void **bytes, size_t *size, superslash_error *error);

#ifdef __cplusplus
}
#endif

#endif

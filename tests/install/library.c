/* What a user of the library writes: a model from memory, explored and pruned, written to memory, in two threads at once. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <superslash.h>

/* A model and itself are not apart. argument: a .npy of samples. */
static int verify(const void *bytes, size_t size, const char *samples) {
    superslash_error error = {0};
    superslash_model *a = NULL, *b = NULL;
    superslash_options *options = superslash_options_new();
    int failed = superslash_model_read(bytes, size, NULL, &a, &error) || superslash_model_read(bytes, size, NULL, &b, &error) ||
                 superslash_options_set(options, "calibrate", samples, &error) || superslash_verify(a, b, options, &error) ||
                 !strstr(superslash_model_report(a), "\"top1_agreement\": 1");
    if (failed) fprintf(stderr, "%s\n", error.message);
    superslash_model_free(a);
    superslash_model_free(b);
    superslash_options_free(options);
    return failed;
}

struct work {
    const void *bytes;
    const char *plan;
    size_t size, out_size, pruned_size;
    int failed;
};

static void *run(void *argument) {
    struct work *work = argument;
    superslash_error error = {0};
    superslash_model *model = NULL;
    superslash_options *options = superslash_options_new();
    const void *out;
    work->failed = superslash_model_read(work->bytes, work->size, NULL, &model, &error) ||
                   superslash_options_set(options, "on-chip", "32KiB", &error) || superslash_explore(model, options, &error) ||
                   superslash_model_bytes(model, &out, &work->out_size, &error) || superslash_prune(model, work->plan, options, &error) ||
                   superslash_model_bytes(model, &out, &work->pruned_size, &error) ||
                   !strstr(superslash_model_report(model), "offchip_bytes");
    if (work->failed) fprintf(stderr, "%s\n", error.message);
    superslash_model_free(model);
    superslash_options_free(options);
    return NULL;
}

int main(int count, char **arguments) {
    static char bytes[4 << 20];
    char plan[256];
    FILE *file = count == 4 ? fopen(arguments[1], "rb") : NULL;
    if (!file) return 2;
    snprintf(plan, sizeof plan, "{\"superslash_plan\": 1, \"keep\": {\"%s\": 8}}", arguments[2]);
    struct work work[2] = {{.bytes = bytes, .plan = plan, .size = fread(bytes, 1, sizeof bytes, file)}, {0}};
    fclose(file);
    work[1] = work[0];
    pthread_t thread;
    pthread_create(&thread, NULL, run, &work[1]);
    run(&work[0]);
    pthread_join(thread, NULL);
    printf("superslash %s: %zu B -> %zu B annotated, %zu B pruned\n", superslash_version(), work[0].size, work[0].out_size,
           work[0].pruned_size);
    if (verify(bytes, work[0].size, arguments[3])) return 1;
    return work[0].failed || work[1].failed || work[0].pruned_size != work[1].pruned_size || work[0].pruned_size >= work[0].out_size;
}

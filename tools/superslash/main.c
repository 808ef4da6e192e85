/* The command line: finds the command, reads its options, runs it, and turns its status into an exit code and one line. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/os.h"
#include "op/op.h"
#include "session.h"
#include "version.h"

const struct command commands[] = {
    {"optimize", "IN.onnx -o OUT.onnx --target T --offchip -30% [options]",
     "remove the filters that cost most off-chip traffic, to a budget, and write the model with its schedule",
     "superslash optimize in.onnx -o out.onnx --target edge-npu --offchip -30%", 1, 1, run_optimize},
    {"explore", "IN.onnx [-o ANNOTATED.onnx] --target T [options], or --layers TABLE.csv --target T [options]",
     "find for each layer the tiling and order that move the fewest bytes", "superslash explore in.onnx --on-chip 64KiB --json report.json",
     0, 1, run_explore},
    {"sweep", "IN.onnx --on-chip 16KiB:4MiB [options], or --layers TABLE.csv --on-chip 16KiB:4MiB [options]",
     "traffic against capacity: the curve and its knees", "superslash sweep in.onnx --on-chip 16KiB:4MiB --svg curve.svg", 0, 1, run_sweep},
    {"prune", "IN.onnx -o OUT.onnx --plan plan.json [options]", "apply a plan, made by optimize --plan-out or written by hand",
     "superslash prune in.onnx -o out.onnx --plan plan.json", 1, 1, run_prune},
    {"compare", "BEFORE.onnx AFTER.onnx --target T [options]", "table of what changed from one model to another",
     "superslash compare in.onnx out.onnx --target edge-npu", 2, 2, run_compare},
    {"inspect", "IN.onnx [options]", "layers, MACs, parameters, which channels can be pruned, and why others cannot",
     "superslash inspect in.onnx", 1, 1, run_inspect},
    {"verify", "A.onnx B.onnx --calibrate samples.npz [options]", "how far two models' outputs are apart",
     "superslash verify in.onnx out.onnx --calibrate samples.npz", 2, 2, run_verify},
    {"list", "targets|passes|operators|fields [NAME]",
     "presets of targets as YAML, passes, operators that are known, keys of reports, annotations and plans",
     "superslash list targets edge-npu > my-npu.yaml", 1, 2, run_list},
};
const uint32_t command_count = sizeof commands / sizeof commands[0];

struct invocation {
    struct session session;
    struct diag diag;
    int count;
    char *const *arguments;
};

static status find_command(const char *name, const struct command **command, struct diag *diag) {
    struct nearest nearest = {.text = name};
    char hint[96];
    for (uint32_t at = 0; at < command_count; at++) {
        nearest_offer(&nearest, commands[at].name);
        if (strcmp(commands[at].name, name) != 0) continue;
        *command = &commands[at];
        return STATUS_OK;
    }
    return diag_fail(diag, STATUS_USAGE, "unknown %s '%s'%s; see superslash --help", name[0] == '-' ? "option" : "command", name,
                     nearest_hint(&nearest, "", hint));
}

static bool asks_for(int count, char *const *arguments, const char *flag) {
    for (int at = 0; at < count && strcmp(arguments[at], "--") != 0; at++)
        if (strcmp(arguments[at], flag) == 0) return true;
    return false;
}

static size_t memory_limit(const struct options *options) {
    const uint64_t bytes = options->max_memory_bytes ? (uint64_t)options->max_memory_bytes : os_memory_bytes() / 2;
    return bytes < SIZE_MAX ? (size_t)bytes : SIZE_MAX;
}

static status run_command(struct session *session, int count, char *const *arguments, struct diag *diag) {
    if (!session->command->run) return diag_fail(diag, STATUS_UNSUPPORTED, "%s: not built yet", session->command->name);
    options_init(session->arena, &session->options);
    const status result = arguments_parse(session, count, arguments, diag);
    if (result != STATUS_OK) return result;
    session->heap->limit_bytes = memory_limit(&session->options);
    progress_start(&session->progress, session->options.quiet);
    return session->command->run(session, diag);
}

static status end_stdout(struct diag *diag) {
    const struct table_style style = {.file = stdout};
    return session_end_tables(&style, diag);
}

static status run_invocation(void *argument) {
    struct invocation *invocation = argument;
    struct session *session = &invocation->session;
    struct diag *diag = &invocation->diag;
    session->arena = arena_new(session->heap);
    if (invocation->count < 1) return diag_fail(diag, STATUS_USAGE, "no command given; see superslash --help");
    const char *first = invocation->arguments[0];
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) {
        help_all(stdout);
    } else if (strcmp(first, "--version") == 0) {
        printf("superslash %s\nnewest ONNX opset %d\n", SUPERSLASH_VERSION_TEXT, OP_NEWEST_OPSET);
    } else {
        status result = find_command(first, &session->command, diag);
        if (result != STATUS_OK) return result;
        const int count = invocation->count - 1;
        char *const *rest = invocation->arguments + 1;
        if (asks_for(count, rest, "--help") || asks_for(count, rest, "-h")) help_command(stdout, session->command);
        else result = run_command(session, count, rest, diag);
        if (result != STATUS_OK) return result;
    }
    return end_stdout(diag);
}

int main(int count, char **arguments) {
    struct heap heap;
    heap_init(&heap, NULL, 0);
    struct invocation invocation = {.count = count > 0 ? count - 1 : 0, .arguments = arguments + 1};
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error of writing, after which temporaries are removed */
    invocation.session.heap = &heap;
    status result = heap_run(&heap, &invocation.diag, run_invocation, &invocation);
    progress_clear(&invocation.session.progress);
    heap_release(&heap);
    fflush(stdout);
    if (result == STATUS_OK) return EXIT_SUCCESS;
    fprintf(stderr, "superslash: %s\n", invocation.diag.message[0] ? invocation.diag.message : "failed without a message: a bug");
    return (int)result;
}

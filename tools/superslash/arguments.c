/* The words of the command line: options by their rows, the rest in order. */
#include <string.h>

#include "base/os.h"
#include "passes.h"
#include "session.h"

struct arguments {
    struct session *session;
    char *const *rest;
    int count;
    ARRAY(const char *) words;
};

/* "--name", "--name=value" or "-o": sets it, taking the next argument for its value where needed. */
static status take_option(struct arguments *arguments, const char *argument, struct diag *diag) {
    struct session *session = arguments->session;
    char *name = arena_copy_text(session->arena, argument + (argument[1] == '-' ? 2 : 1));
    char *const equals = strchr(name, '=');
    if (equals) *equals = '\0';
    const bool is_short = argument[1] != '-', is_short_name = strlen(name) == 1;
    if (is_short != is_short_name)
        return diag_fail(diag, STATUS_USAGE, "unknown option %s; see superslash %s --help", argument, session->command->name);
    bool takes_value;
    const status result = options_takes_value(session->command->name, name, &takes_value, diag);
    if (result != STATUS_OK) return result;
    const char *value = equals ? equals + 1 : NULL;
    if (takes_value && !value && arguments->count && strncmp(arguments->rest[0], "--", 2) != 0) {
        value = *arguments->rest++;
        arguments->count--;
    }
    return options_set(&session->options, name, value, diag);
}

static status take_words(struct arguments *arguments, struct diag *diag) {
    struct session *session = arguments->session;
    bool only_words = false;
    while (arguments->count) {
        const char *argument = *arguments->rest++;
        arguments->count--;
        if (!only_words && strcmp(argument, "--") == 0) {
            only_words = true;
        } else if (only_words || argument[0] != '-' || !argument[1]) {
            array_push(session->arena, &arguments->words, argument);
        } else {
            const status result = take_option(arguments, argument, diag);
            if (result != STATUS_OK) return result;
        }
    }
    session->words = arguments->words.items;
    session->word_count = arguments->words.count;
    return STATUS_OK;
}

static status check_words(const struct session *session, struct diag *diag) {
    const struct command *command = session->command;
    if (session->word_count < command->words_from)
        return diag_fail(diag, STATUS_USAGE, "%s: something is missing: superslash %s %s", command->name, command->name, command->usage);
    if (session->word_count > command->words_to)
        return diag_fail(diag, STATUS_USAGE, "%s: '%s' is one too many: superslash %s %s", command->name, session->words[command->words_to],
                         command->name, command->usage);
    return STATUS_OK;
}

static status check_twice(const char *const *paths, uint32_t count, const char *stream, struct diag *diag) {
    for (uint32_t a = 0; a < count; a++)
        for (uint32_t b = a + 1; b < count; b++) {
            if (!paths[a] || !paths[b]) continue;
            const bool equal = strcmp(paths[a], paths[b]) == 0;
            if (equal && strcmp(paths[a], "-") == 0)
                return diag_fail(diag, STATUS_USAGE, "the standard %s (-) can be used only once", stream);
            if (strcmp(stream, "output") == 0 && (equal || os_same_file(paths[a], paths[b])))
                return diag_fail(diag, STATUS_USAGE, "two outputs would go to the same file '%s'", paths[b]);
        }
    return STATUS_OK;
}

status arguments_check_files(const struct options *options, struct diag *diag) {
    const char *const inputs[] = {options->input,  options->second_input, options->layers, options->plan,
                                  options->target, options->calibrate,    options->labels};
    const char *const outputs[] = {options->output, options->json, options->plan_out, options->csv, options->svg};
    const status result = check_twice(inputs, 7, "input", diag);
    return result == STATUS_OK ? check_twice(outputs, 5, "output", diag) : result;
}

status arguments_parse(struct session *session, int count, char *const *rest, struct diag *diag) {
    struct arguments arguments = {.session = session, .rest = rest, .count = count};
    struct options *options = &session->options;
    status result = take_words(&arguments, diag);
    if (result == STATUS_OK) result = check_words(session, diag);
    if (result != STATUS_OK) return result;
    options->input = session->word_count > 0 ? session->words[0] : NULL;
    options->second_input = session->word_count > 1 ? session->words[1] : NULL;
    if (options->quiet && options->verbose) return diag_fail(diag, STATUS_USAGE, "--quiet and --verbose contradict each other");
    if (options->print_after) result = passes_check_name(session->arena, options->print_after, diag);
    return result == STATUS_OK ? arguments_check_files(options, diag) : result;
}

/* Help, from the rows of commands and options. */
#include <string.h>

#include "session.h"

enum { HELP_COLUMN = 30, HELP_WIDTH = 100 };

static void help_wrapped(FILE *file, const char *text) {
    int column = HELP_COLUMN;
    while (*text) {
        const int length = (int)strcspn(text, " ");
        if (column > HELP_COLUMN && column + 1 + length > HELP_WIDTH) {
            fprintf(file, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            column += fprintf(file, " ");
        }
        column += fprintf(file, "%.*s", length, text);
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', file);
}

static void help_row(FILE *file, const char *left, const char *text) {
    const int length = fprintf(file, "  %s", left);
    if (length >= HELP_COLUMN) fprintf(file, "\n%*s", HELP_COLUMN, "");
    else fprintf(file, "%*s", HELP_COLUMN - length, "");
    help_wrapped(file, text);
}

static void help_option(FILE *file, const struct option_row *row) {
    char left[96], text[256];
    snprintf(left, sizeof left, "%s%s%s%s", row->name[1] ? "--" : "-", row->name, row->hint[0] ? " " : "", row->hint);
    snprintf(text, sizeof text, "%s%s%s%s%s", row->help, row->flags & OPTION_LATER ? " (not built yet)" : "",
             row->default_text[0] ? " [" : "", row->default_text, row->default_text[0] ? "]" : "");
    help_row(file, left, text);
}

void help_all(FILE *file) {
    fputs("superslash: ONNX in, ONNX out; fewer bytes across the edge of a chip with little memory\n\n", file);
    for (uint32_t at = 0; at < command_count; at++) help_row(file, commands[at].name, commands[at].summary);
    help_row(file, "--version", "version, and the newest ONNX opset whose rules are built in");
    help_row(file, "COMMAND --help", "the options of a command");
    fputs("\n- is the standard input or output. Data go to the standard output, messages to the error output.\n"
          "Exit codes: 0 done; 2 wrong usage; 3 not a valid model; 4 unsupported; 5 cannot be met; 6 input/output;\n"
          "7 memory or limit; 1 a bug in superslash.\n\nExample:\n",
          file);
    fprintf(file, "  %s\n", commands[0].example);
}

void help_command(FILE *file, const struct command *command) {
    fprintf(file, "superslash %s %s\n\n%s%s.\n", command->name, command->usage, command->summary, command->run ? "" : " (not built yet)");
    const unsigned bit = option_command_bit(command->name);
    if (bit) fputs("\nOptions [default]:\n", file);
    for (uint32_t at = 0; at < option_row_count; at++)
        if (option_rows[at].commands & bit) help_option(file, &option_rows[at]);
    fprintf(file, "\nExample:\n  %s\n", command->example);
}

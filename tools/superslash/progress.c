#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/os.h"

static const double silent_s = 2, between_s = 0.1;
enum { BAR_CELLS = 24 };

void progress_start(struct progress *progress, bool quiet) {
    *progress = (struct progress){.is_on = !quiet && os_is_terminal(STDERR_FILENO), .start_s = os_seconds()};
}

void progress_update(void *context, const char *what, double share) {
    struct progress *progress = context;
    if (!progress->is_on) return;
    const double now_s = os_seconds(), spent_s = now_s - progress->start_s;
    if (spent_s < silent_s || now_s - progress->last_s < between_s) return;
    progress->last_s = now_s;
    progress->is_shown = true;
    char bar[BAR_CELLS + 1];
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    for (int cell = 0; cell < BAR_CELLS; cell++) bar[cell] = cell < (int)(share * BAR_CELLS) ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    fprintf(stderr, "\r\033[K%.30s [%s] %3.0f %%", what, bar, 100 * share);
    if (share > 0.01) fprintf(stderr, ", %.0f s left", spent_s * (1 - share) / share);
    fflush(stderr);
}

void progress_clear(struct progress *progress) {
    if (progress->is_shown) fputs("\r\033[K", stderr);
    progress->is_shown = false;
}

/* The curve of a sweep as a picture: no script, no font of its own, the same bytes for the same record. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/sweep.h"
#include "report/table.h"
#include "report/text.h"

enum { SVG_WIDTH = 960, SVG_HEIGHT = 540, SVG_LEFT = 96, SVG_RIGHT = 928, SVG_TOP = 72, SVG_BOTTOM = 468 };
enum { KNEES_CONSIDERED = 256, KNEES_LABELLED = 8, BOXES = KNEES_LABELLED + 2, LABEL_HEIGHT = 15, TICK_ROOM = 56, KNEE_ROOM = 96 };
static const double letter_width = 6.5;

static const char svg_style[] =
    "<style>text{font-family:system-ui,Helvetica,Arial,sans-serif;font-size:12px;fill:#4b5563}.title{font-size:18px;font-weight:600;fill:#"
    "111827}"
    ".grid{stroke:#e5e7eb}.axis{stroke:#9ca3af}.curve{fill:none;stroke:#2563eb;stroke-width:2}.under{fill:#2563eb;fill-opacity:.08}"
    ".bound{stroke:#059669;stroke-dasharray:6 4}.knee{fill:#fff;stroke:#2563eb;stroke-width:2}.label{fill:#1e3a8a}.unfit{fill:#fee2e2}"
    ".end{text-anchor:end}.middle{text-anchor:middle}</style>\n";

/* The place of a label, so that no two overlap. */
struct box {
    double left, right, bottom;
};

struct picture {
    struct text text;
    const struct record_sweep *sweep;
    double low_x, span_x; /* log2 of the capacity */
    bool is_log;
    double low_y, high_y; /* bytes, or their log2 */
    int64_t most_bytes;   /* at the first capacity into which everything fits; 0 = none */
    double first_x;       /* that capacity */
    struct box boxes[BOXES];
    uint32_t box_count;
};

/* ---- where things stand ---- */

static double svg_x(const struct picture *picture, int64_t capacity_bytes) {
    return SVG_LEFT + (log2((double)capacity_bytes) - picture->low_x) / picture->span_x * (SVG_RIGHT - SVG_LEFT);
}

static double svg_y(const struct picture *picture, double bytes) {
    const double at = picture->is_log ? log2(bytes < 1 ? 1 : bytes) : bytes;
    return SVG_BOTTOM - (at - picture->low_y) / (picture->high_y - picture->low_y) * (SVG_BOTTOM - SVG_TOP);
}

static void svg_scale(struct picture *picture) {
    const struct record_sweep *sweep = picture->sweep;
    int64_t least_bytes = sweep->least_bytes;
    for (uint32_t i = sweep->step_count; i-- > 0;)
        if (!sweep->steps[i].infeasible_layers) picture->most_bytes = sweep->steps[i].offchip_bytes;
    if (sweep->lower_bound_bytes < least_bytes) least_bytes = sweep->lower_bound_bytes;
    if (sweep->compulsory_bytes < least_bytes) least_bytes = sweep->compulsory_bytes;
    picture->low_x = log2((double)sweep->from_bytes);
    picture->span_x = log2((double)sweep->to_bytes) - picture->low_x;
    if (!(picture->span_x > 0)) picture->span_x = 1;
    picture->is_log = least_bytes > 0 && picture->most_bytes / 8 > least_bytes;
    picture->low_y = picture->is_log ? floor(log2((double)least_bytes)) : 0;
    picture->high_y = picture->is_log           ? ceil(log2((double)picture->most_bytes))
                      : picture->most_bytes > 0 ? 1.08 * (double)picture->most_bytes
                                                : 1;
}

/* ---- writing ---- */

static void svg_add(struct picture *picture, const char *plain) { text_add(&picture->text, plain); }

/* To a tenth of a pixel. */
static void svg_add_number(struct picture *picture, double number) { text_add_double(&picture->text, floor(10 * number + 0.5) / 10); }

static void svg_add_attribute(struct picture *picture, const char *name, double number) {
    svg_add(picture, " ");
    svg_add(picture, name);
    svg_add(picture, "=\"");
    svg_add_number(picture, number);
    svg_add(picture, "\"");
}

/* Foreign text: what XML does not allow becomes '?'. */
static void svg_add_foreign(struct picture *picture, const char *plain) {
    for (size_t length; *plain; plain += length ? length : 1) {
        const unsigned char byte = (unsigned char)*plain;
        length = text_utf8_length(plain);
        if (byte == '&') svg_add(picture, "&amp;");
        else if (byte == '<') svg_add(picture, "&lt;");
        else if (byte == '>') svg_add(picture, "&gt;");
        else if (!length || byte < 0x20 || byte == 0x7F || strncmp(plain, "\xEF\xBF\xBE", 3) == 0 || strncmp(plain, "\xEF\xBF\xBF", 3) == 0)
            svg_add(picture, "?");
        else text_add_bytes(&picture->text, plain, length);
    }
}

static void svg_open_text(struct picture *picture, const char *class, double x, double y) {
    svg_add(picture, "<text class=\"");
    svg_add(picture, class);
    svg_add(picture, "\"");
    svg_add_attribute(picture, "x", x);
    svg_add_attribute(picture, "y", y);
    svg_add(picture, ">");
}

static void svg_add_text(struct picture *picture, const char *class, double x, double y, const char *plain) {
    svg_open_text(picture, class, x, y);
    svg_add_foreign(picture, plain);
    svg_add(picture, "</text>\n");
}

static void svg_add_line(struct picture *picture, const char *class, double x1, double y1, double x2, double y2) {
    svg_add(picture, "<line class=\"");
    svg_add(picture, class);
    svg_add(picture, "\"");
    svg_add_attribute(picture, "x1", x1);
    svg_add_attribute(picture, "y1", y1);
    svg_add_attribute(picture, "x2", x2);
    svg_add_attribute(picture, "y2", y2);
    svg_add(picture, "/>\n");
}

/* "16 KiB" where it is whole, "16.5 KiB" where not. */
static const char *svg_size(int64_t bytes, char text[32]) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    int unit = 0;
    int64_t whole = bytes;
    for (; unit < 5 && whole >= 1024 && whole % 1024 == 0; unit++) whole /= 1024;
    if (whole >= 1024) return table_bytes(bytes, text);
    snprintf(text, 32, "%" PRId64 " %s", whole, units[unit]);
    return text;
}

/* ---- axes ---- */

static void svg_add_capacities(struct picture *picture) {
    char size[32];
    double free_x = 0;
    for (uint32_t i = 0; i < picture->sweep->sample_count; i++) {
        const int64_t capacity_bytes = picture->sweep->samples[i].capacity_bytes;
        const double x = svg_x(picture, capacity_bytes);
        svg_add_line(picture, "grid", x, SVG_TOP, x, SVG_BOTTOM);
        if (x < free_x) continue;
        free_x = x + TICK_ROOM;
        svg_add_text(picture, "middle", x, SVG_BOTTOM + 18, svg_size(capacity_bytes, size));
    }
    svg_add_text(picture, "middle", (SVG_LEFT + SVG_RIGHT) / 2, SVG_BOTTOM + 44, "on-chip capacity");
}

static void svg_add_amount(struct picture *picture, int64_t bytes) {
    char size[32];
    const double y = svg_y(picture, (double)bytes);
    svg_add_line(picture, "grid", SVG_LEFT, y, SVG_RIGHT, y);
    svg_add_text(picture, "end", SVG_LEFT - 8, y + 4, svg_size(bytes, size));
}

/* 1, 2 or 5 times a power of ten of a unit; eight at most, as whole bytes. */
static int64_t svg_linear_step(double most) {
    int64_t unit = 1, step = 1;
    while (most / (double)unit >= 1024 * 4) unit *= 1024;
    for (int i = 0; most / (double)(unit * step) > 8; i++) step = i % 3 == 1 ? step / 2 * 5 : step * 2;
    return unit * step;
}

static void svg_add_amounts(struct picture *picture) {
    if (picture->is_log) {
        const int most = (int)picture->high_y, least = (int)picture->low_y, every = (most - least) / 10 + 1;
        for (int power = least; power <= most; power += every) svg_add_amount(picture, INT64_C(1) << power);
        return;
    }
    const int64_t step_bytes = svg_linear_step(picture->high_y);
    for (int64_t bytes = 0; (double)bytes <= picture->high_y; bytes += step_bytes) svg_add_amount(picture, bytes);
}

/* ---- the curve ---- */

/* Its steps, of those in the same tenth of a pixel the last. */
static void svg_add_steps(struct picture *picture, uint32_t first) {
    const struct record_sweep *sweep = picture->sweep;
    double last_x = svg_x(picture, sweep->steps[first].capacity_bytes);
    svg_add_number(picture, last_x);
    svg_add(picture, " ");
    svg_add_number(picture, svg_y(picture, (double)sweep->steps[first].offchip_bytes));
    for (uint32_t i = first + 1; i < sweep->step_count; i++) {
        const double x = svg_x(picture, sweep->steps[i].capacity_bytes);
        if (i + 1 < sweep->step_count && svg_x(picture, sweep->steps[i + 1].capacity_bytes) < last_x + 0.1) continue;
        last_x = x;
        svg_add(picture, "H");
        svg_add_number(picture, x);
        svg_add(picture, "V");
        svg_add_number(picture, svg_y(picture, (double)sweep->steps[i].offchip_bytes));
    }
    svg_add(picture, "H");
    svg_add_number(picture, SVG_RIGHT);
}

static void svg_add_curve(struct picture *picture) {
    uint32_t first = 0;
    while (first < picture->sweep->step_count && picture->sweep->steps[first].infeasible_layers) first++;
    const bool fits = first < picture->sweep->step_count;
    const double x = fits ? svg_x(picture, picture->sweep->steps[first].capacity_bytes) : SVG_RIGHT;
    picture->first_x = x;
    if (first) {
        svg_add(picture, "<rect class=\"unfit\"");
        svg_add_attribute(picture, "x", SVG_LEFT);
        svg_add_attribute(picture, "y", SVG_TOP);
        svg_add_attribute(picture, "width", x - SVG_LEFT);
        svg_add_attribute(picture, "height", SVG_BOTTOM - SVG_TOP);
        svg_add(picture, "><title>a layer does not fit</title></rect>\n");
        if (x - SVG_LEFT > 80) svg_add_text(picture, "middle", (SVG_LEFT + x) / 2, (SVG_TOP + SVG_BOTTOM) / 2, "does not fit");
    }
    if (!fits) return;
    svg_add(picture, "<path class=\"under\" d=\"M");
    svg_add_steps(picture, first);
    svg_add(picture, "V");
    svg_add_number(picture, SVG_BOTTOM);
    svg_add(picture, "H");
    svg_add_number(picture, x);
    svg_add(picture, "Z\"/>\n<path class=\"curve\" d=\"M");
    svg_add_steps(picture, first);
    svg_add(picture, "\"/>\n");
}

/* ---- bounds and knees ---- */

static bool box_is_free(const struct picture *picture, const struct box *box) {
    if (box->right > SVG_RIGHT || box->left < SVG_LEFT || box->bottom < SVG_TOP + LABEL_HEIGHT || box->bottom > SVG_BOTTOM - 4)
        return false;
    for (uint32_t i = 0; i < picture->box_count; i++) {
        const struct box *other = &picture->boxes[i];
        if (box->left < other->right && other->left < box->right && fabs(box->bottom - other->bottom) < LABEL_HEIGHT) return false;
    }
    return true;
}

/* A label that ends or starts at x, a little above y; `tries` places, each above the one before. Without room there is none. */
static void svg_add_label(struct picture *picture, double x, double y, int tries, const char *label) {
    const double width = letter_width * (double)strlen(label), left = x + 7 + width <= SVG_RIGHT ? x + 7 : x - 7 - width;
    for (int try = 0; try < tries && picture->box_count < BOXES; try++) {
        const struct box box = {left, left + width, y - try * LABEL_HEIGHT};
        if (!box_is_free(picture, &box)) continue;
        picture->boxes[picture->box_count++] = box;
        svg_add_text(picture, "label", left, box.bottom, label);
        return;
    }
}

/* A dashed line, its name under it: the curve is never there. */
static void svg_add_bound(struct picture *picture, const char *name, int64_t bytes) {
    char label[96], size[32];
    const double y = svg_y(picture, (double)bytes);
    if (bytes <= 0 || !picture->most_bytes) return;
    snprintf(label, sizeof label, "%s %s", name, table_bytes(bytes, size));
    svg_add_line(picture, "bound", SVG_LEFT, y, SVG_RIGHT, y);
    svg_add_label(picture, picture->first_x, y + 15 < SVG_BOTTOM - 4 ? y + 15 : y - 5, 1, label);
}

static void svg_add_knee(struct picture *picture, const struct record_knee *knee) {
    char label[96], capacity[32], saved[32];
    const double x = svg_x(picture, knee->capacity_bytes), y = svg_y(picture, (double)knee->offchip_bytes);
    snprintf(label, sizeof label, "%s B: \xE2\x88\x92%s", table_number(knee->capacity_bytes, capacity),
             table_bytes(knee->saved_bytes, saved));
    svg_add_label(picture, x, y - 7, 2, label);
    svg_add(picture, "<circle class=\"knee\" r=\"3.5\"");
    svg_add_attribute(picture, "cx", x);
    svg_add_attribute(picture, "cy", y);
    svg_add(picture, "><title>");
    svg_add_foreign(picture, label);
    if (knee->layer) svg_add(picture, " in ");
    if (knee->layer) svg_add_foreign(picture, knee->layer);
    svg_add(picture, "</title></circle>\n");
}

/* Those that save most, of neighbours the largest. */
static void svg_add_knees(struct picture *picture) {
    const struct record_knee *largest[KNEES_CONSIDERED];
    const uint32_t count = sweep_largest(picture->sweep, largest, KNEES_CONSIDERED);
    double taken_x[KNEES_LABELLED];
    uint32_t taken = 0;
    for (uint32_t i = 0; i < count && taken < KNEES_LABELLED; i++) {
        const double x = svg_x(picture, largest[i]->capacity_bytes);
        bool is_near = false;
        for (uint32_t k = 0; k < taken; k++) is_near = is_near || fabs(taken_x[k] - x) < KNEE_ROOM;
        if (is_near) continue;
        taken_x[taken++] = x;
        svg_add_knee(picture, largest[i]);
    }
}

static void svg_add_title(struct picture *picture, const struct record *record) {
    static const char title[] = "Off-chip traffic against on-chip capacity";
    svg_add(picture, "<title>");
    svg_add(picture, title);
    svg_add(picture, "</title>\n");
    svg_add(picture, svg_style);
    svg_add(picture, "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
    svg_add_text(picture, "title", SVG_LEFT, 32, title);
    svg_open_text(picture, "what", SVG_LEFT, 52);
    svg_add_foreign(picture, record->model && record->model->path ? record->model->path : "a layer table");
    svg_add(picture, ", target ");
    svg_add_foreign(picture, record->target && record->target->name ? record->target->name : "without a name");
    svg_add(picture, ", bytes per run</text>\n");
}

char *svg_sweep(struct arena *arena, const struct record *record) {
    struct picture picture = {.sweep = record->sweep, .first_x = SVG_LEFT};
    text_begin(&picture.text, arena);
    svg_scale(&picture);
    svg_add(&picture, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"960\" height=\"540\" viewBox=\"0 0 960 540\" role=\"img\">\n");
    svg_add_title(&picture, record);
    svg_add_capacities(&picture);
    if (picture.most_bytes) svg_add_amounts(&picture);
    svg_add_curve(&picture);
    svg_add_line(&picture, "axis", SVG_LEFT, SVG_BOTTOM, SVG_RIGHT, SVG_BOTTOM);
    svg_add_line(&picture, "axis", SVG_LEFT, SVG_TOP, SVG_LEFT, SVG_BOTTOM);
    svg_add_bound(&picture, "compulsory", record->sweep->compulsory_bytes);
    if (record->sweep->lower_bound_bytes > record->sweep->compulsory_bytes)
        svg_add_bound(&picture, "lower bound, layer by layer", record->sweep->lower_bound_bytes);
    svg_add_knees(&picture);
    svg_add(&picture, "</svg>\n");
    return text_finish(&picture.text, arena);
}

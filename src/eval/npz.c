#include "eval/npz.h"

#include <string.h>
#include <zip.h>

#include "base/array.h"
#include "base/checked.h"
#include "base/os.h"

enum { NPZ_CHUNK_BYTES = 1 << 16, NPZ_MAX_ARRAYS = 4096 };

/* Where an array's bytes come from: memory, or an entry of the zip that is read forward. */
struct npz_source {
    struct npz_array array;
    const uint8_t *bytes; /* of the data, in C order; NULL = the entry */
    zip_uint64_t entry;
    zip_file_t *file; /* open, at `position` bytes into the data */
    int64_t position;
};

struct npz {
    struct arena *arena;
    const char *path;
    zip_t *zip;
    ARRAY(struct npz_source) sources;
    uint8_t *chunk;
};

uint32_t npz_count(const struct npz *npz) { return npz->sources.count; }
const struct npz_array *npz_array(const struct npz *npz, uint32_t index) { return &npz->sources.items[index].array; }
int64_t npz_rows(const struct npz_array *array) { return array->npy.rank ? array->npy.dims[0] : 1; }

int64_t npz_row_elems(const struct npz_array *array) {
    int64_t elements = 1;
    for (uint32_t i = 1; i < array->npy.rank; i++) elements *= array->npy.dims[i];
    return elements;
}

static const char *npz_what(const struct npz *npz, const char *name) {
    return *name ? arena_print(npz->arena, "%s: '%s'", npz->path, name) : npz->path;
}

/* ---- a zip entry ---- */

static void npz_close_entry(struct npz_source *source) {
    if (source->file) zip_fclose(source->file);
    source->file = NULL;
}

/* Reads exactly so many bytes. */
static status npz_pull(struct npz *npz, struct npz_source *source, uint8_t *bytes, size_t count, struct diag *diag) {
    for (size_t done = 0; done < count;) {
        const zip_int64_t got = zip_fread(source->file, bytes + done, count - done);
        if (got <= 0)
            return diag_fail(diag, STATUS_USAGE, "%s: its data are cut off or damaged%s%s", npz_what(npz, source->array.name),
                             got < 0 ? ": " : "", got < 0 ? zip_file_strerror(source->file) : "");
        done += (size_t)got;
    }
    return STATUS_OK;
}

static status npz_open_entry(struct npz *npz, struct npz_source *source, struct diag *diag) {
    npz_close_entry(source);
    source->file = zip_fopen_index(npz->zip, source->entry, 0);
    if (source->file) return STATUS_OK;
    return diag_fail(diag, STATUS_USAGE, "%s: %s", npz_what(npz, source->array.name), zip_strerror(npz->zip));
}

/* Brings an open or fresh entry to a byte of its data. */
static status npz_seek(struct npz *npz, struct npz_source *source, int64_t to, struct diag *diag) {
    status result = STATUS_OK;
    if (!source->file || source->position > to) {
        result = npz_open_entry(npz, source, diag);
        source->position = -(int64_t)source->array.npy.header_bytes;
    }
    while (result == STATUS_OK && source->position < to) {
        const int64_t step = least(to - source->position, NPZ_CHUNK_BYTES);
        result = npz_pull(npz, source, npz->chunk, (size_t)step, diag);
        source->position += step;
    }
    if (result != STATUS_OK) npz_close_entry(source);
    return result;
}

/* ---- Fortran order: the first index runs fastest ---- */

static void npz_turn(const struct npy *npy, const uint8_t *from, uint8_t *to) {
    int64_t index[SHAPE_MAX_RANK] = {0}, strides[SHAPE_MAX_RANK], stride = 1;
    for (uint32_t i = 0; i < npy->rank; stride *= npy->dims[i++]) strides[i] = stride;
    for (int64_t at = 0; at < npy->elements; at++, to += npy->item_bytes) {
        int64_t place = 0;
        for (uint32_t i = 0; i < npy->rank; i++) place += index[i] * strides[i];
        memcpy(to, from + (size_t)place * npy->item_bytes, npy->item_bytes);
        for (uint32_t i = npy->rank; i-- > 0 && ++index[i] == npy->dims[i];) index[i] = 0;
    }
}

static status npz_straighten(struct npz *npz, struct npz_source *source, struct diag *diag) {
    const struct npy *npy = &source->array.npy;
    if (!npy->is_fortran || npy->rank < 2) return STATUS_OK;
    const uint8_t *raw = source->bytes;
    uint8_t *turned = arena_alloc(npz->arena, (size_t)npy->data_bytes);
    if (!raw) {
        uint8_t *whole = arena_alloc(npz->arena, (size_t)npy->data_bytes);
        status result = npz_seek(npz, source, 0, diag);
        if (result == STATUS_OK) result = npz_pull(npz, source, whole, (size_t)npy->data_bytes, diag);
        npz_close_entry(source);
        if (result != STATUS_OK) return result;
        raw = whole;
    }
    npz_turn(npy, raw, turned);
    source->bytes = turned;
    return STATUS_OK;
}

/* ---- opening ---- */

static status npz_check_size(const struct npz *npz, const struct npz_source *source, uint64_t size, struct diag *diag) {
    const struct npy *npy = &source->array.npy;
    if (size >= npy->header_bytes && size - npy->header_bytes == (uint64_t)npy->data_bytes) return STATUS_OK;
    return diag_fail(diag, STATUS_USAGE, "%s: holds %llu B of data, its header says %lld", npz_what(npz, source->array.name),
                     (unsigned long long)(size > npy->header_bytes ? size - npy->header_bytes : 0), (long long)npy->data_bytes);
}

static status npz_add_entry(struct npz *npz, zip_uint64_t entry, struct diag *diag) {
    zip_stat_t stat;
    struct npz_source source = {.entry = entry};
    if (zip_stat_index(npz->zip, entry, 0, &stat) != 0 || !(stat.valid & ZIP_STAT_NAME) || !(stat.valid & ZIP_STAT_SIZE))
        return diag_fail(diag, STATUS_USAGE, "%s: entry %llu is damaged", npz->path, (unsigned long long)entry);
    char *name = arena_copy_text(npz->arena, stat.name);
    const size_t length = strlen(name);
    if (length > 4 && strcmp(name + length - 4, ".npy") == 0) name[length - 4] = '\0';
    source.array.name = name;
    for (uint32_t i = 0; i < npz->sources.count; i++)
        if (strcmp(npz->sources.items[i].array.name, name) == 0)
            return diag_fail(diag, STATUS_USAGE, "%s: array '%s' is there twice", npz->path, name);
    const size_t head = stat.size < NPY_MAX_HEADER_BYTES ? (size_t)stat.size : NPY_MAX_HEADER_BYTES;
    status result = npz_open_entry(npz, &source, diag);
    if (result == STATUS_OK) result = npz_pull(npz, &source, npz->chunk, head, diag);
    npz_close_entry(&source);
    if (result == STATUS_OK) result = npy_parse(npz->chunk, head, npz_what(npz, name), &source.array.npy, diag);
    if (result == STATUS_OK) result = npz_check_size(npz, &source, stat.size, diag);
    if (result == STATUS_OK) result = npz_straighten(npz, &source, diag);
    if (result == STATUS_OK) array_push(npz->arena, &npz->sources, source);
    return result;
}

static void npz_discard(void *argument) {
    struct npz *npz = argument;
    for (uint32_t i = 0; i < npz->sources.count; i++) npz_close_entry(&npz->sources.items[i]);
    if (npz->zip) zip_discard(npz->zip);
}

static status npz_open_zip(struct npz *npz, const struct os_file *file, struct diag *diag) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(file->bytes, file->size, 0, &error);
    npz->zip = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
    if (!npz->zip) {
        diag_fail(diag, STATUS_USAGE, "%s: not a zip of numpy arrays: %s", npz->path, zip_error_strerror(&error));
        if (source) zip_source_free(source);
        zip_error_fini(&error);
        return STATUS_USAGE;
    }
    zip_error_fini(&error);
    const zip_int64_t entries = zip_get_num_entries(npz->zip, 0);
    if (entries < 1 || entries > NPZ_MAX_ARRAYS)
        return diag_fail(diag, STATUS_USAGE, "%s: holds %lld arrays, expected 1 to %d", npz->path, (long long)entries, NPZ_MAX_ARRAYS);
    status result = STATUS_OK;
    for (zip_int64_t i = 0; i < entries && result == STATUS_OK; i++) result = npz_add_entry(npz, (zip_uint64_t)i, diag);
    return result;
}

static status npz_open_npy(struct npz *npz, const struct os_file *file, struct diag *diag) {
    struct npz_source source = {.array.name = ""};
    status result = npy_parse(file->bytes, file->size, npz->path, &source.array.npy, diag);
    if (result == STATUS_OK) result = npz_check_size(npz, &source, file->size, diag);
    source.bytes = file->bytes + source.array.npy.header_bytes;
    if (result == STATUS_OK) result = npz_straighten(npz, &source, diag);
    if (result == STATUS_OK) array_push(npz->arena, &npz->sources, source);
    return result;
}

status npz_open(struct arena *arena, const char *path, struct npz **out, struct diag *diag) {
    struct os_file file;
    struct npz *npz = ARENA_NEW(arena, struct npz);
    status result = os_map_file(arena, path, &file, diag);
    if (result != STATUS_OK) return result;
    npz->arena = arena;
    npz->path = arena_copy_text(arena, file.path);
    npz->chunk = arena_alloc(arena, NPZ_CHUNK_BYTES);
    arena_defer(arena, npz_discard, npz);
    const bool is_zip = file.size > 4 && memcmp(file.bytes, "PK", 2) == 0;
    result = is_zip ? npz_open_zip(npz, &file, diag) : npz_open_npy(npz, &file, diag);
    if (result == STATUS_OK) *out = npz;
    return result;
}

/* ---- reading ---- */

static status npz_convert(const struct npz *npz, const struct npz_source *source, const uint8_t *raw, int64_t count, float *floats,
                          int64_t *integers, struct diag *diag) {
    if (floats) npy_floats(&source->array.npy, raw, count, floats);
    else if (!npy_integers(&source->array.npy, raw, count, integers))
        return diag_fail(diag, STATUS_USAGE, "%s: a number exceeds 63 bits", npz_what(npz, source->array.name));
    return STATUS_OK;
}

status npz_read(struct npz *npz, uint32_t index, int64_t from, int64_t count, float *floats, int64_t *integers, struct diag *diag) {
    struct npz_source *source = &npz->sources.items[index];
    const int64_t item_bytes = source->array.npy.item_bytes, row = npz_row_elems(&source->array), start = from * row * item_bytes;
    if (source->bytes) return npz_convert(npz, source, source->bytes + start, count * row, floats, integers, diag);
    status result = npz_seek(npz, source, start, diag);
    for (int64_t done = 0; done < count * row && result == STATUS_OK;) {
        const int64_t part = least(count * row - done, NPZ_CHUNK_BYTES / item_bytes);
        result = npz_pull(npz, source, npz->chunk, (size_t)(part * item_bytes), diag);
        if (result == STATUS_OK)
            result = npz_convert(npz, source, npz->chunk, part, floats ? floats + done : NULL, integers ? integers + done : NULL, diag);
        source->position += part * item_bytes;
        done += part;
    }
    if (result != STATUS_OK) npz_close_entry(source);
    return result;
}

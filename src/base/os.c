#define _GNU_SOURCE /* sched_getaffinity; elsewhere sysconf answers */
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

/* ---- reading ---- */

struct os_mapping {
    void *bytes;
    size_t size;
};

static void os_unmap(void *argument) {
    const struct os_mapping *mapping = argument;
    munmap(mapping->bytes, mapping->size);
}

/* Takes the descriptor over. */
static status os_map_descriptor(struct arena *arena, int descriptor, const char *path, struct os_file *file, struct diag *diag) {
    static const uint8_t nothing[1];
    struct stat about;
    status result = STATUS_OK;
    if (fstat(descriptor, &about) != 0) {
        result = diag_fail(diag, STATUS_IO, "%s: %s", path, strerror(errno));
    } else if (S_ISDIR(about.st_mode)) {
        result = diag_fail(diag, STATUS_IO, "%s: is a folder, a file was expected", path);
    } else if (about.st_size == 0) {
        *file = (struct os_file){nothing, 0, path};
    } else {
        struct os_mapping *mapping = ARENA_NEW(arena, struct os_mapping);
        mapping->size = (size_t)about.st_size;
        mapping->bytes = mmap(NULL, mapping->size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (mapping->bytes == MAP_FAILED) {
            result = diag_fail(diag, STATUS_IO, "%s: cannot be mapped: %s", path, strerror(errno));
        } else {
            arena_defer(arena, os_unmap, mapping);
            *file = (struct os_file){mapping->bytes, mapping->size, path};
        }
    }
    close(descriptor);
    return result;
}

static const char *os_temporary_folder(void) {
    const char *folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/tmp";
}

static int os_unlinked_temporary(void) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/superslash-XXXXXX", os_temporary_folder()) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    const int descriptor = mkstemp(path);
    if (descriptor >= 0) unlink(path);
    return descriptor;
}

static bool os_write_whole(int descriptor, const uint8_t *bytes, size_t count) {
    while (count) {
        const ssize_t written = write(descriptor, bytes, count < (1u << 30) ? count : (1u << 30));
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        bytes += written;
        count -= (size_t)written;
    }
    return true;
}

/* Copies what a pipe gives into an unlinked temporary file. */
static status os_spool(int from, const char *path, int *spool, struct diag *diag) {
    const int descriptor = os_unlinked_temporary();
    if (descriptor < 0) return diag_fail(diag, STATUS_IO, "%s: no temporary file for %s: %s", os_temporary_folder(), path, strerror(errno));
    uint8_t block[1 << 16];
    for (;;) {
        const ssize_t got = read(from, block, sizeof block);
        if (got < 0 && errno == EINTR) continue;
        if (got == 0) break;
        if (got < 0 || !os_write_whole(descriptor, block, (size_t)got)) {
            const char *where = got < 0 ? path : os_temporary_folder();
            const status result = diag_fail(diag, STATUS_IO, "%s: %s", where, strerror(errno));
            close(descriptor);
            return result;
        }
    }
    *spool = descriptor;
    return STATUS_OK;
}

static status os_map_pipe(struct arena *arena, int descriptor, const char *path, struct os_file *file, struct diag *diag) {
    int spool;
    const status result = os_spool(descriptor, path, &spool, diag);
    return result == STATUS_OK ? os_map_descriptor(arena, spool, path, file, diag) : result;
}

status os_map_file(struct arena *arena, const char *path, struct os_file *file, struct diag *diag) {
    struct stat about;
    if (strcmp(path, "-") == 0) return os_map_pipe(arena, STDIN_FILENO, "<stdin>", file, diag);
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return diag_fail(diag, STATUS_IO, "%s: %s", path, strerror(errno));
    path = arena_copy_text(arena, path);
    if (fstat(descriptor, &about) != 0 || !S_ISFIFO(about.st_mode)) return os_map_descriptor(arena, descriptor, path, file, diag);
    const status result = os_map_pipe(arena, descriptor, path, file, diag);
    close(descriptor);
    return result;
}

/* ---- paths ---- */

static bool os_has_parent_step(const char *path) {
    for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) return true;
    return false;
}

static bool os_is_below(const char *folder, const char *path) {
    const size_t length = strlen(folder);
    return strncmp(folder, path, length) == 0 && (path[length] == '/' || (length && folder[length - 1] == '/'));
}

status os_map_inside(struct arena *arena, const char *folder, const char *relative, struct os_file *file, struct diag *diag) {
    if (!*relative || *relative == '/' || os_has_parent_step(relative))
        return diag_fail(diag, STATUS_INVALID, "external data '%s': only a path inside the model's folder is read", relative);
    if (!*folder) folder = ".";
    const char *path = arena_print(arena, "%s/%s", folder, relative);
    char *real_folder = realpath(folder, NULL);
    char *real_path = realpath(path, NULL);
    status result = STATUS_OK;
    if (!real_folder || !real_path) result = diag_fail(diag, STATUS_IO, "external data '%s': %s", path, strerror(errno));
    else if (!os_is_below(real_folder, real_path))
        result = diag_fail(diag, STATUS_INVALID, "external data '%s': a link leads out of the model's folder", relative);
    struct stat about;
    if (result == STATUS_OK && stat(real_path, &about) == 0 && !S_ISREG(about.st_mode))
        result = diag_fail(diag, STATUS_INVALID, "external data '%s': not a regular file", path);
    if (result == STATUS_OK) path = arena_copy_text(arena, real_path);
    free(real_folder);
    free(real_path);
    return result == STATUS_OK ? os_map_file(arena, path, file, diag) : result;
}

bool os_file_exists(const char *path) { return access(path, F_OK) == 0; }

bool os_same_file(const char *a, const char *b) {
    struct stat about_a, about_b;
    return stat(a, &about_a) == 0 && stat(b, &about_b) == 0 && about_a.st_dev == about_b.st_dev && about_a.st_ino == about_b.st_ino;
}

char *os_folder_of(struct arena *arena, const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return arena_copy_text(arena, "");
    const size_t length = slash == path ? 1 : (size_t)(slash - path);
    return arena_print(arena, "%.*s", (int)length, path);
}

char *os_file_name_of(struct arena *arena, const char *path) {
    const char *slash = strrchr(path, '/');
    return arena_copy_text(arena, slash ? slash + 1 : path);
}

/* ---- writing ---- */

enum { OS_OUTPUT_BLOCK_BYTES = 1 << 16 };

struct os_output {
    const char *path, *temporary; /* temporary NULL: standard output, or renamed already */
    int descriptor;               /* -1 once closed */
    int fault;                    /* errno of the first failure */
    size_t held;
    uint8_t block[OS_OUTPUT_BLOCK_BYTES];
};

static void os_output_abandon(void *argument) {
    struct os_output *output = argument;
    if (output->descriptor > STDERR_FILENO) close(output->descriptor);
    if (output->temporary) unlink(output->temporary);
}

/* A path that is a device or a pipe (/dev/null, a fifo) is written directly: there is nothing to rename over. */
static bool os_is_stream(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode);
}

static mode_t os_mode_of(const char *path) {
    struct stat about;
    if (stat(path, &about) == 0) return about.st_mode & 0777;
    const mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

static status os_output_open_temporary(struct arena *arena, struct os_output *output, struct diag *diag) {
    struct stat about;
    if (stat(output->path, &about) == 0 && S_ISDIR(about.st_mode)) return diag_fail(diag, STATUS_IO, "%s: is a folder", output->path);
    if (os_file_exists(output->path) && access(output->path, W_OK) != 0)
        return diag_fail(diag, STATUS_IO, "%s: %s", output->path, strerror(errno));
    char *real = realpath(output->path, NULL); /* a link is kept: what it points to is replaced */
    if (real) output->path = arena_copy_text(arena, real);
    free(real);
    char *temporary = arena_print(arena, "%s.XXXXXX", output->path);
    output->descriptor = mkstemp(temporary);
    if (output->descriptor < 0) return diag_fail(diag, STATUS_IO, "%s: cannot be written: %s", output->path, strerror(errno));
    output->temporary = temporary;
    fchmod(output->descriptor, os_mode_of(output->path));
    return STATUS_OK;
}

status os_output_open(struct arena *arena, const char *path, struct os_output **opened, struct diag *diag) {
    struct os_output *output = ARENA_NEW(arena, struct os_output);
    output->path = arena_copy_text(arena, path);
    output->descriptor = -1;
    arena_defer(arena, os_output_abandon, output);
    status result = STATUS_OK;
    if (strcmp(path, "-") == 0) {
        output->path = "<stdout>";
        output->descriptor = STDOUT_FILENO;
    } else if (os_is_stream(path)) {
        output->descriptor = open(path, O_WRONLY | O_CLOEXEC);
        if (output->descriptor < 0) result = diag_fail(diag, STATUS_IO, "%s: cannot be written: %s", path, strerror(errno));
    } else {
        result = os_output_open_temporary(arena, output, diag);
    }
    if (result == STATUS_OK) *opened = output;
    return result;
}

static void os_output_flush(struct os_output *output, const uint8_t *bytes, size_t count) {
    if (!output->fault && !os_write_whole(output->descriptor, bytes, count)) output->fault = errno ? errno : EIO;
}

void os_output_write(struct os_output *output, const void *bytes, size_t count) {
    if (count > OS_OUTPUT_BLOCK_BYTES - output->held) {
        os_output_flush(output, output->block, output->held);
        output->held = 0;
    }
    if (count > OS_OUTPUT_BLOCK_BYTES) {
        os_output_flush(output, bytes, count);
    } else if (count) {
        memcpy(output->block + output->held, bytes, count);
        output->held += count;
    }
}

status os_output_close(struct os_output *output, struct diag *diag) {
    os_output_flush(output, output->block, output->held);
    output->held = 0;
    if (output->descriptor > STDERR_FILENO && close(output->descriptor) != 0 && !output->fault) output->fault = errno;
    output->descriptor = -1;
    if (!output->fault) return STATUS_OK;
    return diag_fail(diag, STATUS_IO, "%s: cannot be written: %s", output->path, strerror(output->fault));
}

status os_output_commit(struct os_output *output, struct diag *diag) {
    if (!output->temporary) return STATUS_OK;
    if (rename(output->temporary, output->path) != 0)
        return diag_fail(diag, STATUS_IO, "%s: cannot be written: %s", output->path, strerror(errno));
    output->temporary = NULL;
    return STATUS_OK;
}

/* ---- the machine ---- */

unsigned os_processor_count(void) {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        const int count = CPU_COUNT(&set);
        if (count > 0) return (unsigned)count;
    }
#endif
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (unsigned)count : 1;
}

uint64_t os_memory_bytes(void) {
    const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes : (uint64_t)1 << 32;
}

bool os_is_terminal(int descriptor) { return isatty(descriptor) == 1; }

unsigned os_terminal_columns(int descriptor) {
    struct winsize size;
    return ioctl(descriptor, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

double os_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Loaded in front of fakeroot's library, it shows mkfs.ubifs and mkfs.jffs2 a tree that is the same on every machine.
 *
 * Both take over what the building machine's disk makes of a tree: the order of a folder's entries, from which inode
 * numbers follow, the inode numbers of files with several names, when an inode was changed and read, and what its own
 * file system marks files with. Extended attributes, which fakeroot mistakes, come from a table.
 *
 * STEADY_TREE: the tree's folder, as it is given to the program. STEADY_UUID: the file system's identity, 32
 * hexadecimal digits. STEADY_ATTRIBUTES: a file of paths in the tree, names and hexadecimal values, each ended by NUL.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void *enough(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* Folders: their entries by name. */

struct listing {
    DIR *dir;
    struct dirent **entries;
    int count, next;
    struct listing *below;
};
static struct listing *listings;

static int by_name(const struct dirent **one, const struct dirent **other)
{
    return strcmp((*one)->d_name, (*other)->d_name);
}

DIR *opendir(const char *name)
{
    struct listing *listing = enough(calloc(1, sizeof *listing));
    listing->count = scandir(name, &listing->entries, NULL, by_name);
    listing->dir = listing->count < 0 ? NULL : REAL(opendir)(name);
    listing->below = listings;
    listings = listing;
    return listing->dir;
}

struct dirent *readdir(DIR *dir)
{
    struct listing *listing = listings;
    while (listing->dir != dir)
        listing = listing->below;
    return listing->next < listing->count ? listing->entries[listing->next++] : NULL;
}

int closedir(DIR *dir)
{
    struct listing **at = &listings, *listing;
    while ((*at)->dir != dir)
        at = &(*at)->below;
    listing = *at;
    *at = listing->below;
    while (listing->count > 0)
        free(listing->entries[--listing->count]);
    free(listing->entries);
    free(listing);
    return REAL(closedir)(dir);
}

/* Inodes: numbered in the order in which they are met, with the times that the tar gave. */

static ino_t number_of(const struct stat *file)
{
    static struct { dev_t device; ino_t inode; } *met;
    static size_t count;
    for (size_t at = 0; at < count; at++)
        if (met[at].inode == file->st_ino && met[at].device == file->st_dev)
            return at + 1;
    met = enough(realloc(met, (count + 1) * sizeof *met));
    met[count].device = file->st_dev;
    met[count].inode = file->st_ino;
    return ++count;
}

static int steadied(int result, struct stat *file)
{
    if (result)
        return result;
    file->st_mtim.tv_nsec = 0;
    file->st_atim = file->st_ctim = file->st_mtim;
    if (S_ISDIR(file->st_mode))
        file->st_size = 0;
    else if (file->st_nlink > 1)
        file->st_ino = number_of(file);
    return result;
}

int lstat(const char *path, struct stat *file)
{
    return steadied(REAL(lstat)(path, file), file);
}

int stat(const char *path, struct stat *file)
{
    return steadied(REAL(stat)(path, file), file);
}

int ioctl(int file, unsigned long request, ...)
{
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (request == FS_IOC_GETFLAGS) {
        errno = ENOTTY;
        return -1;
    }
    return ((int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl"))(file, request, argument);
}

/* Extended attributes: those of the table. */

static char *attributes_end, *attributes;

static void read_attributes(void)
{
    FILE *file = attributes ? NULL : fopen(getenv("STEADY_ATTRIBUTES"), "rb");
    size_t size = 0;
    if (attributes)
        return;
    if (!file || getdelim(&attributes, &size, EOF, file) < 0)
        attributes = enough(calloc(1, 1));
    attributes_end = attributes + (file ? ftell(file) : 0);
}

/* The attribute in the table behind LAST that PATH has; its name, or NULL. */
static const char *attribute_of(const char *path, const char *last)
{
    read_attributes();
    path += strlen(getenv("STEADY_TREE"));
    path += strspn(path, "/");
    const char *at = last ? last + strlen(last) + 1 : attributes;
    for (at = last ? at + strlen(at) + 1 : at; at < attributes_end;) {
        const char *name = at + strlen(at) + 1;
        if (!strcmp(at, path))
            return name;
        at = name + strlen(name) + 1;
        at += strlen(at) + 1;
    }
    return NULL;
}

ssize_t llistxattr(const char *path, char *list, size_t size)
{
    ssize_t length = 0;
    for (const char *name = attribute_of(path, NULL); name; name = attribute_of(path, name)) {
        size_t more = strlen(name) + 1;
        if (size && length + more > size) {
            errno = ERANGE;
            return -1;
        }
        if (size)
            memcpy(list + length, name, more);
        length += more;
    }
    return length;
}

ssize_t lgetxattr(const char *path, const char *wanted, void *value, size_t size)
{
    const char *name = attribute_of(path, NULL);
    while (name && strcmp(name, wanted))
        name = attribute_of(path, name);
    if (!name) {
        errno = ENODATA;
        return -1;
    }
    const char *digits = name + strlen(name) + 1;
    size_t length = strlen(digits) / 2;
    if (size && size < length) {
        errno = ERANGE;
        return -1;
    }
    for (size_t at = 0; size && at < length; at++)
        sscanf(digits + 2 * at, "%2hhx", (unsigned char *)value + at);
    return length;
}

/* libuuid's: chance is the one thing that a file system needs none of. */
void uuid_generate_random(unsigned char *uuid)
{
    for (int at = 0; at < 16; at++)
        sscanf(getenv("STEADY_UUID") + 2 * at, "%2hhx", uuid + at);
}

/* Makes each fsync and fdatasync of the process take 2 ms longer, as on an ordinary cloud disk; see bench/slow_disk.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

typedef int sync_call(int);

static int later(const char *name, int file)
{
    const struct timespec added = {0, 2000000};
    sync_call *real = (sync_call *)dlsym(RTLD_NEXT, name);
    int result = real(file);
    nanosleep(&added, 0);
    return result;
}

int fsync(int file) { return later("fsync", file); }
int fdatasync(int file) { return later("fdatasync", file); }

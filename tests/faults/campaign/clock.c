/* A clock that steps: what the processes of a host take for its time is ahead by as many seconds as the file OFFSET holds
   (a 64-bit integer). Loaded into all of them by /etc/ld.so.preload. Clocks that nobody can set are left alone. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;

__attribute__((constructor)) static void find_offset(void)
{
    int file = open(OFFSET, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        void *mapped = mmap(0, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
        ahead = mapped == MAP_FAILED ? 0 : mapped;
        close(file);
    }
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *ahead;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec read;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &read);
    now->tv_sec = read.tv_sec;
    now->tv_usec = read.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *seconds)
{
    struct timespec read;
    clock_gettime(CLOCK_REALTIME, &read);
    if (seconds)
        *seconds = read.tv_sec;
    return read.tv_sec;
}

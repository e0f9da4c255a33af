/*
 * Preloaded into linux.uml. A processor with AMX has an XSAVE area larger than Debian 12's user-mode Linux has room for,
 * and ptrace(2) refuses to fill less than all of it: the area goes through a buffer that is large enough, and as many
 * bytes are handed on as were asked for. What lies beyond them is kept as it is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

typedef long (*ptrace_call)(int, pid_t, void *, void *);

long ptrace(enum __ptrace_request request, ...)
{
    static ptrace_call real;
    static char area[64 * 1024];
    struct iovec *asked, whole = {area, sizeof area};
    long result;
    va_list rest;

    va_start(rest, request);
    pid_t pid = va_arg(rest, pid_t);
    void *address = va_arg(rest, void *);
    void *data = va_arg(rest, void *);
    va_end(rest);
    if (real == NULL)
        real = (ptrace_call)dlsym(RTLD_NEXT, "ptrace");
    if ((request != PTRACE_GETREGSET && request != PTRACE_SETREGSET) || (long)address != NT_X86_XSTATE)
        return real(request, pid, address, data);
    asked = data;
    result = real(PTRACE_GETREGSET, pid, address, &whole);
    if (result < 0)
        return result;
    if (asked->iov_len > whole.iov_len)
        asked->iov_len = whole.iov_len;
    if (request == PTRACE_GETREGSET) {
        memcpy(asked->iov_base, area, asked->iov_len);
        return result;
    }
    memcpy(area, asked->iov_base, asked->iov_len);
    return real(PTRACE_SETREGSET, pid, address, &whole);
}

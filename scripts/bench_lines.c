/* A simulation that does nothing but print so many bytes, in lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments) {
    const char *line = "step 1200: residual 1.234567e-05, continuity 2.345678e-05\n";
    long long bytes = count > 1 ? atoll(arguments[1]) : 0;
    for (; bytes > 0; bytes -= (long long)strlen(line)) {
        fputs(line, stdout);
    }
    return 0;
}

/* A simulation that prints so many bytes, in lines. */
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments) {
    long long bytes = count > 1 ? atoll(arguments[1]) : 0;
    for (long long step = 1; bytes > 0; step++) {
        bytes -= printf("step %lld: residual %.6e, continuity %.6e\n", step, 1.0 / step, 2.0 / step);
    }
    return 0;
}

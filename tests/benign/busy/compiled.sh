# A program of the agent's own, compiled and run: a simulation that computes and does nothing else.
command -v cc > /dev/null || { echo "no cc"; exit 77; }
cat > simulate.c <<'C'
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int main(int count, char **words) {
    time_t until = time(NULL) + (count > 1 ? atol(words[1]) : 1);
    unsigned long state = 1;
    double sum = 0;
    while (time(NULL) < until)
        for (int step = 0; step < 1000000; step++) {
            state = state * 6364136223846793005UL + 1442695040888963407UL;
            sum += sin((double)(state >> 11) / 9007199254740992.0);
        }
    printf("%f\n", sum);
}
C
cc -O2 -o simulate simulate.c -lm
./simulate "$LONG"

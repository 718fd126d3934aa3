# Tools that look at programs: strace where there, time, ldd, nm, objdump, gdb where there, perf-less profiling in Python.
command -v gcc > /dev/null || { echo "no gcc"; exit 77; }
printf 'int main(void) { return 0; }\n' > main.c
gcc -g -o main main.c
ldd ./main > /dev/null
nm ./main > /dev/null
objdump -d ./main > /dev/null
readelf -a ./main > /dev/null 2>&1
command -v strace > /dev/null && strace -f -o trace ./main
command -v gdb > /dev/null && gdb -batch -ex run ./main > /dev/null 2>&1
command -v valgrind > /dev/null && valgrind -q ./main
/usr/bin/python3 -m cProfile -o profile.out -c 'sum(range(1000))' 2> /dev/null || /usr/bin/python3 -c 'import cProfile; cProfile.run("sum(range(1000))")' > /dev/null
/usr/bin/python3 -m compileall -q . || true

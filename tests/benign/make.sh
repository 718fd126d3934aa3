# make: a C library and program, static and shared, installed below a prefix, run with the library's path.
command -v make gcc > /dev/null || { echo "no make or gcc"; exit 77; }
mkdir src
cat > src/pool.c <<'C'
int pool(int x) { return x * 7; }
C
cat > src/main.c <<'C'
#include <stdio.h>
int pool(int);
int main(void) { printf("%d\n", pool(6)); return 0; }
C
cat > Makefile <<'MAKE'
CFLAGS = -O2 -Wall -fPIC
PREFIX ?= $(CURDIR)/prefix
all: program
src/%.o: src/%.c
	$(CC) $(CFLAGS) -c -o $@ $<
libpool.a: src/pool.o
	ar rcs $@ $^
libpool.so: src/pool.o
	$(CC) -shared -o $@ $^
program: src/main.o libpool.a libpool.so
	$(CC) -o $@ src/main.o -L. -l:libpool.a
	$(CC) -o $@-shared src/main.o -L. -lpool
check: all
	./program
	LD_LIBRARY_PATH=. ./program-shared
install: all
	install -D -m 755 program $(PREFIX)/bin/program
	strip $(PREFIX)/bin/program
clean:
	rm -f program program-shared libpool.* src/*.o
MAKE
make -s -j2 all
make -s check install
prefix/bin/program
make -s clean

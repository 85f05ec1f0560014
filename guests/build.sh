#!/bin/sh
# Rebuilds the prebuilt guest programs in guests/bin: static, small, the same on every machine with musl-gcc.
#   guests/build.sh [name…]
# Builds them in every way that matters to the kernel, not to be committed: NAME-{musl,glibc}-{static,dynamic} in DIRECTORY.
#   guests/build.sh --variants DIRECTORY [name…]
# The programs with known bugs of src/bugs, with line numbers, to bin/bugs; and as they are when mended, not to be committed:
#   guests/build.sh --bugs [name…]
#   guests/build.sh --fixed DIRECTORY [name…]
set -eu
cd "$(dirname "$0")"
flags='-O1 -s -pthread -Wall -Wno-array-bounds -Wno-stringop-overflow -Wno-unused-but-set-variable -Wno-nonnull -Wno-unused-result'
headers='-idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu'
names() { if [ $# -gt 0 ]; then echo "$@"; else basename -s .c src/*.c; fi; }

if [ "${1-}" = --variants ]; then
  out=$2
  shift 2
  mkdir -p "$out"
  for name in $(names "$@"); do
    musl-gcc -static $flags $headers -o "$out/$name-musl-static" "src/$name.c"
    musl-gcc $flags $headers -o "$out/$name-musl-dynamic" "src/$name.c"
    gcc -static $flags -o "$out/$name-glibc-static" "src/$name.c"
    gcc $flags -o "$out/$name-glibc-dynamic" "src/$name.c"
  done
  exit
fi

bug_names() { if [ $# -gt 0 ]; then echo "$@"; else basename -s .c src/bugs/*.c; fi; }
bug_flags='-static -O1 -g -pthread -Wall -Wextra -Wno-unused-result'
if [ "${1-}" = --bugs ] || [ "${1-}" = --fixed ]; then
  out=bin/bugs define=
  if [ "$1" = --fixed ]; then
    out=$2 define=-DFIXED
    shift
  fi
  shift
  mkdir -p "$out"
  for name in $(bug_names "$@"); do
    musl-gcc $define $bug_flags -ffile-prefix-map="$PWD/=guests/" -o "$out/$name" "src/bugs/$name.c"
  done
  exit
fi

mkdir -p bin
for name in $(names "$@"); do
  # DPOR and detectors know functions of the C library by their symbols.
  case $name in dpor-threads|lock-orders) some=${flags#-O1 -s} ;; *) some=$flags ;; esac
  musl-gcc -static -O1 $some $headers -o "bin/$name" "src/$name.c"
done

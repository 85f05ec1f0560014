#!/bin/sh
# Rebuilds the prebuilt guest programs in guests/bin: static, small, the same on every machine with musl-gcc.
# Usage: guests/build.sh [name…]
set -eu
cd "$(dirname "$0")"
mkdir -p bin
for name in ${@:-$(basename -s .c src/*.c)}; do
  musl-gcc -static -O1 -s -Wall -Wno-array-bounds -Wno-stringop-overflow -Wno-unused-but-set-variable -Wno-nonnull \
    -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu -o "bin/$name" "src/$name.c"
done

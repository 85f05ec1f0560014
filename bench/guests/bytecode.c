/* An interpreter of a small stack machine, by a switch: an indirect jump an instruction, as in every scripting language. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum op { PUSH, LOAD, STORE, ADD, SUB, MUL, AND, LESS, JUMP_UNLESS, JUMP, CALL, RETURN, HALT };

/* f(n) = n < 2 ? n : f(n - 1) + f(n - 2), in a loop that mixes the answers. Variables: 0 the sum, 1 the counter, 2 the argument. */
static int32_t program[96];

static long run(void) {
  int64_t stack[256], variables[4] = {0};
  const int32_t *returns[128];
  int64_t *top = stack;
  int depth = 0;
  const int32_t *at = program;
  for (;;) {
    switch ((enum op)*at++) {
      case PUSH: *top++ = *at++; break;
      case LOAD: *top++ = variables[*at++]; break;
      case STORE: variables[*at++] = *--top; break;
      case ADD: top--; top[-1] = (int32_t)(top[-1] + *top); break;
      case SUB: top--; top[-1] = (int32_t)(top[-1] - *top); break;
      case MUL: top--; top[-1] = (int32_t)(top[-1] * *top); break;
      case AND: top--; top[-1] &= *top; break;
      case LESS: top--; top[-1] = top[-1] < *top; break;
      case JUMP_UNLESS: at = *--top ? at + 1 : program + *at; break;
      case JUMP: at = program + *at; break;
      case CALL: returns[depth++] = at + 1; at = program + *at; break;
      case RETURN: at = returns[--depth]; break;
      case HALT: return variables[0];
    }
  }
}

/* An argument is kept on the stack across calls: LOAD 2, call with n - 1 in variable 2, and so on. */
static void assemble(void) {
  int32_t n = 0;
#define EMIT(...) do { const int32_t words[] = {__VA_ARGS__}; for (unsigned i = 0; i < sizeof words / sizeof *words; i++) program[n++] = words[i]; } while (0)
  EMIT(PUSH, 0, STORE, 0, PUSH, 0, STORE, 1);
  int32_t loop = n;
  EMIT(LOAD, 1, PUSH, 40, LESS, JUMP_UNLESS, 0);
  int32_t end = n - 1;
  EMIT(LOAD, 1, PUSH, 7, AND, PUSH, 9, ADD, STORE, 2, CALL, 0);
  int32_t call = n - 1;
  EMIT(LOAD, 0, PUSH, 31, MUL, ADD, STORE, 0, LOAD, 1, PUSH, 1, ADD, STORE, 1, JUMP, loop);
  program[end] = n;
  EMIT(HALT);
  /* Takes its argument in variable 2, leaves the answer on the stack. */
  int32_t function = program[call] = n;
  EMIT(LOAD, 2, PUSH, 2, LESS, JUMP_UNLESS, n + 10, LOAD, 2, RETURN);
  EMIT(LOAD, 2, LOAD, 2, PUSH, 1, SUB, STORE, 2, CALL, function, STORE, 3, STORE, 2, LOAD, 3);
  EMIT(LOAD, 2, PUSH, 2, SUB, STORE, 2, CALL, function, ADD, RETURN);
}

int main(int argc, char **argv) {
  long repetitions = argc > 1 ? atol(argv[1]) : 1;
  assemble();
  unsigned long sum = 0;
  for (long r = 0; r < repetitions; r++) sum = sum * 3 + run();
  printf("%lu\n", sum);
  return 0;
}

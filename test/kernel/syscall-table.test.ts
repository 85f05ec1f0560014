import { readFileSync } from 'node:fs'
import test from 'ava'
import { BEYOND, COMPAT_FILE, compatDocument, REQUIRED } from '../../scripts/linux-compat.ts'
import { SYSCALLS } from '../../src/kernel/syscalls/table.ts'

test('docs/linux-compat.md is up to date', (t) => {
  t.is(readFileSync(COMPAT_FILE, 'utf8'), compatDocument(), 'run: node_modules/.bin/node scripts/linux-compat.ts')
})

test('every required call is there, under its name', (t) => {
  t.is(REQUIRED.length, 181)
  t.is(BEYOND.length, 138)
  for (const [number, name] of [...REQUIRED, ...BEYOND]) t.is(SYSCALLS[number]?.name, name, `system call ${number}`)
  for (const [number, name] of REQUIRED) t.not(SYSCALLS[number]?.status, 'absent', name)
})

test('rows have what decoders and fuzzers need', (t) => {
  for (const entry of SYSCALLS) {
    if (entry === undefined) continue
    t.true(entry.args.length <= 6, entry.name)
    for (const argument of entry.args) t.regex(argument, /^\w+:[a-z]+(\[\d+\]|\(\w+\))?\*?$/, `${entry.name}: ${argument}`)
    if (entry.status !== 'full') t.truthy(entry.note, `${entry.name} says what is missing`)
  }
})

import test from 'ava'
import { Unpackr } from 'msgpackr'
import { Packer } from '../../src/trace/msgpack.ts'

test('packed values survive the growth of the buffer, wherever it happens', (t) => {
  const values: unknown[] = [[], null, true, 'text', -1, 300, 2 ** 40, 1.5]
  for (let before = 65_530; before <= 65_537; before++) {
    for (const value of values) {
      const packer = new Packer()
      packer.bin(new Uint8Array(before - 3 - (before > 0xffff + 3 ? 2 : 0)))
      if (Array.isArray(value)) packer.array(0)
      else if (value === null) packer.nil()
      else if (typeof value === 'boolean') packer.boolean(value)
      else if (typeof value === 'string') packer.text(value)
      else packer.number(value as number)
      const unpacked = new Unpackr({ int64AsType: 'number' }).unpackMultiple(packer.packed()) as unknown[]
      t.deepEqual(unpacked[1], value)
    }
  }
})

import test from 'ava'
import { SeededEntropy } from '../../src/replay/entropy.ts'

const draws = (seed: string, count = 20): number[] => {
  const entropy = new SeededEntropy(seed)
  return Array.from({ length: count }, () => entropy.decide('pick', 1000))
}

test('a seed gives one sequence, on every machine and in every version', (t) => {
  t.deepEqual(draws('42'), draws('42'))
  t.notDeepEqual(draws('42'), draws('43'))
  t.deepEqual(draws('42', 10), [292, 622, 337, 695, 817, 585, 170, 243, 829, 380])
  t.is(Buffer.from(new SeededEntropy('42').randomBytes(21)).toString('hex'), 'c0c35dd015640703c7412c4f01895979f476f69fde')
})

test('streams do not disturb each other', (t) => {
  const entropy = new SeededEntropy('42')
  const mixed = Array.from({ length: 20 }, (_, i) => {
    entropy.randomBytes(i)
    entropy.decide('slice', 7)
    return entropy.decide('pick', 1000)
  })
  t.deepEqual(mixed, draws('42'))
})

test('draws are below their bound and reach all of it', (t) => {
  const entropy = new SeededEntropy('x')
  for (const bound of [1, 2, 3, 15360]) {
    const seen = new Set<number>()
    for (let i = 0; i < bound * 30; i++) {
      const value = entropy.decide('slice', bound)
      if (!Number.isInteger(value) || value < 0 || value >= bound) t.fail(`${value} of ${bound}`)
      seen.add(value)
    }
    t.is(seen.size, bound)
  }
})

/**
 * Forms: an instruction's semantics with operand kinds and sizes fixed. Tier 0 has one handler a form; its name is the
 * semantics' name and a token (kind and size in bytes) for each operand: `add r4 m4`.
 */
import type { Row } from '../decode/rows.ts'
import type { FormKind, OperandForm } from '../semantics/emitter.ts'

export const formName = (name: string, operands: readonly OperandForm[]): string =>
  operands.length === 0 ? name : `${name} ${operands.map(({ kind, size }) => `${kind}${size}`).join(' ')}`

interface Sizes { readonly operandSize: number, readonly rexW: boolean, readonly size66: boolean, readonly vexL: number }

const sizeVariants = (row: Row): Sizes[] => {
  const all: Sizes[] = [
    { operandSize: 4, rexW: false, size66: false, vexL: 0 },
    { operandSize: 8, rexW: true, size66: false, vexL: 0 },
  ]
  if (row.isVex) {
    const both = all.flatMap((sizes) => [sizes, { ...sizes, vexL: 1 }])
    return both.filter(({ rexW, vexL }) => (row.rexW === undefined || rexW === row.rexW) && (row.vexL === undefined || vexL === row.vexL))
  }
  if (row.prefix !== 0x66 && !row.options.has('ignore66')) all.push({ operandSize: 2, rexW: false, size66: true, vexL: 0 })
  return row.rexW === undefined ? all : all.filter(({ rexW }) => rexW === row.rexW)
}

const bytes = (size: string, { operandSize, rexW, size66, vexL }: Sizes): number => {
  const fixed: Readonly<Record<string, number>> = { b: 1, w: 2, d: 4, q: 8, x: 16 << vexL, h: 8 << vexL, r: 4 << vexL, e: 2 << vexL, o: 16, t: 10 }
  if (size === 'v' || size === 'z') return operandSize
  if (size === 'y') return rexW ? 8 : 4
  if (size === 's') return size66 && !rexW ? 2 : 8
  return fixed[size] ?? 0
}

const kinds = (letter: string, row: Row): readonly FormKind[] => {
  const memory: FormKind[] = row.mod === 'reg' ? [] : ['m', 'n']
  const register = (kind: FormKind): FormKind[] => row.mod === 'mem' ? [] : [kind]
  switch (letter) {
    case 'E': return [...register('r'), ...memory]
    case 'W': return [...register('x'), ...memory]
    case 'Q': return [...register('q'), ...memory]
    case 'M': return ['m', 'n']
    case 'O': return ['m']
    case 'G': case 'Z': case 'A': case 'C': case 'D': case 'R': case 'B': return ['r']
    case 'V': case 'U': case 'X': case 'H': case 'L': return ['x']
    case 'T': return ['m']
    case 'P': case 'N': return ['q']
    case 'I': case '1': return ['i']
    case 'J': return ['j']
    case 'S': return ['s']
    case 'F': return ['f']
    case 'Y': return ['g']
    default: throw new Error(`operand letter ${letter}`)
  }
}

/** Size of an immediate: it follows the first operand, as in `Decoder.#immediate`. */
const immediateBytes = (row: Row, at: number, sizes: Sizes): number => {
  const { letter, size } = row.operands[at]
  const first = bytes(row.operands[0].size, sizes)
  if (letter === '1') return first
  const widen = !'VWI'.includes(row.operands[0].letter)
  if (size === 'b') return widen && !row.options.has('unsigned-immediate') ? first : 1
  if (size === 'w') return 2
  if (sizes.operandSize === 2 && (size === 'z' || size === 'v')) return 2
  if (size === 'v' && sizes.operandSize === 8) return 8
  return size === 'd' ? 4 : widen ? first : sizes.operandSize
}

/** All forms that a row can decode to. */
export const formsOfRow = (row: Row): OperandForm[][] => {
  const result = new Map<string, OperandForm[]>()
  for (const sizes of sizeVariants(row)) {
    let partial: OperandForm[][] = [[]]
    row.operands.forEach((spec, at) => {
      const size = spec.letter === 'I' || spec.letter === '1' ? immediateBytes(row, at, sizes)
        : spec.letter === 'J' ? 8 : bytes(spec.size, sizes)
      partial = partial.flatMap((operands) => kinds(spec.letter, row).map((kind) => [...operands, { kind, size }]))
    })
    for (const operands of partial) result.set(formName(row.name, operands), operands)
  }
  return [...result.values()]
}

/** JUnit's XML, as CI services read it. */

/** Text in an element or a quoted attribute. */
export const xml = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)
  // Other control characters can't be in XML 1.0, not even as references.
  // eslint-disable-next-line no-control-regex
  .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, '\ufffd')

export interface TestCase {
  readonly name: string
  readonly seconds: number
  /** Undefined: it passed. */
  readonly failure?: { readonly kind: string, readonly message: string, readonly text: string } | undefined
  /** What the tool itself failed with. */
  readonly error?: string | undefined
}

/** @param tool `retrograde explore` and the like */
export const junit = (tool: string, suite: string, seconds: number, cases: readonly TestCase[]): string => {
  const lines = cases.map(({ name, seconds: took, failure, error }) => {
    const open = `    <testcase classname="${xml(tool)}" name="${xml(name)}" time="${took.toFixed(3)}"`
    if (failure !== undefined) return `${open}><failure type="${xml(failure.kind)}" message="${xml(failure.message)}">${xml(failure.text)}</failure></testcase>`
    return error !== undefined ? `${open}><error message="${xml(error)}"/></testcase>` : `${open}/>`
  })
  const count = (wanted: (test: TestCase) => boolean): number => cases.filter(wanted).length
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n  <testsuite name="${xml(suite)}" tests="${cases.length}" failures="${count(({ failure }) => failure !== undefined)}" errors="${count(({ error }) => error !== undefined)}" time="${seconds.toFixed(3)}">\n`
    + `${lines.join('\n')}\n  </testsuite>\n</testsuites>\n`
}

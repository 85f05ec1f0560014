/** One measurement in a process of its own, as a user's would be: prints JSON. */
import { runBare } from './bare.ts'

const [program, repetitions] = process.argv.slice(2)
console.log(JSON.stringify(runBare(program, [repetitions])))

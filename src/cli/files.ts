/** Files that users name: modules that are loaded, and places that results go to; what is wrong with them in a line. */
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { reasonOf } from '../platform/trace-files.ts'
import { UsageError } from './errors.ts'

/** 'a.ts:3:7', of the first place in an error's stack that is no part of Node or of Retrograde. */
const placeIn = (error: Error, file: string): string => {
  const url = pathToFileURL(resolve(file)).href
  const stack = error.stack ?? ''
  // Node puts where it could not read a file at the head of a syntax error.
  const head = /^(\/[^\n:]+|file:\/\/[^\n:]+):(\d+)\n/.exec(stack)
  if (head !== null) return `${shortName(head[1])}:${head[2]}`
  for (const line of stack.split('\n')) {
    const place = /(file:\/\/[^)]+?):(\d+):(\d+)\)?$/.exec(line)
    if (place !== null && (place[1] === url || !place[1].includes('/node_modules/')) && !place[1].includes('/dist/')) return `${shortName(place[1])}:${place[2]}:${place[3]}`
  }
  return file
}

const shortName = (place: string): string => {
  const path = place.startsWith('file:') ? fileURLToPath(place) : place
  const short = relative(process.cwd(), path)
  return short.startsWith('..') ? path : short
}

/**
 * The default export of a user's TypeScript or JavaScript file.
 * @param what is told of the file: '--oracle'
 * @throws UsageError
 */
export const loadUserFile = async (file: string, what = ''): Promise<unknown> => {
  const named = what === '' ? file : `${what} ${file}`
  if (!existsSync(file)) throw new UsageError(`${named}: there is no such file`)
  if (!statSync(file).isFile()) throw new UsageError(`${named}: it is ${statSync(file).isDirectory() ? 'a directory' : 'no regular file'}`)
  try {
    return (await import(pathToFileURL(resolve(file)).href) as { readonly default?: unknown }).default
  } catch (error) {
    if (!(error instanceof Error)) throw new UsageError(`${named} throws when it is loaded: ${String(error)}`)
    const [reason] = error.message.split('\n')
    const place = placeIn(error, file)
    throw new UsageError(`${what === '' ? '' : `${what} `}${place}: ${error.name === 'Error' || error.name.startsWith('Syntax') ? '' : `${error.name}: `}${reason}`)
  }
}

/** That something can be written at a path whose directories may still have to be made. @throws UsageError, before the work of an hour is done in vain */
export const checkOutput = (option: string, path: string): void => {
  const problem = (where: string, reason: string): UsageError => new UsageError(`${option} ${path}: ${resolve(path) === where ? '' : `${shortName(where)}: `}${reason}`)
  if (existsSync(path) && !statSync(path).isDirectory()) {
    try {
      accessSync(path, constants.W_OK)
      return
    } catch (error) {
      throw problem(resolve(path), reasonOf(error))
    }
  }
  let existing = resolve(path)
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing)
  if (!statSync(existing).isDirectory()) throw problem(existing, 'is not a directory')
  try {
    accessSync(existing, constants.W_OK)
  } catch (error) {
    throw problem(existing, reasonOf(error))
  }
}

/** The same for a directory. @throws UsageError */
export const checkOutputDirectory = (option: string, path: string): void => {
  if (existsSync(path) && !statSync(path).isDirectory()) throw new UsageError(`${option} ${path}: is not a directory`)
  checkOutput(option, path)
}

/**
 * Images of a world's state: all objects that can be reached, each with what was in it.
 *
 * Going back writes the old values into the objects themselves: they keep their identity, so that whatever refers to them,
 * in the state or beside it, goes on doing so, and any number of images share the objects. Only what differs is written.
 * What state consists of is as for the hash (state-hash.ts); anything else is refused. For each shape of objects two functions
 * are made that know its fields by name: going over the state of a small world then takes some microseconds.
 */

type PlainObject = Record<string, unknown>
type Push = (child: object) => void

/** What is known of objects that have these fields in this order. */
interface Shape {
  readonly keys: readonly string[]
  /** A copy of the fields; children are pushed. */
  readonly take: (object: PlainObject, push: Push) => PlainObject
  /** Writes back what differs; objects whose fields are others now are left to `rebuild`. */
  readonly restore: (objects: readonly PlainObject[], images: readonly PlainObject[], keys: readonly string[], rebuild: typeof rebuildObject, array: typeof restoreArray) => void
}

interface ObjectGroup { readonly shape: Shape, readonly objects: PlainObject[], readonly images: PlainObject[] }

const TYPED_ARRAYS = [Uint8Array, Int8Array, Uint16Array, Int16Array, Uint32Array, Int32Array, Float32Array, Float64Array] as const
type TypedArray = InstanceType<(typeof TYPED_ARRAYS)[number]>

/** Its elements are contents of host files, which never change: not looked at, not copied. */
const CONSTANTS = 'hostContents'

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** Fields came or went: all of them go, and come back in their order. */
const rebuildObject = (object: PlainObject, image: PlainObject): void => {
  for (const key of Object.keys(object)) Reflect.deleteProperty(object, key)
  Object.assign(object, image)
}

const makeShape = (keys: readonly string[]): Shape => {
  if (keys.includes('__proto__')) throw new TypeError('a field named __proto__ has no place in the state of a world')
  const names = keys.map((key) => JSON.stringify(key))
  const pushes = names.map((name, i) => keys[i] === CONSTANTS ? `const f${i} = o[${name}].slice()` : `const f${i} = o[${name}]; if (typeof f${i} === 'object' && f${i} !== null) push(f${i})`)
  const takeBody = `${pushes.join('\n')}\nreturn { ${names.map((name, i) => `${name}: f${i}`).join(', ')} }`
  const writes = names.map((name, i) => keys[i] === CONSTANTS
    ? `array(o[${name}], m[${name}])`
    : `if (o[${name}] !== m[${name}]) o[${name}] = m[${name}]`)
  const restoreBody = `for (let i = 0; i < objects.length; i++) {
    const o = objects[i], m = images[i]
    let n = 0
    for (const key in o) if (key !== keys[n++]) { n = -1; break }
    if (n !== ${keys.length}) { rebuild(o, m); continue }
    ${writes.join('\n')}
  }`
  // Functions that know the fields by name are ten times as fast as loops over the names.
  /* eslint-disable @typescript-eslint/no-implied-eval -- names of fields of our own state, as JSON */
  return {
    keys, take: new Function('o', 'push', takeBody) as Shape['take'],
    restore: new Function('objects', 'images', 'keys', 'rebuild', 'array', restoreBody) as Shape['restore'],
  }
  /* eslint-enable @typescript-eslint/no-implied-eval */
}

/** By number of fields. */
const shapes: Shape[][] = []
const scratchKeys: string[] = []

const shapeOf = (object: PlainObject): Shape => {
  let count = 0
  for (const key in object) scratchKeys[count++] = key
  const candidates = shapes[count] ??= []
  search: for (const shape of candidates) {
    const { keys } = shape
    for (let i = 0; i < count; i++) if (keys[i] !== scratchKeys[i]) continue search
    return shape
  }
  const shape = makeShape(scratchKeys.slice(0, count))
  candidates.push(shape)
  return shape
}

const restoreArray = (array: unknown[], image: readonly unknown[]): void => {
  const { length } = image
  if (array.length !== length) array.length = length
  for (let i = 0; i < length; i++) if (array[i] !== image[i]) array[i] = image[i]
}

/** Order is part of the state. */
const restoreMap = (map: Map<unknown, unknown>, image: readonly unknown[]): void => {
  let i = 0
  if (map.size * 2 === image.length) {
    for (const [key, value] of map) {
      if (key !== image[i] || value !== image[i + 1]) break
      i += 2
    }
    if (i === image.length) return
  }
  map.clear()
  for (i = 0; i < image.length; i += 2) map.set(image[i], image[i + 1])
}

const restoreSet = (set: Set<unknown>, image: readonly unknown[]): void => {
  let i = 0
  if (set.size === image.length) {
    for (const value of set) if (value !== image[i++]) { i = -1; break }
    if (i >= 0) return
  }
  set.clear()
  for (const value of image) set.add(value)
}

export class StateImage {
  readonly #groups = new Map<Shape, ObjectGroup>()
  readonly #arrays: unknown[][] = []
  readonly #arrayImages: (readonly unknown[])[] = []
  readonly #maps: Map<unknown, unknown>[] = []
  readonly #mapImages: (readonly unknown[])[] = []
  readonly #sets: Set<unknown>[] = []
  readonly #setImages: (readonly unknown[])[] = []
  readonly #typed: TypedArray[] = []
  readonly #typedImages: TypedArray[] = []

  /** @param root all that can be reached from it is kept */
  constructor(root: object) {
    const seen = new Set<object>([root])
    const push: Push = (child) => { seen.add(child) }
    // A Set is iterated over what is added meanwhile.
    for (const object of seen) this.#take(object, push)
  }

  get objects(): number {
    let count = this.#arrays.length + this.#maps.length + this.#sets.length + this.#typed.length
    for (const { objects } of this.#groups.values()) count += objects.length
    return count
  }

  #take(object: object, push: Push): void {
    if (Array.isArray(object)) {
      for (const element of object as unknown[]) if (isObject(element)) push(element)
      this.#arrays.push(object)
      this.#arrayImages.push(object.slice())
    } else if (object instanceof Map) {
      const image: unknown[] = []
      for (const [key, value] of object as Map<unknown, unknown>) {
        image.push(key, value)
        if (isObject(key)) push(key)
        if (isObject(value)) push(value)
      }
      this.#maps.push(object)
      this.#mapImages.push(image)
    } else if (object instanceof Set) {
      const image = [...object as Set<unknown>]
      for (const value of image) if (isObject(value)) push(value)
      this.#sets.push(object)
      this.#setImages.push(image)
    } else if (ArrayBuffer.isView(object)) {
      if (!TYPED_ARRAYS.some((constructor) => object instanceof constructor)) throw new TypeError('a view that is no typed array of numbers has no place in the state of a world')
      this.#typed.push(object as TypedArray)
      this.#typedImages.push((object as TypedArray).slice())
    } else {
      this.#takeFields(object as PlainObject, push)
    }
  }

  #takeFields(object: PlainObject, push: Push): void {
    const prototype: unknown = Object.getPrototypeOf(object)
    if (prototype !== Object.prototype && prototype !== null) throw new TypeError('an object with a class is not plain data: it has no place in the state of a world')
    const shape = shapeOf(object)
    let group = this.#groups.get(shape)
    if (group === undefined) {
      group = { shape, objects: [], images: [] }
      this.#groups.set(shape, group)
    }
    group.objects.push(object)
    group.images.push(shape.take(object, push))
  }

  /** Makes all of it as it was. */
  restore(): void {
    for (const { shape, objects, images } of this.#groups.values()) shape.restore(objects, images, shape.keys, rebuildObject, restoreArray)
    for (let i = 0; i < this.#arrays.length; i++) restoreArray(this.#arrays[i], this.#arrayImages[i])
    for (let i = 0; i < this.#maps.length; i++) restoreMap(this.#maps[i], this.#mapImages[i])
    for (let i = 0; i < this.#sets.length; i++) restoreSet(this.#sets[i], this.#setImages[i])
    for (let i = 0; i < this.#typed.length; i++) this.#typed[i].set(this.#typedImages[i])
  }
}

/**
 * What a processor may have beyond x86-64-v1, as bits of one mask: rows of the decoder carry the bit that they need
 * (`feature` in decode/rows.ts), a model (model.ts) the bits that it has.
 */
export const FEATURES = [
  'sse3', 'ssse3', 'sse4_1', 'sse4_2', 'popcnt', 'cx16', 'aes', 'pclmulqdq', 'rdtscp', 'movbe', 'lzcnt', 'bmi1', 'bmi2', 'avx', 'avx2', 'fma', 'f16c',
  'xsave', 'fsgsbase', 'adx', 'rdrand', 'rdseed', 'rdpid', 'sha', 'clflushopt', 'clwb',
] as const
export type Feature = typeof FEATURES[number]

export const featureBit = (feature: Feature): number => 1 << FEATURES.indexOf(feature)
export const featureMask = (features: readonly Feature[]): number => features.reduce((mask, feature) => mask | featureBit(feature), 0)
export const ALL_FEATURES = featureMask(FEATURES)

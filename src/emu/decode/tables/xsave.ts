/** XSAVE and its relatives (Intel SDM volume 2, appendix A, table A-6, groups 7, 9 and 15). */
import { type Row, feature, row } from '../rows.ts'

export const XSAVE_ROWS: readonly Row[] = feature('xsave', [
  row('np 0f 01 =d0', 'xgetbv'), row('np 0f ae /4 mem', 'xsave', 'My'), row('np 0f ae /5 mem', 'xrstor', 'My'),
  row('np 0f ae /6 mem', 'xsaveopt', 'My'), row('np 0f c7 /4 mem', 'xsavec', 'My'),
])

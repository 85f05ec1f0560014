/** BMI1 and BMI2, those with a VEX prefix (Intel SDM volume 2, appendix A, tables ). */
import { type Row, feature, row } from '../rows.ts'

export const BMI_ROWS: readonly Row[] = [
  ...feature('bmi1', [
    row('vex.128.np.0f38 f2', 'andn', 'Gy By Ey'), row('vex.128.np.0f38 f7', 'bextr', 'Gy Ey By'),
    row('vex.128.np.0f38 f3 /1', 'blsr', 'By Ey'), row('vex.128.np.0f38 f3 /2', 'blsmsk', 'By Ey'), row('vex.128.np.0f38 f3 /3', 'blsi', 'By Ey'),
  ]),
  ...feature('bmi2', [
    row('vex.128.np.0f38 f5', 'bzhi', 'Gy Ey By'), row('vex.128.f3.0f38 f5', 'pext', 'Gy By Ey'), row('vex.128.f2.0f38 f5', 'pdep', 'Gy By Ey'),
    row('vex.128.f2.0f38 f6', 'mulx', 'Gy By Ey'), row('vex.128.f2.0f3a f0', 'rorx', 'Gy Ey Ib'),
    row('vex.128.66.0f38 f7', 'shlx', 'Gy Ey By'), row('vex.128.f3.0f38 f7', 'sarx', 'Gy Ey By'), row('vex.128.f2.0f38 f7', 'shrx', 'Gy Ey By'),
  ]),
]

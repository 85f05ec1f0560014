/** What uname(2) and /proc say of the kernel. */
export const SYSTEM_NAME = 'Linux', RELEASE = '6.1.0', VERSION = '#1 SMP PREEMPT_DYNAMIC', MACHINE = 'x86_64'

/**
 * What the observer hears of packets: every frame that an Ethernet interface sends and gets; what goes over loopback only if the
 * world is configured so (`packets`), as it would make traces long.
 */
import type { Kernel } from '../kernel.ts'
import { isLoopbackDevice, type NetInterface } from './device.ts'

const introduce = (kernel: Kernel, device: NetInterface): void => {
  if (device.told) return
  device.told = true
  kernel.outside.observer.onInterface?.(kernel.state.cycle, device.number, device.net.owner === '' ? device.name : `${device.net.owner}:${device.name}`, device.type, device.mac, device.net.number)
}

export const isTold = (kernel: Kernel, device: NetInterface): boolean => !isLoopbackDevice(device) || kernel.config.packets === true

/** @returns the packet's number */
export const tellSent = (kernel: Kernel, device: NetInterface, frame: Uint8Array): number => {
  const number = kernel.state.net.packets++
  introduce(kernel, device)
  kernel.outside.observer.onPacket?.(kernel.state.cycle, device.number, 'sent', number, frame)
  return number
}

/** `changed`: the frame, if it is not as it was sent. */
export const tellDelivered = (kernel: Kernel, device: NetInterface, packet: number, changed: Uint8Array | undefined): void => {
  introduce(kernel, device)
  kernel.outside.observer.onPacket?.(kernel.state.cycle, device.number, 'delivered', packet, changed)
}

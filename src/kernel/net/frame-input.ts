/** Frames that reach an Ethernet interface. */
import type { Kernel } from '../kernel.ts'
import { receiveArp } from './arp.ts'
import { drainBacklog } from './backlog.ts'
import type { NetInterface } from './device.ts'
import { IFF_ALLMULTI } from './device.ts'
import { ETHERNET_HEADER, ETHERTYPE_ARP, ETHERTYPE_IP, frameType, isBroadcastMac, isGroupMac, isSameMac, multicastMac } from './ethernet.ts'
import { receiveIp } from './ip-input.ts'
import { tapFrame } from './packet.ts'

const ALL_HOSTS = 0xe000_0001

const isForUs = (device: NetInterface, frame: Uint8Array): boolean => {
  if (isSameMac(frame, device.mac) || isBroadcastMac(frame)) return true
  if (!isGroupMac(frame)) return false
  if ((device.flags & IFF_ALLMULTI) !== 0 || isSameMac(frame, multicastMac(ALL_HOSTS))) return true
  for (const group of device.groups.keys()) if (isSameMac(frame, multicastMac(group))) return true
  return false
}

export const receiveFrame = (kernel: Kernel, device: NetInterface, frame: Uint8Array): void => {
  if (frame.length < ETHERNET_HEADER) return
  tapFrame(kernel, device, frame, false)
  if (isForUs(device, frame)) {
    if (isGroupMac(frame) && !isBroadcastMac(frame)) device.received.multicast++
    switch (frameType(frame)) {
      case ETHERTYPE_ARP: receiveArp(kernel, device, frame); break
      case ETHERTYPE_IP: receiveIp(kernel, device, frame, ETHERNET_HEADER); break
      default: break
    }
  }
  drainBacklog(kernel)
}

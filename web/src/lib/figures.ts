/** How figures are written and when they call for attention. */
import type { QueueView } from '../api/types'
import { secondsSince } from './time'

/** One order in both languages: by pinyin, as Chinese readers look names up. */
const names = new Intl.Collator('zh-CN', { numeric: true })
export const byName = (a: { name: string }, b: { name: string }): number =>
  names.compare(a.name, b.name)

export const percent = (share: number | null): string =>
  share === null ? '–' : `${Math.round(share * 100)}%`

/** Usual targets: 80 % is the common goal of a service level, below 60 % callers are being lost. */
export function serviceTone(share: number | null): 'idle' | 'paused' | 'danger' | 'off' {
  if (share === null) return 'off'
  if (share >= 0.8) return 'idle'
  return share >= 0.6 ? 'paused' : 'danger'
}

/** A wait becomes urgent near, and alarming past, the time that the queue promises. */
export function waitTone(queue: QueueView, nowMs: number): 'idle' | 'ringing' | 'danger' | 'accent' {
  const wait = secondsSince(queue.longest_wait_since, nowMs)
  if (wait === null) return 'idle'
  if (wait > queue.service_level_s) return 'danger'
  return wait > queue.service_level_s / 2 ? 'ringing' : 'accent'
}

/** Times and durations as people read them. */

/** Milliseconds since the epoch of an ISO 8601 time, or null. The epoch itself says that there is no time. */
export function timeMs(iso: string | null | undefined): number | null {
  if (iso === null || iso === undefined || iso === '') return null
  const value = Date.parse(iso)
  return Number.isNaN(value) || value === 0 ? null : value
}

/** Whole seconds from `iso` to `nowMs`, never negative (clocks differ a little). */
export function secondsSince(iso: string | null | undefined, nowMs: number): number | null {
  const start = timeMs(iso)
  return start === null ? null : Math.max(0, Math.floor((nowMs - start) / 1000))
}

/** Whole seconds from `nowMs` to `iso`, rounded up so that a countdown ends at 0, never below. */
export function secondsUntil(iso: string | null | undefined, nowMs: number): number | null {
  const end = timeMs(iso)
  return end === null ? null : Math.max(0, Math.ceil((end - nowMs) / 1000))
}

/** `0:07`, `12:34`, `1:02:03`; a dash when not known. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–'
  const whole = Math.max(0, Math.round(seconds))
  const s = String(whole % 60).padStart(2, '0')
  const m = Math.floor(whole / 60) % 60
  const h = Math.floor(whole / 3600)
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${s}` : `${m}:${s}`
}

const sameDay = (a: Date, b: Date): boolean =>
  a.getFullYear() === b.getFullYear() &&
  a.getMonth() === b.getMonth() &&
  a.getDate() === b.getDate()

/** `14:05` for today, with the date before it for other days, in the reader's language and zone. */
export function moment(iso: string | null | undefined, nowMs: number, locale: string): string {
  const value = timeMs(iso)
  if (value === null) return '–'
  const when = new Date(value)
  const now = new Date(nowMs)
  const time: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }
  if (sameDay(when, now)) return new Intl.DateTimeFormat(locale, time).format(when)
  const date: Intl.DateTimeFormatOptions = { month: 'short', day: 'numeric' }
  if (when.getFullYear() !== now.getFullYear()) date.year = 'numeric'
  return new Intl.DateTimeFormat(locale, { ...date, ...time }).format(when)
}

/** Date and time to the second, for records. */
export function fullMoment(iso: string | null | undefined, locale: string): string {
  const value = timeMs(iso)
  if (value === null) return '–'
  return new Intl.DateTimeFormat(locale, {
    year: 'numeric',
    // Digits alone are read in different orders by readers of English.
    month: locale.startsWith('zh') ? '2-digit' : 'short',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).format(new Date(value))
}

/** The day alone. */
export function dayOf(iso: string, locale: string): string {
  return new Intl.DateTimeFormat(locale, { year: 'numeric', month: 'short', day: 'numeric' }).format(new Date(iso))
}

/** Local midnight of the day of `nowMs`, as ISO in UTC. */
export function startOfDay(nowMs: number): string {
  const day = new Date(nowMs)
  day.setHours(0, 0, 0, 0)
  return day.toISOString()
}

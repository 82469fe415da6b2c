import { describe, expect, it } from 'vitest'
import { formatPhone } from '../src/lib/phone'
import { duration, moment, secondsSince, secondsUntil, timeMs } from '../src/lib/time'
import { serviceTone, waitTone } from '../src/lib/figures'
import type { QueueView } from '../src/api/types'

const at = (iso: string) => Date.parse(iso)

describe('durations', () => {
  it.each([
    [0, '0:00'],
    [7, '0:07'],
    [59.6, '1:00'],
    [754, '12:34'],
    [3599, '59:59'],
    [3723, '1:02:03'],
    [-3, '0:00'],
    [null, '–'],
    [Number.NaN, '–'],
  ])('%s s is %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text)
  })
})

describe('time since and until', () => {
  it('counts whole seconds and never below zero', () => {
    const start = '2026-01-05T01:00:00.000Z'
    expect(secondsSince(start, at(start) + 1999)).toBe(1)
    expect(secondsSince(start, at(start) - 5000)).toBe(0)
    expect(secondsSince(null, 0)).toBeNull()
    expect(secondsUntil(start, at(start) - 1001)).toBe(2)
    expect(secondsUntil(start, at(start) + 1)).toBe(0)
    expect(secondsUntil(null, 0)).toBeNull()
  })

  it('takes a broken time for none', () => {
    expect(timeMs('yesterday')).toBeNull()
    expect(timeMs('')).toBeNull()
  })
})

describe('moments', () => {
  it('leave out what is the same as now', () => {
    const noon = new Date(2026, 0, 5, 12, 0)
    const iso = (date: Date) => date.toISOString()
    expect(moment(iso(new Date(2026, 0, 5, 9, 5)), noon.getTime(), 'zh-CN')).toBe('09:05')
    expect(moment(iso(new Date(2026, 0, 4, 23, 59)), noon.getTime(), 'zh-CN')).toBe('1月4日 23:59')
    expect(moment(iso(new Date(2025, 11, 31, 8, 0)), noon.getTime(), 'en')).toBe(
      'Dec 31, 2025, 08:00',
    )
    expect(moment(null, 0, 'en')).toBe('–')
  })
})

describe('telephone numbers', () => {
  it.each([
    ['+8613800138000', '+86 138 0013 8000'],
    ['13800138000', '138 0013 8000'],
    ['+861085991000', '+86 10 8599 1000'],
    ['01085991000', '010 8599 1000'],
    ['05921234567', '0592 123 4567'],
    ['+447911123456', '+447911123456'],
    ['1001', '1001'],
    ['95588', '95588'],
    ['sip:anna@example.org', 'sip:anna@example.org'],
    ['', ''],
  ])('%s is written %s', (number, text) => {
    expect(formatPhone(number)).toBe(text)
  })

  it('only adds blanks', () => {
    for (const number of ['+8613800138000', '02161234567', '+8675512345678', '8613800138000']) {
      expect(formatPhone(number).replaceAll(' ', '')).toBe(number)
    }
  })
})

describe('figures that call for attention', () => {
  const queue = (wait: string | null) =>
    ({ longest_wait_since: wait, service_level_s: 20 }) as QueueView
  const now = at('2026-01-05T01:01:00Z')

  it('follow the promise of the queue', () => {
    expect(waitTone(queue(null), now)).toBe('idle')
    expect(waitTone(queue('2026-01-05T01:00:55Z'), now)).toBe('accent')
    expect(waitTone(queue('2026-01-05T01:00:45Z'), now)).toBe('ringing')
    expect(waitTone(queue('2026-01-05T01:00:30Z'), now)).toBe('danger')
    expect([null, 0.95, 0.8, 0.7, 0.2].map(serviceTone)).toEqual([
      'off',
      'idle',
      'idle',
      'paused',
      'danger',
    ])
  })
})

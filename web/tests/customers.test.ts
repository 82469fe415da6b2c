import { describe, expect, it } from 'vitest'
import type { WholeCustomer } from '../src/api/crm'
import { differing, mainPoint, placeOf } from '../src/lib/customers'
import { announce } from '../src/store/bus'

const point = (value: string, more: object = {}) => ({
  kind: 'phone',
  value,
  label: '',
  preferred: false,
  opt_out: false,
  invalid: false,
  ...more,
})
const customer = (more: object): WholeCustomer => ({ contact_points: [], addresses: [], ...more }) as never

describe('two people change one customer', () => {
  const before = { name: 'a', title: '', tags: ['x'], vip: false }

  it('only what both changed differently is in question', () => {
    const theirs = { ...before, name: 'b', title: 'Ms', vip: true }
    const mine = { ...before, name: 'c', tags: ['x', 'y'], vip: true }
    expect(differing(theirs, before, mine)).toEqual([{ field: 'name', theirs: 'b', mine: 'c' }])
  })

  it('lists are told in words', () => {
    const was = { contact_points: [point('1')] }
    const theirs = { contact_points: [point('1'), point('2')] }
    const mine = { contact_points: [point('3')] }
    expect(differing(theirs, was, mine)).toEqual([
      { field: 'contact_points', theirs: '1 · 2', mine: '3' },
    ])
  })

  it('nothing is in question when only one of them changed something', () => {
    expect(differing({ ...before, name: 'b' }, before, { ...before, title: 'Dr' })).toEqual([])
  })
})

describe('a list shows', () => {
  it('the preferred valid phone first, then any phone, then anything', () => {
    const mail = point('a@b.cn', { kind: 'email' })
    const bad = point('1', { invalid: true, preferred: true })
    expect(mainPoint(customer({ contact_points: [mail, bad, point('2'), point('3', { preferred: true })] }))?.value).toBe('3')
    expect(mainPoint(customer({ contact_points: [mail, bad, point('2')] }))?.value).toBe('2')
    expect(mainPoint(customer({ contact_points: [mail, bad] }))?.value).toBe('a@b.cn')
    expect(mainPoint(customer({}))).toBeNull()
  })

  it('the first address in one line', () => {
    const address = { province: 'A', city: 'B', district: '', street: 'C 1' }
    expect(placeOf(customer({ addresses: [address] }))).toBe('ABC 1')
    expect(placeOf(customer({}))).toBe('')
  })
})

it('news go to pages and nothing else does', () => {
  expect(announce('callback', {})).toBe(true)
  expect(announce('agent', {})).toBe(false)
})

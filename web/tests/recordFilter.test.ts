import { describe, expect, it } from 'vitest'
import { emptyForm, filterOf, formOf } from '../src/lib/recordFilter'

describe('the filter of the contact records', () => {
  it('holds only what narrows the list', () => {
    expect(filterOf(emptyForm())).toEqual({})
    expect(filterOf({ ...emptyForm(), queue: 'news', phone: ' 138 ' })).toEqual({ queue: 'news', phone: '138' })
  })

  it('counts the last day whole, and finds its way back into the form', () => {
    const days: [Date, Date] = [new Date(2026, 0, 30), new Date(2026, 0, 31)]
    const filter = filterOf({ ...emptyForm(), days, outcome: 'answered' })
    expect(filter.to).toBe(new Date(2026, 1, 1).toISOString())
    expect(formOf(filter)).toEqual({ ...emptyForm(), days, outcome: 'answered' })
  })

  it('takes a field that was cleared for empty', () => {
    const cleared = { ...emptyForm(), queue: undefined as unknown as string }
    expect(filterOf(cleared)).toEqual({})
  })

  it('leaves out what it does not know of', () => {
    expect(formOf({ q: 'x', vip: true, agent: 'li', from: 'soon', to: '' })).toEqual({ ...emptyForm(), agent: 'li' })
  })
})

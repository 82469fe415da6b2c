import { describe, expect, it } from 'vitest'
import type { Consent } from '../src/api/crm'
import { inForce, pointKind } from '../src/lib/consents'

const entry = (id: string, channel: string, purpose: string, state: Consent['state']): Consent => ({
  id,
  channel,
  purpose,
  state,
  source: 'call',
  proof: '',
  actor: 'li',
  at: '2026-01-01T00:00:00Z',
})

describe('the consent that counts', () => {
  it('is none while nothing was said: nobody consents by silence', () => {
    expect(inForce([], 'phone', 'marketing')).toBeNull()
    expect(inForce([entry('1', 'sms', 'marketing', 'granted')], 'phone', 'marketing')).toBeNull()
  })

  it('is the newest entry, whatever was said before', () => {
    const ledger = [entry('2', 'phone', 'marketing', 'withdrawn'), entry('1', 'phone', 'marketing', 'granted')]
    expect(inForce(ledger, 'phone', 'marketing')?.id).toBe('2')
  })

  it('may be one that speaks of every channel or every purpose, in the order of time', () => {
    const ledger = [
      entry('3', 'email', 'service', 'granted'),
      entry('2', 'any', 'any', 'withdrawn'),
      entry('1', 'phone', 'any', 'granted'),
    ]
    expect(inForce(ledger, 'email', 'service')?.id).toBe('3')
    expect(inForce(ledger, 'email', 'marketing')?.id).toBe('2')
    expect(inForce(ledger, 'phone', 'service')?.id).toBe('2')
    expect(inForce(ledger.slice(2), 'phone', 'research')?.id).toBe('1')
  })

  it('is bound to how the customer is reached: a text message goes to a phone', () => {
    expect([pointKind('sms'), pointKind('email')]).toEqual(['phone', 'email'])
  })
})

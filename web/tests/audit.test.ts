import { describe, expect, it } from 'vitest'
import type { AuditEntry } from '../src/api/admin'
import { changesOf, wasRefused } from '../src/lib/audit'

const entry = (more: Partial<AuditEntry>): AuditEntry => ({
  id: '1',
  at: '2026-01-01T00:00:00Z',
  actor: 'root',
  source: '',
  action: 'update',
  entity: 'user',
  entity_id: 'li',
  before: null,
  after: null,
  ...more,
})

const changes = (one: AuditEntry) => changesOf(one, (iso) => `at ${iso}`)

describe('an entry of the audit trail', () => {
  it('is told field by field', () => {
    const told = changes(
      entry({
        before: { role: 'agent', teams: ['day', 'night'], name: '' },
        after: { role: 'viewer', teams: [], name: null },
      }),
    )
    expect(told).toEqual([
      { field: 'role', before: 'agent', after: 'viewer' },
      { field: 'teams', before: 'day, night', after: null },
    ])
  })

  it('tells what is nested, without what is not set', () => {
    const points = [{ kind: 'phone', value: '138', opt_out: false, label: '' }, { kind: 'qq', value: '1', preferred: true }]
    expect(changes(entry({ action: 'create', after: { contact_points: points } }))).toEqual([
      {
        field: 'contact_points',
        before: null,
        after: '{kind phone; value 138}, {kind qq; value 1; preferred true}',
      },
    ])
  })

  it('tells lists and times of the store as such', () => {
    const told = changes(entry({ before: { teams: '["day"]', disabled_at: null }, after: { teams: '[]', disabled_at: 1.5, text: '[sic' } }))
    expect(told).toEqual([
      { field: 'teams', before: 'day', after: null },
      { field: 'disabled_at', before: null, after: 'at 1970-01-01T00:00:01.500Z' },
      { field: 'text', before: null, after: '[sic' },
    ])
  })

  it('is a refusal at the door, or by the state', () => {
    expect(wasRefused(entry({ action: 'refused', after: {} }))).toBe(true)
    expect(wasRefused(entry({ action: 'supervise', after: { outcome: 'refused', why_not: 'no call' } }))).toBe(true)
    expect(wasRefused(entry({ action: 'supervise', after: { outcome: 'done' } }))).toBe(false)
  })
})

/** What an entry of the audit trail says: field by field, what was and what is. */
import type { AuditEntry } from '../api/admin'

export interface Change {
  field: string
  /** Null: there was nothing, or nothing is known of it. */
  before: string | null
  after: string | null
}

/** The trail keeps the store's values: lists and objects as JSON, times in Unix seconds. */
function read(field: string, value: unknown): unknown {
  if (field.endsWith('_at') && typeof value === 'number') return new Date(value * 1000)
  if (typeof value !== 'string' || !/^[[{]/.test(value)) return value
  try {
    return JSON.parse(value) as unknown
  } catch {
    return value
  }
}

/** A value as a person reads it: plain text as it is, anything else as compact JSON. */
function inWords(value: unknown, moment: (iso: string) => string): string | null {
  if (value === null || value === undefined || value === '') return null
  const inner = (one: unknown) => inWords(one, moment)
  if (value instanceof Date) return moment(value.toISOString())
  if (Array.isArray(value)) return value.length === 0 ? null : value.map(inner).join(', ')
  if (typeof value === 'object') {
    const parts = Object.entries(value).flatMap(([key, one]) => {
      const text = inner(one)
      return text === null || one === false ? [] : [`${key} ${text}`]
    })
    return parts.length === 0 ? null : `{${parts.join('; ')}}`
  }
  return String(value)
}

/** The fields of an entry, times told by `moment`; those that say nothing on either side are left out. */
export function changesOf(entry: AuditEntry, moment: (iso: string) => string): Change[] {
  const told = (field: string, side: Record<string, unknown> | null) =>
    inWords(read(field, side?.[field]), moment)
  const { before, after } = entry
  const fields = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])
  return [...fields]
    .map((field) => ({ field, before: told(field, before), after: told(field, after) }))
    .filter((change) => change.before !== null || change.after !== null)
}

/** Refused at the door, or by the state of what it was meant for. */
export const wasRefused = (entry: AuditEntry): boolean =>
  entry.action === 'refused' || (entry.after !== null && 'why_not' in entry.after)

/** The filter of the contact records: as the form has it, as the server takes it, as a view keeps it. */
import type { ViewFilter } from '../api/crm'
import { timeMs } from './time'

const WORDS = ['queue', 'agent', 'outcome', 'disposition', 'phone'] as const

export type RecordForm = { days: [Date, Date] | null } & Record<(typeof WORDS)[number], string>

export const emptyForm = (): RecordForm => ({
  days: null,
  queue: '',
  agent: '',
  outcome: '',
  disposition: '',
  phone: '',
})

const nextDay = (day: Date, by: 1 | -1): Date => {
  const next = new Date(day)
  next.setDate(next.getDate() + by)
  return next
}

/** Only what narrows the list; the last day counts whole. A cleared field may be undefined. */
export function filterOf(form: RecordForm): Record<string, string> {
  const filter: Record<string, string> = {}
  if (form.days) {
    filter.from = form.days[0].toISOString()
    filter.to = nextDay(form.days[1], 1).toISOString()
  }
  for (const name of WORDS) {
    const word = (form[name] ?? '').trim()
    if (word !== '') filter[name] = word
  }
  return filter
}

/** The form that a kept filter fills. What it does not know of is left out. */
export function formOf(filter: ViewFilter): RecordForm {
  const form = emptyForm()
  const from = timeMs(String(filter.from ?? ''))
  const to = timeMs(String(filter.to ?? ''))
  if (from !== null && to !== null) form.days = [new Date(from), nextDay(new Date(to), -1)]
  for (const name of WORDS) {
    const word = filter[name]
    if (typeof word === 'string') form[name] = word
  }
  return form
}

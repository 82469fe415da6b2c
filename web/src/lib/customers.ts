/** What the pages read out of a customer. */
import type { ContactPoint, WholeCustomer } from '../api/crm'
import { useDictionary } from './dictionaries'

/** The roles that a customer may have, with their names in the reader's language. */
export function useRoles() {
  const { choices, nameOf } = useDictionary('customer_role')
  return { roles: choices, roleName: nameOf }
}

/** The contact point that a list shows: the preferred phone, else any phone, else anything. */
export function mainPoint(customer: WholeCustomer): ContactPoint | null {
  const points = customer.contact_points
  const phones = points.filter((point) => point.kind === 'phone' && !point.invalid)
  return phones.find((point) => point.preferred) ?? phones[0] ?? points[0] ?? null
}

export const shown = (point: ContactPoint): string => point.display || point.value

export function placeOf(customer: WholeCustomer): string {
  const place = customer.addresses[0]
  return place === undefined ? '' : `${place.province}${place.city}${place.district}${place.street}`
}

export interface Difference {
  field: string
  theirs: string
  mine: string
}

function inWords(value: unknown): string {
  if (Array.isArray(value)) return value.map(inWords).join(' · ')
  if (value !== null && typeof value === 'object') {
    const one = value as Record<string, unknown>
    if ('value' in one) return String(one.value)
    return ['province', 'city', 'district', 'street', 'postcode'].map((key) => one[key] ?? '').join('')
  }
  if (typeof value === 'boolean') return value ? '+' : '–'
  return value === null || value === undefined ? '' : String(value)
}

/** The fields that both changed, differently: `theirs` and `mine` beside what both began with. */
export function differing(
  theirs: Record<string, unknown>,
  before: Record<string, unknown>,
  mine: Record<string, unknown>,
): Difference[] {
  const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
  return Object.keys(before)
    .filter(
      (field) =>
        !same(theirs[field], before[field]) &&
        !same(mine[field], before[field]) &&
        !same(theirs[field], mine[field]),
    )
    .map((field) => ({ field, theirs: inWords(theirs[field]), mine: inWords(mine[field]) }))
}

/** What of a form is new: only that is sent, so that others' changes of the rest stay. */
export function touched<T extends object>(began: T, now: T): Partial<T> {
  const old = began as Record<string, unknown>
  const changed = Object.entries(now).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(old[name]),
  )
  return Object.fromEntries(changed) as Partial<T>
}

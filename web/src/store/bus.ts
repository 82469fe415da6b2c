/** News of the event stream for the pages that are open: who is not here has nothing to do. */
import { onBeforeUnmount } from 'vue'

const NEWS = new Set(['callback', 'import', 'reminder', 'mention', 'contact_record', 'dictionary', 'export', 'webhook'])
type Listener = (data: unknown) => void
const listeners = new Map<string, Set<Listener>>()

/** True when the event is one of these news. */
export function announce(event: string, data: unknown): boolean {
  listeners.get(event)?.forEach((listener) => listener(data))
  return NEWS.has(event)
}

/** Calls `listener` with each event of this name for as long as the part is on the page. */
export function onNews(event: string, listener: Listener): void {
  const mine = listeners.get(event) ?? new Set()
  listeners.set(event, mine)
  mine.add(listener)
  onBeforeUnmount(() => mine.delete(listener))
}

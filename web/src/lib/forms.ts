/** What forms have in common. */
import { ref } from 'vue'
import { ApiError } from '../api/http'
import { detailOf } from './errors'

/** What of a form is new: only that is sent, so that others' changes of the rest stay. */
export function touched<T extends object>(began: T, now: T): Partial<T> {
  const old = began as Record<string, unknown>
  const changed = Object.entries(now).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(old[name]),
  )
  return Object.fromEntries(changed) as Partial<T>
}

/**
 * How the saving of a form stands: `busy` meanwhile, `problem` when the server refused (`inWords`).
 * `saving` runs it; `stale` is what to do instead when somebody else was quicker.
 */
export function useSaving(inWords: (error: ApiError) => string = detailOf) {
  const busy = ref(false)
  const problem = ref('')

  async function saving(action: () => Promise<void>, stale?: () => void | Promise<void>): Promise<void> {
    busy.value = true
    problem.value = ''
    try {
      await action()
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.code === 'precondition_failed' && stale !== undefined) await stale()
      else problem.value = inWords(error)
    } finally {
      busy.value = false
    }
  }

  return { busy, problem, saving }
}

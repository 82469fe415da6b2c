/** A list that comes page by page. Only the answer to the newest question is shown. */
import { ref, type Ref } from 'vue'
import { ApiError } from '../api/http'
import type { Page } from '../api/types'

export interface Pages<T> {
  items: Ref<T[]>
  next: Ref<string | null>
  busy: Ref<boolean>
  /** True once the first answer, good or bad, is there. */
  asked: Ref<boolean>
  /** The failure of the newest question, null when it went well. */
  problem: Ref<ApiError | null>
  load: (more?: boolean) => Promise<void>
  /** Another list takes the place: nothing of the old one is shown meanwhile. */
  restart: () => Promise<void>
}

/** `fetch` asks for the page at a cursor; null: the first one. Load by hand, `load(true)` for more. */
export function usePages<T>(fetch: (cursor: string | null) => Promise<Page<T>>): Pages<T> {
  const items: Ref<T[]> = ref([])
  const next = ref<string | null>(null)
  const busy = ref(false)
  const asked = ref(false)
  const problem = ref<ApiError | null>(null)
  let question = 0

  async function load(more = false): Promise<void> {
    const mine = ++question
    busy.value = true
    try {
      const page = await fetch(more ? next.value : null)
      if (mine !== question) return
      items.value = more ? [...items.value, ...page.items] : page.items
      next.value = page.next
      problem.value = null
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (mine === question) problem.value = error
    } finally {
      if (mine === question) {
        busy.value = false
        asked.value = true
      }
    }
  }

  function restart(): Promise<void> {
    asked.value = false
    return load()
  }

  return { items, next, busy, asked, problem, load, restart }
}

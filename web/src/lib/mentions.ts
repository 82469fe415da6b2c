/** `@username` in a text: what is being typed at the caret, whom it may mean, and how it is finished. */
import { ref, type Ref } from 'vue'
import { belongings, type Colleague } from '../api/belongings'
import { ApiError } from '../api/http'

const SHOWN = 6

export interface Typed {
  /** Where the `@` stands. */
  start: number
  word: string
}

/** The mention that the caret is in or behind, null when it is in none. A mail address is none. */
export function mentionAt(text: string, caret: number): Typed | null {
  const found = /(?<![A-Za-z0-9_@.])@([\p{L}\p{N}_.-]{0,64})$/u.exec(text.slice(0, caret))
  return found === null ? null : { start: found.index, word: found[1] ?? '' }
}

/** Who may be meant: first those whose names begin like that, then those that have it anywhere. */
export function suggestions(people: readonly Colleague[], word: string): Colleague[] {
  const low = word.toLocaleLowerCase()
  const place = ({ username, name }: Colleague): number => {
    const at = [username, name].map((one) => one.toLocaleLowerCase().indexOf(low))
    if (at.includes(0)) return 0
    return at.some((one) => one > 0) ? 1 : 2
  }
  const meant = people.filter((one) => place(one) < 2)
  return meant.sort((a, b) => place(a) - place(b)).slice(0, SHOWN)
}

/** The text with the name in the place of what was typed, and where the caret stands then. */
export function completed(
  text: string,
  typed: Typed,
  caret: number,
  username: string,
): { text: string; caret: number } {
  const head = `${text.slice(0, typed.start)}@${username} `
  return { text: head + text.slice(caret).replace(/^ /, ''), caret: head.length }
}

const people: Ref<Colleague[]> = ref([])
let asked = false

/** The colleagues whom a note can tell; asked for once, when somebody first wants to name one. */
export async function askColleagues(): Promise<void> {
  if (asked) return
  asked = true
  try {
    people.value = await belongings.colleagues()
  } catch (error) {
    // A name can be written by hand; the next `@` asks again.
    asked = false
    if (!(error instanceof ApiError)) throw error
  }
}

export const useColleagues = (): Ref<Colleague[]> => people

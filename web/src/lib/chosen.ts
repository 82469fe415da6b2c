/** One line of a list, or a new one, in a drawer beside it. */
import { computed, ref, type Ref } from 'vue'

/**
 * `chosen`: the key of the line that was chosen; `one`: that line, as the list has it now; `adding`:
 * a new one is made. `open` is for the drawer; `closed` runs each time it closes.
 */
export function useChosen<T>(lines: Ref<T[]>, keyOf: (line: T) => string, closed: () => void = () => undefined) {
  const chosen = ref<string | null>(null)
  const adding = ref(false)
  const one = computed(() => lines.value.find((line) => keyOf(line) === chosen.value) ?? null)
  const open = computed({
    get: () => adding.value || one.value !== null,
    set: (value: boolean) => {
      if (!value) close()
    },
  })

  function close(): void {
    adding.value = false
    chosen.value = null
    closed()
  }

  return { chosen, adding, one, open, close }
}

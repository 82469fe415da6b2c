/** Codes that people choose from, with their names in the reader's language. */
import { computed, reactive, type ComputedRef } from 'vue'
import { useI18n } from 'vue-i18n'
import { crm, type DictionaryEntry, type DictionaryKind } from '../api/crm'
import { ApiError } from '../api/http'
import { onNews } from '../store/bus'

const known = reactive(new Map<DictionaryKind, DictionaryEntry[]>())
const asked = new Set<DictionaryKind>()

async function load(kind: DictionaryKind): Promise<void> {
  asked.add(kind)
  try {
    known.set(kind, await crm.dictionary(kind))
  } catch (error) {
    // Codes are shown as they are; the next page that needs names asks again.
    asked.delete(kind)
    if (!(error instanceof ApiError)) throw error
  }
}

export interface Dictionary {
  /** What can be chosen, in its order. */
  choices: ComputedRef<DictionaryEntry[]>
  /** The name of a code, retired or not; of one that is not known the code itself. */
  nameOf: (code: string) => string
}

/** One dictionary; every part that uses it shares one copy, which follows changes. */
export function useDictionary(kind: DictionaryKind): Dictionary {
  const { locale } = useI18n()
  if (!asked.has(kind)) void load(kind)
  onNews('dictionary', (data) => {
    if ((data as { kind: string }).kind === kind) void load(kind)
  })
  const entries = computed(() => known.get(kind) ?? [])
  return {
    choices: computed(() => entries.value.filter((one) => one.active)),
    nameOf: (code) => {
      const entry = entries.value.find((one) => one.code === code)
      return entry === undefined ? code : labelOf(entry, locale.value)
    },
  }
}

export const labelOf = (entry: Pick<DictionaryEntry, 'label_zh' | 'label_en'>, locale: string): string =>
  locale.startsWith('zh') ? entry.label_zh : entry.label_en

/** What has to be written so that the one at `from` comes to stand at `to`: new places by code. */
export function placesAfter(
  entries: readonly Pick<DictionaryEntry, 'code' | 'position'>[],
  from: number,
  to: number,
): Map<string, number> {
  const order = [...entries]
  const [moved] = order.splice(from, 1)
  if (moved === undefined || to < 0 || to > order.length) return new Map()
  order.splice(to, 0, moved)
  const places = new Map<string, number>()
  order.forEach((one, index) => {
    if (one.position !== index + 1) places.set(one.code, index + 1)
  })
  return places
}

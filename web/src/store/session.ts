/** Who is logged in, and what the server lets this person choose from. */
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { api } from '../api/endpoints'
import { ApiError } from '../api/http'
import type { Choice, Disposition, Me, UiConfig } from '../api/types'
import { i18n, setLocale, type Locale, isLocale, storedLocale } from '../i18n'

const emptyConfig = (): UiConfig => ({ pause_reasons: [], dispositions: [], phones: [] })

export const useSession = defineStore('session', () => {
  const me = ref<Me | null>(null)
  const config = ref<UiConfig>(emptyConfig())
  /** True once the first look at `/me` is over, whatever it said. */
  const asked = ref(false)

  const agentId = computed(() => me.value?.agent ?? null)
  const watchesOthers = computed(() => me.value !== null && me.value.role !== 'agent')

  /** What can be chosen now. The configuration also names what no longer can. */
  const pauseReasons = computed(() => config.value.pause_reasons.filter((one) => one.offered))
  const dispositions = computed(() => config.value.dispositions.filter((one) => one.offered))

  /** Listens to others' conversations and ends them; the server decides on every request. */
  const supervises = computed(() => ['supervisor', 'admin'].includes(me.value?.role ?? ''))

  /** The pages for many customers at once; the server decides on every request anyway. */
  const keepsCustomers = computed(() => ['supervisor', 'admin'].includes(me.value?.role ?? ''))

  /** Users, rights and the routing configuration; the server decides on every request anyway. */
  const administers = computed(() => me.value?.role === 'admin')

  /** Whether the CRM lets this role do that at all; it decides on every request anyway. */
  const may = (entity: string, action: string): boolean =>
    me.value?.rights?.[entity]?.includes(action) ?? false

  async function load(): Promise<void> {
    const who = await api.me()
    config.value = await api.uiConfig()
    if (storedLocale() === null && isLocale(who.language)) setLocale(who.language)
    me.value = who
    asked.value = true
  }

  /** On start: true when a session cookie is still good. Other failures are thrown. */
  async function resume(): Promise<boolean> {
    try {
      await load()
      return true
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        asked.value = true
        return false
      }
      throw error
    }
  }

  async function login(username: string, password: string): Promise<void> {
    await api.login(username, password)
    await load()
  }

  function forget(): void {
    me.value = null
    config.value = emptyConfig()
  }

  async function logout(): Promise<void> {
    try {
      await api.logout()
    } finally {
      forget()
    }
  }

  function dispositionsFor(queue: string | null): Disposition[] {
    return dispositions.value.filter(
      ({ queues }) => queues.length === 0 || (queue !== null && queues.includes(queue)),
    )
  }

  /** Counts the questions for the choices: only the answer to the newest is taken. */
  let asking = 0

  /** The choices, read anew: somebody changed the configuration or a dictionary. */
  async function renewConfig(): Promise<void> {
    const mine = ++asking
    try {
      const now = await api.uiConfig()
      if (mine === asking) config.value = now
    } catch (error) {
      // What was known stays on show; the next news tries again.
      if (!(error instanceof ApiError)) throw error
    }
  }

  return {
    me,
    config,
    asked,
    agentId,
    watchesOthers,
    supervises,
    keepsCustomers,
    administers,
    may,
    resume,
    login,
    logout,
    forget,
    pauseReasons,
    dispositions,
    dispositionsFor,
    renewConfig,
  }
})

/** The name of a coded choice in the reader's language; the code itself when it is not known. */
export function choiceName(choices: Choice[], code: string | null, locale: Locale): string {
  if (code === null || code === '') return ''
  const choice = choices.find((item) => item.code === code)
  if (choice === undefined) {
    // what the server itself pauses for stands in no list
    const own = `ownReason.${code}`
    return i18n.global.te(own, 'en') ? i18n.global.t(own) : code
  }
  return (locale === 'zh-CN' ? choice.name_zh : choice.name) || choice.name || code
}

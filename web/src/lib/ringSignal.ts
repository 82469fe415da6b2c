/** A call that rings is seen in another window too: a notification and a title that flashes. */
import { onUnmounted, watch } from 'vue'
import { useI18n } from 'vue-i18n'
import { useLive } from '../store/live'
import { formatPhone } from './phone'

const FLASH_MS = 900
const TAG = 'ctid-ring'

/** Browsers allow the question only in answer to a person's action, such as going available. */
export function askForNotifications(): void {
  if ('Notification' in window && Notification.permission === 'default') {
    void Notification.requestPermission()
  }
}

export function useRingSignal(): void {
  const { t } = useI18n()
  const live = useLive()
  let flash: ReturnType<typeof setInterval> | undefined
  let note: Notification | null = null

  function quiet(): void {
    clearInterval(flash)
    flash = undefined
    note?.close()
    note = null
    document.title = t('app.name')
  }

  function ring(): void {
    quiet()
    const pop = live.currentPop
    const number = pop === null ? '' : formatPhone(pop.caller.number)
    const who = pop?.customer?.name || pop?.caller.name || number || t('call.withheld')
    const title = t('call.ring_title', { who })
    document.title = title
    let on = true
    flash = setInterval(() => {
      on = !on
      document.title = on ? title : t('app.name')
    }, FLASH_MS)
    if (document.hidden && 'Notification' in window && Notification.permission === 'granted') {
      const queue = pop?.queue == null ? '' : (live.state.queues[pop.queue]?.name ?? pop.queue)
      note = new Notification(title, { body: [number, queue].filter(Boolean).join(' · '), tag: TAG })
      note.onclick = () => window.focus()
    }
  }

  watch(
    () => (live.current.phase === 'ringing' ? live.currentPop?.offer : undefined),
    (offer) => (offer === undefined ? quiet() : ring()),
    { immediate: true },
  )
  onUnmounted(quiet)
}

/** Names for ids, in the reader's language; an id that is not known is shown as it is. */
import { useI18n } from 'vue-i18n'
import type { Locale } from '../i18n'
import { useLive } from '../store/live'
import { choiceName, useSession } from '../store/session'

export function useNames() {
  const { locale } = useI18n()
  const live = useLive()
  const session = useSession()
  return {
    queue: (id: string | null): string =>
      id === null || id === '' ? '' : (live.state.queues[id]?.name ?? id),
    agent: (id: string | null): string =>
      id === null || id === '' ? '' : (live.state.agents[id]?.name ?? id),
    disposition: (code: string | null): string =>
      choiceName(session.config.dispositions, code, locale.value as Locale),
    pause: (code: string | null): string =>
      choiceName(session.config.pause_reasons, code, locale.value as Locale),
  }
}

/** Changing one's own status, with the phone one sits at. */
import { api } from '../api/endpoints'
import type { AgentStatus } from '../api/types'
import { askForNotifications } from '../lib/ringSignal'
import { useLive } from './live'
import { useSession } from './session'

const key = (username: string): string => `ctid.phone.${username}`

/** The phone this person used last on this machine, or the one that the server knows. */
export function rememberedPhone(): string {
  const session = useSession()
  const live = useLive()
  const stored = session.me === null ? null : localStorage.getItem(key(session.me.username))
  return stored ?? live.myAgent?.phone ?? ''
}

export function rememberPhone(phone: string): void {
  const session = useSession()
  if (session.me !== null) localStorage.setItem(key(session.me.username), phone)
}

export async function changeStatus(status: AgentStatus, reason = '', phone = ''): Promise<void> {
  const live = useLive()
  if (status !== 'logged_out') askForNotifications()
  const comingIn = live.myAgent?.status === 'logged_out' && status !== 'logged_out'
  const view = await api.setStatus(
    status,
    reason,
    phone === '' && comingIn ? rememberedPhone() : phone,
  )
  if (view !== undefined && 'id' in view) live.take({ type: 'agent', data: view })
}

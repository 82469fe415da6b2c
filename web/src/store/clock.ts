/** The server's time, ticking: all timers on all screens show the same second. */
import { readonly, ref } from 'vue'

const offsetMs = ref(0)
const now = ref(Date.now())

const tick = (): void => {
  now.value = Date.now() + offsetMs.value
}

let timer: ReturnType<typeof setInterval> | null = null

export function startClock(): void {
  timer ??= setInterval(tick, 500)
}

/** Called with the server's time each time the live connection says hello. */
export function setServerTime(iso: string): void {
  const server = Date.parse(iso)
  if (Number.isNaN(server)) return
  offsetMs.value = server - Date.now()
  tick()
}

/** Server time in milliseconds, twice a second. */
export const serverNow = readonly(now)

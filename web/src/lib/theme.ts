/** Light or dark: as the system says until a person chooses. */
import { ref } from 'vue'

const KEY = 'ctid.theme'
const system = window.matchMedia('(prefers-color-scheme: dark)')

export const dark = ref(false)

export function applyTheme(): void {
  const stored = localStorage.getItem(KEY)
  dark.value = stored === null ? system.matches : stored === 'dark'
  document.documentElement.classList.toggle('dark', dark.value)
}

export function toggleTheme(): void {
  localStorage.setItem(KEY, dark.value ? 'light' : 'dark')
  applyTheme()
}

system.addEventListener('change', applyTheme)
